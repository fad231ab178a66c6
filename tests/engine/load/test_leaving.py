"""What is ended when a load begins nothing more."""

from __future__ import annotations

import pytest

from picosip_server.engine.departures import MOST_LEAVING
from picosip_server.engine.load.distributions import Constant
from tests.engine.load.running import Running, answers, at_rate, calls
from tests.engine.load.test_registrations import registrar, registrations
from tests.engine.memory import Faults, Simulation
from tests.sip.ua.peer import Peer


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
