"""What is ended when a load begins nothing more."""

from __future__ import annotations

from typing import cast

import pytest

from picosip_server.engine.departures import MOST_LEAVING, PATIENCE, Departures
from picosip_server.engine.load.distributions import Constant
from picosip_server.engine.load.driver import TICK
from picosip_server.engine.load.part import Session
from tests.engine.load.running import Running, answers, at_rate, calls
from tests.engine.load.test_registrations import registrar, registrations
from tests.engine.memory import Faults, Simulation
from tests.sip.ua.peer import Peer


def test_nobody_leaves_before_it_is_open() -> None:
    departures = Departures()
    assert departures.next is None
    assert list(departures.due(1.0, 0.001, 10)) == []


def test_registrations_go_as_fast_as_they_came() -> None:
    simulation = Simulation()
    near, peer = simulation.host("192.0.2.1"), Peer(simulation, "192.0.2.2")
    registrar(peer)
    load = Running(near, registrations(), at_rate(200, count=100))
    simulation.run(until=lambda: load.ended)
    removed = [at for at, message, _ in peer.received if message.headers.get("Expires") == "0"]
    assert len(removed) == 100
    assert removed[-1] - removed[0] == pytest.approx(0.5, abs=0.03)


def test_what_is_stopped_goes_at_once_in_batches() -> None:
    simulation = Simulation()
    near, far = simulation.host("192.0.2.1"), simulation.host("192.0.2.2")
    Running(far, answers())
    load = Running(near, calls(hold=Constant(600.0)), at_rate(1000, count=300))
    simulation.run(1.0)
    assert load.figures.active == 300
    load.stop(hang_up=True)
    start = simulation.now
    simulation.run(until=lambda: load.ended)
    byes = [at for at, _, _, data in simulation.wire if data.startswith(b"BYE")]
    assert len(byes) == load.figures.succeeded == 300
    # 16 of them in each millisecond.
    assert byes[-1] - start == pytest.approx(0.019, abs=0.0015)


class Far:
    """Sessions that leave when the test says so."""

    def __init__(self, count: int) -> None:
        self.departures = Departures()
        self.all = [cast("Session", object()) for _ in range(count)]
        self.departures.open(10.0, more=self.all)
        self.gone = list(self.departures.due(10.0, TICK, count))


def test_no_more_are_on_their_way_out_than_the_far_end_can_take() -> None:
    far = Far(MOST_LEAVING + 2)
    assert far.gone == far.all[:MOST_LEAVING]
    assert far.departures.next == 10.0 + PATIENCE
    # One is out: the next one may go.
    assert far.departures.left(far.gone[7])
    assert far.departures.next == 10.0
    assert list(far.departures.due(10.1, TICK, 99)) == [far.all[-2]]
    # Nothing changes by one that left before.
    assert not far.departures.left(far.gone[7])
    assert list(far.departures.due(10.2, TICK, 99)) == []


def test_nobody_waits_for_long_for_a_far_end_that_does_not_answer() -> None:
    far = Far(100 * MOST_LEAVING)
    gone, rounds = len(far.gone), 0
    while (due := far.departures.next) is not None:
        assert due == 10.0 + (rounds + 1) * PATIENCE
        rounds += 1
        gone += len(list(far.departures.due(due, TICK, len(far.all))))
        # Twice as many each time.
        assert gone == min(len(far.all), MOST_LEAVING * (2 ** (rounds + 1) - 1))
    assert gone == len(far.all)
    assert rounds == 6


def test_where_some_answer_no_more_leave_than_before() -> None:
    far = Far(4 * MOST_LEAVING)
    assert far.departures.left(far.gone[0])
    assert len(list(far.departures.due(10.0 + PATIENCE, TICK, 9999))) == MOST_LEAVING
    assert far.departures.next == 10.0 + 2 * PATIENCE


def test_who_is_named_twice_leaves_once() -> None:
    far = Far(3)
    far.departures.open(10.1, more=far.all)
    assert list(far.departures.due(10.1, TICK, 9)) == []
    assert far.departures.next is None


def test_a_far_end_that_answers_late_is_not_flooded() -> None:
    simulation = Simulation()
    near, far = simulation.host("192.0.2.1"), simulation.host("192.0.2.2")
    Running(far, answers())
    count = MOST_LEAVING + 300
    load = Running(near, calls(hold=Constant(600.0)), at_rate(1000, count=count))
    simulation.run(2.0)
    simulation.faults = Faults(delay=0.2)
    load.stop(hang_up=True)
    start = simulation.now
    simulation.run(0.39)
    byes = [at for at, _, _, data in simulation.wire if data.startswith(b"BYE")]
    assert len(byes) == MOST_LEAVING
    simulation.run(until=lambda: load.ended)
    assert load.figures.succeeded == count
    byes = [at for at, _, _, data in simulation.wire if data.startswith(b"BYE")]
    assert byes[MOST_LEAVING] - start == pytest.approx(0.4, abs=0.01)
