"""The queue of deadlines, beside a plain list that is sorted."""

from __future__ import annotations

import math
import random

import pytest

from picosip_server.engine.timer_queue import FEW, TimerQueue
from picosip_server.sip.ua.user import TransactionUser
from tests.engine.memory import Simulation

CONTEXT = Simulation().host("10.0.0.1").core.context


def wants(at: float | None) -> TransactionUser:
    """One who wants to be woken at ``at``."""
    user = TransactionUser("calls/a", CONTEXT, {})
    move(user, at)
    return user


def move(user: TransactionUser, at: float | None) -> None:
    user.disarm("alarm")
    if at is not None:
        user.alarm("alarm", at)


def queue(*users: TransactionUser) -> TimerQueue:
    made = TimerQueue()
    for user in users:
        made.schedule(user)
    return made


def due(timers: TimerQueue, now: float) -> list[float | None]:
    return [user.deadline() for user in timers.due(now)]


def test_the_earliest_comes_first_and_nobody_too_early() -> None:
    timers = queue(*map(wants, (9.0, 3.1, 3.0, 86_400.0, 3.2, 3.0)))
    assert timers.deadline() == 3.0
    assert due(timers, 2.99) == []
    assert due(timers, 3.1) == [3.0, 3.0, 3.1]
    assert timers.deadline() == 3.2
    assert due(timers, 9.0) == [3.2, 9.0]
    assert timers.deadline() == 86_400.0
    assert len(timers) == 1
    assert due(timers, 1e6) == [86_400.0]
    assert timers.deadline() is None
    assert timers.idle


def test_never_is_a_time_like_another() -> None:
    timers = queue(*map(wants, (math.inf, 2e12, 1.0)))
    assert due(timers, 1.0) == [1.0]
    assert timers.deadline() == 2e12
    assert due(timers, 3e12) == [2e12]
    assert timers.deadline() == math.inf
    assert due(timers, 4e12) == []
    assert len(timers) == 1


def test_those_of_one_moment_come_in_the_order_in_which_they_were_noted() -> None:
    users = [wants(5.0) for _ in range(10)]
    timers = queue(*users)
    assert list(timers.due(5.0)) == users


def test_what_comes_up_meanwhile_has_its_turn_at_once() -> None:
    timers = queue(wants(1.0), wants(2.0))
    seen = []
    for user in timers.due(2.0):
        seen.append(user.deadline())
        if len(seen) == 1:
            for at in (1.5, 2.5):
                timers.schedule(wants(at))
    assert seen == [1.0, 1.5, 2.0]
    assert timers.deadline() == 2.5


def test_an_earlier_deadline_counts_and_a_later_one_waits_for_the_one_noted() -> None:
    user = wants(10.0)
    timers = queue(user)
    move(user, 4.0)
    timers.schedule(user)
    assert (timers.deadline(), len(timers)) == (4.0, 1)
    move(user, 20.0)
    timers.schedule(user)
    assert timers.deadline() == 4.0
    assert list(timers.due(4.0)) == [user]
    timers.schedule(user)
    assert due(timers, 19.0) == []
    move(user, None)
    timers.schedule(user)
    assert timers.idle
    assert due(timers, 30.0) == []


@pytest.mark.parametrize("seed", range(5))
def test_it_does_as_a_sorted_list_does(seed: int) -> None:
    """Users that come, change their minds and go, in thousands."""
    rng = random.Random(seed)
    timers, users, now = TimerQueue(), [wants(None) for _ in range(300)], 1000.0
    for _ in range(3000):
        user = rng.choice(users)
        move(user, rng.choice([None, now + rng.expovariate(0.1), now + rng.random(), now]))
        timers.forget(user)
        timers.schedule(user)
        if rng.random() < 0.1:
            now += rng.expovariate(2.0)
            over = [each for each in users if (each.deadline() or now + 1.0) <= now]
            assert due(timers, now) == sorted(each.deadline() or 0.0 for each in over)
            for each in over:
                move(each, None)
        waiting = [at for each in users if (at := each.deadline()) is not None]
        assert len(timers) == len(waiting)
        assert timers.kept <= max(2 * len(timers), len(timers) + FEW) + 1
        earliest = timers.deadline()
        if waiting:
            # One that is not needed any more may come before it.
            assert earliest is not None
            assert earliest <= min(waiting)


def test_nobody_is_woken_for_an_entry_that_is_not_needed_any_more() -> None:
    users = [wants(1.0), wants(1.1), wants(7.0)]
    timers = queue(*users, wants(0.5))
    assert due(timers, 0.99) == [0.5]
    assert timers.deadline() == 1.0
    for user in users[:2]:
        move(user, None)
        timers.schedule(user)
    # They have left the slots for the heap only where its turn has come.
    assert due(timers, 1.05) == []
    assert timers.deadline() == 7.0
    assert (timers.kept, len(timers)) == (1, 1)
