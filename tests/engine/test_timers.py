"""What the core remembers of timers that nobody needs any more."""

from __future__ import annotations

import gc
import sys

from picosip_server.engine.timer_queue import FEW
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.call.outgoing import OutgoingCall
from picosip_server.sip.ua.commands import Policy
from tests.engine.memory import Simulation


def _calls() -> int:
    gc.collect()
    return sum(isinstance(each, OutgoingCall) for each in gc.get_objects())


def test_calls_that_ended_are_forgotten_long_before_their_longest_timer() -> None:
    # Those that other tests left.
    others = _calls()
    simulation = Simulation()
    caller, callee = simulation.host("10.0.0.1"), simulation.host("10.0.0.2")

    def answer(event: events.Event) -> None:
        if isinstance(event, events.CallReceived):
            callee.answer(event.resource)

    callee.on_event = answer
    for _ in range(8):
        for _ in range(200):
            # A day at most; but all of them end within two minutes.
            caller.invite("sip:piet@10.0.0.2", policy=Policy(max_duration=86_400.0))
        # By now the day's end is all that they wait for.
        simulation.run(60.0)
        for event in caller.of(events.CallConfirmed):
            caller.on_call(commands.Hangup, event.resource)
        simulation.run(60.0)
        assert caller.core.idle
        caller.events.clear()
        callee.events.clear()
    assert _calls() - others <= 1001
    # Nor does the heap lose what is needed.
    caller.invite("sip:piet@10.0.0.2", policy=Policy(max_duration=86_400.0))
    simulation.run(86_500.0)
    assert len(caller.of(events.CallEnded)) == 1


def test_what_is_passed_over_goes_when_others_fire_too() -> None:
    """Each entry that stays keeps the page of memory that it lies in."""
    simulation = Simulation()
    caller, callee = simulation.host("10.0.0.1"), simulation.host("10.0.0.2")
    callee.on_event = lambda event: (
        callee.answer(event.resource) if isinstance(event, events.CallReceived) else None
    )
    for _ in range(3 * FEW):
        caller.invite("sip:piet@10.0.0.2", policy=Policy(max_duration=86_400.0))
    simulation.run(60.0)
    for event in caller.of(events.CallConfirmed):
        caller.on_call(commands.Hangup, event.resource)
    # Half of the entries are passed over, which is not too many, until the others have fired.
    simulation.run(60.0)
    for host in (caller, callee):
        assert host.core.idle
        assert host.core._population.timers.kept <= FEW


def test_actors_and_timers_are_counted_until_their_last_moment() -> None:
    simulation = Simulation()
    caller, callee = simulation.host("10.0.0.1"), simulation.host("10.0.0.2")
    callee.on_event = lambda event: (
        callee.answer(event.resource) if isinstance(event, events.CallReceived) else None
    )
    caller.invite("sip:piet@10.0.0.2", policy=Policy(max_duration=86_400.0))
    simulation.run(60.0)
    assert caller.core.stats().active_actors == 1
    assert caller.core.stats().waiting_timers == 1
    (confirmed,) = caller.of(events.CallConfirmed)
    caller.on_call(commands.Hangup, confirmed.resource)
    simulation.run(60.0)
    for host in (caller, callee):
        assert host.core.stats().active_actors == 0
        assert host.core.stats().waiting_timers == 0


def test_tables_are_as_large_as_what_is_in_them_once_that_is_asked_for() -> None:
    simulation = Simulation()
    caller, callee = simulation.host("10.0.0.1"), simulation.host("10.0.0.2")
    callee.on_event = lambda event: (
        callee.answer(event.resource) if isinstance(event, events.CallReceived) else None
    )
    for _ in range(300):
        caller.invite("sip:piet@10.0.0.2")
    simulation.run(60.0)
    population = callee.core._population
    first, *others = caller.of(events.CallConfirmed)
    for event in others:
        caller.on_call(commands.Hangup, event.resource)
    simulation.run(60.0)
    before = sys.getsizeof(population.routes), sys.getsizeof(population.calls)
    callee.core.compact()
    after = sys.getsizeof(population.routes), sys.getsizeof(population.calls)
    assert after[0] < before[0] / 10 and after[1] < before[1] / 10
    # What is there is still found.
    caller.on_call(commands.Hangup, first.resource)
    simulation.run(60.0)
    assert len(callee.of(events.CallEnded)) == 300
    assert callee.core.idle
