"""What a call that stands keeps: no messages, once they cannot come again."""

import gc
from types import FunctionType, ModuleType

from picosip_server.sip.message import Message
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.exchange import Draft, Exchange
from tests.engine.memory import Host, Simulation

ALL_TIMERS = 40.0
"""Seconds after which no transaction of a call's beginning is left (64*T1 and more)."""


def reachable(start: object, seen: set[int], kinds: tuple[type, ...]) -> list[object]:
    """What of these kinds can be reached from an object, without those with the ids ``seen``."""
    seen = set(seen)
    found: list[object] = []
    waiting = [start]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, (type, ModuleType)):
            continue
        seen.add(id(each))
        if isinstance(each, kinds):
            found.append(each)
        if isinstance(each, FunctionType):
            # Not its module: what it closes over.
            waiting.extend(each.__closure__ or ())
        else:
            waiting.extend(gc.get_referents(each))
    return found


def kept(host: Host, name: str, kinds: tuple[type, ...] = (Message,)) -> list[object]:
    """What of these kinds can be reached from a call, its shared surroundings left out."""
    call = host.core._population.calls[name]
    return reachable(call, {id(call.context)}, kinds)


def test_a_call_that_stands_keeps_no_messages() -> None:
    simulation = Simulation()
    caller, callee = simulation.host("192.0.2.1"), simulation.host("192.0.2.2")
    caller.invite("sip:bob@192.0.2.2")
    simulation.run(until=lambda: bool(callee.of(events.CallReceived)))
    assert kept(callee, callee.call())
    callee.answer(callee.call())
    simulation.run(until=lambda: bool(callee.of(events.CallConfirmed)))
    assert kept(caller, caller.call())
    simulation.run(ALL_TIMERS)
    assert kept(caller, caller.call()) == []
    assert kept(callee, callee.call()) == []
    # Nor what the INVITE was made from, and sent with.
    assert kept(caller, caller.call(), (commands.Invite, Draft, Exchange)) == []
    # It can be ended all the same.
    callee.hangup(callee.call())
    simulation.run(ALL_TIMERS)
    assert all(host.of(events.CallEnded) for host in (caller, callee))
    assert caller.core.idle and callee.core.idle
