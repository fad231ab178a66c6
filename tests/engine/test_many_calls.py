"""Two engines call each other, with one thread each and with several."""

from __future__ import annotations

from collections import Counter

import pytest

from picosip_server.engine.snapshot import Snapshot
from picosip_server.sip.ua import events
from picosip_server.sip.ua.outputs import Completed, Occurred
from picosip_server.sip.ua.snapshots import CallDirection, CallState, Cause
from tests.engine.loopback import Agent

CALLS = 40


def answering(agent: Agent, event: events.Event) -> None:
    if isinstance(event, events.CallReceived):
        agent.answer(event.resource)


def hanging_up(agent: Agent, event: events.Event) -> None:
    if isinstance(event, events.CallConfirmed):
        agent.hangup(event.resource)


def place(caller: Agent, callee: Agent) -> list[object]:
    """Half over TCP; all at once."""
    uris = callee.uri("UDP"), callee.uri("TCP")
    return [caller.invite(uris[number % 2]) for number in range(CALLS)]


def kinds(agent: Agent) -> Counter[str]:
    return Counter(type(event).__name__ for event in agent.of(events.Event))


@pytest.mark.parametrize("workers", [1, 4])
def test_calls_all_end_and_nothing_stays(workers: int) -> None:
    with (
        Agent(workers=workers, on_event=answering) as callee,
        Agent(workers=workers, on_event=hanging_up) as caller,
    ):
        place(caller, callee)
        caller.wait(events.CallEnded, CALLS)
        callee.wait(events.CallEnded, CALLS)
        assert kinds(caller) == {
            "CallCreated": CALLS,
            "CallAnswered": CALLS,
            "CallConfirmed": CALLS,
            "CallEnded": CALLS,
        }
        assert kinds(callee) == {
            "CallReceived": CALLS,
            "CallAnswered": CALLS,
            "CallConfirmed": CALLS,
            "CallEnded": CALLS,
        }
        for agent, cause in ((caller, Cause.LOCAL_HANGUP), (callee, Cause.REMOTE_HANGUP)):
            ends = agent.of(events.CallEnded)
            assert {event.termination.cause for event in ends} == {cause}
            assert len({event.resource for event in ends}) == CALLS
            makers = {event.resource.split("-")[1] for event in ends}
            assert makers == {f"{index:x}" for index in range(workers)}
            agent.wait_empty()
            stats = agent.engine.stats()
            assert (stats.active_calls, stats.calls_by_state) == (0, {})
            assert stats.counters.get("transport_failures", 0) == 0
            assert agent.snapshot().calls == ()


@pytest.mark.parametrize("workers", [1, 4])
def test_all_calls_are_seen_and_ended_together(workers: int) -> None:
    with (
        Agent(workers=workers, on_event=answering) as callee,
        Agent(workers=workers) as caller,
    ):
        place(caller, callee)
        for agent in (caller, callee):
            agent.wait(events.CallConfirmed, CALLS)
            calls = agent.snapshot().calls
            assert len({call.name for call in calls}) == CALLS
            assert {call.state for call in calls} == {CallState.CONFIRMED}
            assert agent.engine.stats().calls_by_state == {"confirmed": CALLS}
        assert {call.direction for call in calls} == {CallDirection.INCOMING}
        caller.engine.end_all_calls("all")
        assert caller.result("all") is None
        # Whoever hears that all ended has heard each end before.
        assert len(caller.of(events.CallEnded)) == CALLS
        assert caller.snapshot().calls == ()
        callee.wait(events.CallEnded, CALLS)


def test_what_the_sink_heard_before_a_snapshot_is_in_it() -> None:
    """And what it hears after is not, on whatever worker it happens meanwhile."""
    with Agent(workers=4) as caller, Agent() as callee:
        for number in range(20):
            for _ in range(20):
                caller.invite(callee.uri("UDP"))
            caller.engine.submit_snapshot(f"picture {number}")
        caller.wait(events.CallCreated, 400)
        assert isinstance(caller.result("picture 19"), Snapshot)
        heard: set[str] = set()
        sizes = []
        for output in list(caller.outputs):
            if isinstance(output, Occurred) and isinstance(output.event, events.CallCreated):
                heard.add(output.event.resource)
            elif isinstance(output, Completed) and isinstance(output.value, Snapshot):
                assert {call.name for call in output.value.calls} == heard
                sizes.append(len(heard))
        assert sizes == [20 * number for number in range(1, 21)]
