"""The queue of deadlines, beside a plain list that is sorted."""

from __future__ import annotations

import math
import random
from typing import Any, cast

import pytest

from picosip_server.engine.timer_queue import FEW, TimerQueue


class User:
    """Wants to be woken at ``at``."""

    def __init__(self, at: float | None) -> None:
        self.at = at
        self.scheduled: Any = None

    def deadline(self) -> float | None:
        return self.at


def queue(*users: User) -> TimerQueue:
    made = TimerQueue()
    for user in users:
        made.schedule(cast(Any, user))
    return made


def due(timers: TimerQueue, now: float) -> list[float | None]:
    return [cast(User, each).at for each in timers.due(now)]


def test_the_earliest_comes_first_and_nobody_too_early() -> None:
    timers = queue(*map(User, (9.0, 3.1, 3.0, 86_400.0, 3.2, 3.0)))
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
    timers = queue(*map(User, (math.inf, 2e12, 1.0)))
    assert due(timers, 1.0) == [1.0]
    assert timers.deadline() == 2e12
    assert due(timers, 3e12) == [2e12]
    assert timers.deadline() == math.inf
    assert due(timers, 4e12) == []
    assert len(timers) == 1


def test_those_of_one_moment_come_in_the_order_in_which_they_were_noted() -> None:
    users = [User(5.0) for _ in range(10)]
    timers = queue(*users)
    assert list(timers.due(5.0)) == users


def test_what_comes_up_meanwhile_has_its_turn_at_once() -> None:
    timers = queue(User(1.0), User(2.0))
    seen = []
    for user in timers.due(2.0):
        seen.append(cast(User, user).at)
        if len(seen) == 1:
            for at in (1.5, 2.5):
                timers.schedule(cast(Any, User(at)))
    assert seen == [1.0, 1.5, 2.0]
    assert timers.deadline() == 2.5


def test_an_earlier_deadline_counts_and_a_later_one_waits_for_the_one_noted() -> None:
    user = User(10.0)
    timers = queue(user)
    user.at = 4.0
    timers.schedule(cast(Any, user))
    assert (timers.deadline(), len(timers)) == (4.0, 1)
    user.at = 20.0
    timers.schedule(cast(Any, user))
    assert timers.deadline() == 4.0
    assert list(timers.due(4.0)) == [user]
    timers.schedule(cast(Any, user))
    assert due(timers, 19.0) == []
    user.at = None
    timers.schedule(cast(Any, user))
    assert timers.idle
    assert due(timers, 30.0) == []


@pytest.mark.parametrize("seed", range(5))
def test_it_does_as_a_sorted_list_does(seed: int) -> None:
    """Users that come, change their minds and go, in thousands."""
    rng = random.Random(seed)
    timers, users, now = TimerQueue(), [User(None) for _ in range(300)], 1000.0
    for _ in range(3000):
        user = rng.choice(users)
        user.at = rng.choice([None, now + rng.expovariate(0.1), now + rng.random(), now])
        timers.forget(cast(Any, user))
        timers.schedule(cast(Any, user))
        if rng.random() < 0.1:
            now += rng.expovariate(2.0)
            expected = sorted(each.at for each in users if each.at is not None and each.at <= now)
            assert due(timers, now) == expected
            for each in users:
                if each.at is not None and each.at <= now:
                    each.at = None
        waiting = [each.at for each in users if each.at is not None]
        assert len(timers) == len(waiting)
        assert timers.kept <= max(2 * len(timers), len(timers) + FEW) + 1
        earliest = timers.deadline()
        if waiting:
            # One that is not needed any more may come before it.
            assert earliest is not None
            assert earliest <= min(waiting)
