"""A thousand calls over a network that loses, repeats and reorders: none is left behind."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Reliability
from picosip_server.sip.ua.outputs import Failure
from picosip_server.sip.ua.snapshots import CallSnapshot
from tests.engine.memory import Faults, Host, Simulation

CALLS = 1000


def callee(host: Host) -> None:
    """An application that rings, answers, and now and then refuses or hangs up itself."""
    simulation = host.simulation
    choose = simulation.random.random

    def on_event(event: events.Event) -> None:
        name = event.resource
        if isinstance(event, events.CallReceived):
            host.on_call(commands.Progress, name, reliable=choose() < 0.3)
            act = choose()
            if act < 0.1:
                simulation.after(1.0, lambda: host.on_call(commands.Reject, name, status=486))
            else:
                simulation.after(1.0 + 2 * choose(), lambda: host.answer(name))
        elif isinstance(event, events.CallConfirmed) and choose() < 0.5:
            simulation.after(5 * choose(), lambda: host.hangup(name))

    host.on_event = on_event


def caller(host: Host) -> None:
    """An application that hangs up: while it rings, or after a while."""
    simulation = host.simulation
    choose = simulation.random.random

    def on_event(event: events.Event) -> None:
        name = event.resource
        if isinstance(event, events.CallCreated) and choose() < 0.2:
            simulation.after(3 * choose(), lambda: host.hangup(name))
        elif isinstance(event, events.CallConfirmed):
            simulation.after(6 + 2 * choose(), lambda: host.hangup(name))

    host.on_event = on_event


@pytest.mark.parametrize("seed", [1, 2])
def test_every_call_ends_on_both_sides_and_nothing_stays(seed: int) -> None:
    simulation = Simulation(seed, Faults(loss=0.3, duplicate=0.2, delay=0.01, jitter=0.4))
    left, right = simulation.host("10.0.0.1"), simulation.host("10.0.0.2")
    caller(left)
    callee(right)
    for number in range(CALLS):
        policy = commands.Policy(
            reliability=Reliability.REQUIRED if number % 5 == 0 else Reliability.SUPPORTED
        )
        target = f"sip:callee{number}@10.0.0.2"
        simulation.after(number * 0.05, partial(left.invite, target, policy=policy))
    simulation.run()

    created = {event.resource for event in left.of(events.CallCreated)}
    assert len(created) == CALLS
    for host in (left, right):
        begun = {
            event.resource
            for event in host.events
            if isinstance(event, events.CallCreated | events.CallReceived)
        }
        ended = Counter(event.resource for event in host.of(events.CallEnded))
        assert set(ended) == begun
        assert set(ended.values()) == {1}
        for result in host.results.values():
            assert isinstance(result, CallSnapshot | Failure)
        assert host.core.idle
        assert host.core.stats().active_transactions == 0
    # The network was as bad as it was meant to be, and most calls came through all the same.
    sent = right.core.stats().counters["retransmissions_sent"]
    assert sent > CALLS
    confirmed = len({event.resource for event in left.of(events.CallConfirmed)})
    assert confirmed > CALLS // 2
    ended = [event.resource for event in left.of(events.CallEnded)]
    assert len(ended) == len(set(ended)) == CALLS
