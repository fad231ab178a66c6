"""Loads of calls, on both sides of the network in memory."""

from __future__ import annotations

import pytest

from picosip_server.engine.load.distributions import Constant
from picosip_server.engine.load.script import Outcome
from picosip_server.sip.ua import events
from tests.engine.load.running import Running, answers, at_rate, calls
from tests.engine.load.test_figures import samples
from tests.engine.memory import Faults, Host, Simulation


@pytest.fixture
def simulation() -> Simulation:
    return Simulation()


@pytest.fixture
def near(simulation: Simulation) -> Host:
    return simulation.host("192.0.2.1")


@pytest.fixture
def far(simulation: Simulation) -> Host:
    return simulation.host("192.0.2.2")


def begun(simulation: Simulation, host: str = "192.0.2.1") -> list[float]:
    """When each INVITE went out for the first time."""
    seen: set[bytes] = set()
    times = []
    for at, sender, _, data in simulation.wire:
        if sender == host and data.startswith(b"INVITE"):
            call_id = data.split(b"Call-ID: ")[1].split(b"\r\n")[0]
            if call_id not in seen:
                seen.add(call_id)
                times.append(at)
    return times


def test_calls_begin_evenly_and_all_end(simulation: Simulation, near: Host, far: Host) -> None:
    answering = Running(far, answers(ringing=True, delay=Constant(0.2)))
    load = Running(near, calls(hold=Constant(1.0)), at_rate(100, count=300))
    start = simulation.now
    simulation.run(until=lambda: load.ended)
    figures = load.figures
    assert (figures.started, figures.succeeded, figures.failed) == (300, 300, 0)
    assert figures.responses == {200: 300}
    # Each call: 20 ms to the 180, 220 to the answer, a second, 20 for the BYE.
    assert figures.post_dial_delay.octaves() == samples(*[0.02] * 300).octaves()
    assert figures.setup.octaves() == samples(*[0.22] * 300).octaves()
    assert figures.teardown.octaves() == samples(*[0.02] * 300).octaves()
    assert figures.peak_active == 125
    assert begun(simulation) == pytest.approx([start + n / 100 for n in range(300)], abs=0.0011)
    # Nobody else hears of them, on neither side.
    assert near.events == far.events == []

    assert not answering.ended
    answering.stop()
    simulation.run(until=lambda: answering.ended)
    other = answering.figures
    assert (other.started, other.succeeded, other.failed) == (300, 300, 0)
    assert other.responses == {200: 300}
    # INVITE to ACK: the delay and the way there and back.
    assert other.setup.octaves() == samples(*[0.22] * 300).octaves()
    simulation.run()
    assert near.core.idle and far.core.idle


def test_no_more_at_once_than_the_cap(simulation: Simulation, near: Host, far: Host) -> None:
    Running(far, answers())
    load = Running(near, calls(hold=Constant(1.0)), at_rate(100, count=100, max_concurrent=10))
    simulation.run(0.5)
    figures = load.figures
    assert figures.active == figures.started == 10
    assert figures.waiting == 41
    simulation.run(until=lambda: load.ended)
    assert (load.figures.peak_active, load.figures.succeeded) == (10, 100)
    # Ten at a time, a tenth of a second apart, each a second and two ways there and back.
    assert load.figures.elapsed == pytest.approx(0.09 + 10 * 1.04, abs=0.02)


def test_refusals_are_counted_by_code(simulation: Simulation, near: Host, far: Host) -> None:
    outcomes = (Outcome(weight=3), Outcome(weight=1, status=486, reason="No"))
    answering = Running(far, answers(outcomes=outcomes))
    load = Running(near, calls(), at_rate(100, count=200))
    simulation.run(until=lambda: load.ended)
    figures = load.figures
    busy = figures.responses[486]
    assert 30 < busy < 70
    assert figures.responses == {200: 200 - busy, 486: busy}
    assert figures.failures == {"486": busy}
    assert (figures.succeeded, figures.failed) == (200 - busy, busy)
    answering.stop()
    simulation.run()
    # Over there it went as was wanted.
    assert (answering.figures.succeeded, answering.figures.responses) == (200, figures.responses)


def test_silence_is_a_timeout_with_its_retransmissions(simulation: Simulation, near: Host) -> None:
    load = Running(near, calls(), at_rate(10, count=2))
    simulation.run(until=lambda: load.ended)
    assert load.figures.failures == {"timeout": 2}
    # RFC 3261 section 17.1.1.2: six times within 32 seconds.
    assert load.figures.sent_again == 2 * 6
    assert load.figures.responses == {}


def test_loss_is_made_good_and_counted(simulation: Simulation, near: Host, far: Host) -> None:
    simulation.faults = Faults(loss=0.1)
    answering = Running(far, answers())
    load = Running(near, calls(hold=Constant(1.0)), at_rate(100, count=200))
    simulation.run(until=lambda: load.ended)
    figures = load.figures
    assert (figures.succeeded, figures.failed) == (200, 0)
    counters = near.core.stats().counters
    assert figures.sent_again == counters["retransmissions_sent"] > 20
    received = far.core.stats().counters["retransmissions_received"]
    assert answering.figures.received_again == received > 10
    answering.stop()
    simulation.run()
    assert answering.figures.failed == 0
    assert near.core.idle and far.core.idle


def test_stop_lets_calls_end_or_ends_them(simulation: Simulation, near: Host, far: Host) -> None:
    Running(far, answers())
    for hang_up, name in ((False, "loads/a"), (True, "loads/b")):
        load = Running(near, calls(hold=Constant(60.0)), at_rate(100), name=name)
        simulation.run(1.0)
        load.stop(hang_up=hang_up)
        started = load.figures.started
        assert load.figures.stopping and started in (100, 101)
        stopped = simulation.now
        simulation.run(until=lambda load=load: load.ended)
        figures = load.figures
        # What was not answered yet is cancelled.
        cancelled = 2 if hang_up else 0
        assert figures.failures == ({"stopped": cancelled} if cancelled else {})
        assert (figures.started, figures.succeeded) == (started, started - cancelled)
        took = simulation.now - stopped
        assert took < 1.0 if hang_up else 58.0 < took < 61.0


def test_an_application_hears_of_published_calls(
    simulation: Simulation, near: Host, far: Host
) -> None:
    Running(far, answers())
    load = Running(near, calls(), at_rate(100, count=1), publish=True)
    simulation.run(until=lambda: load.ended)
    assert near.kinds() == ["CallCreated", "CallAnswered", "CallConfirmed", "CallEnded"]
    assert far.events == []


def test_other_calls_are_left_to_the_application(
    simulation: Simulation, near: Host, far: Host
) -> None:
    Running(far, answers(users=("load*", "bob")))
    for user in ("bob", "load7", "carol", "bobby"):
        near.invite(f"sip:{user}@192.0.2.2")
    simulation.run(1.0)
    received = [event.call.request_uri for event in far.of(events.CallReceived)]
    assert received == ["sip:carol@192.0.2.2", "sip:bobby@192.0.2.2"]
    assert len(near.of(events.CallConfirmed)) == 2
