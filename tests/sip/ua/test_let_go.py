"""What has ended is freed by its counts of references: nothing waits for the collector."""

import gc
from collections.abc import Callable, Iterator

import pytest

from picosip_server.sip.address import Address
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.attempt import Attempt
from picosip_server.sip.ua.call.base import Call
from picosip_server.sip.ua.commands import Transact
from picosip_server.sip.ua.exchange import Exchange
from picosip_server.sip.ua.user import TransactionUser
from picosip_server.sip.uri import Uri
from tests.engine.memory import Host, Simulation

ALL_TIMERS = 80.0
"""Seconds after which no transaction is left, not even of an INVITE that nobody answers."""


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """It must not be what frees them. What earlier tests left is put aside, not counted."""
    gc.collect()
    gc.disable()
    gc.freeze()
    yield
    gc.unfreeze()
    gc.enable()


def left() -> list[str]:
    """The kinds of what there still is, of calls, requests and their transactions."""
    kinds = (TransactionUser, Exchange, Attempt)
    return sorted(type(each).__name__ for each in gc.get_objects() if isinstance(each, kinds))


def answered(simulation: Simulation, caller: Host, callee: Host) -> None:
    caller.invite("sip:bob@192.0.2.2")
    simulation.run(until=lambda: bool(callee.of(events.CallReceived)))
    callee.answer(callee.call())
    simulation.run(until=lambda: bool(callee.of(events.CallConfirmed)))


def hung_up_at_once(simulation: Simulation, caller: Host, callee: Host) -> None:
    answered(simulation, caller, callee)
    caller.hangup(caller.call())


def hung_up_by_the_callee(simulation: Simulation, caller: Host, callee: Host) -> None:
    answered(simulation, caller, callee)
    callee.hangup(callee.call())


def hung_up_after_a_while(simulation: Simulation, caller: Host, callee: Host) -> None:
    answered(simulation, caller, callee)
    simulation.run(ALL_TIMERS)
    caller.hangup(caller.call())


def refused(simulation: Simulation, caller: Host, callee: Host) -> None:
    caller.invite("sip:bob@192.0.2.2")
    simulation.run(until=lambda: bool(callee.of(events.CallReceived)))
    callee.on_call(commands.Reject, callee.call())


def cancelled(simulation: Simulation, caller: Host, callee: Host) -> None:
    caller.invite("sip:bob@192.0.2.2")
    simulation.run(until=lambda: bool(callee.of(events.CallReceived)))
    callee.on_call(commands.Progress, callee.call())
    simulation.run(until=lambda: bool(caller.of(events.CallProgressed)))
    caller.hangup(caller.call())


def unanswered(simulation: Simulation, caller: Host, callee: Host) -> None:
    caller.invite("sip:bob@192.0.2.9")


def unreachable(simulation: Simulation, caller: Host, callee: Host) -> None:
    caller.unreachable.add("192.0.2.2")
    caller.invite("sip:bob@192.0.2.2")


def modified(simulation: Simulation, caller: Host, callee: Host) -> None:
    answered(simulation, caller, callee)
    simulation.run(1.0)
    token = caller.on_call(commands.Hold, caller.call())
    simulation.run(until=lambda: token in caller.results)
    simulation.run(1.0)
    caller.hangup(caller.call())


def asked_outside(simulation: Simulation, caller: Host, callee: Host) -> None:
    there = Uri.parse("sip:bob@192.0.2.2")
    caller.submit(
        lambda token: Transact(
            token=token,
            method="OPTIONS",
            uri=there,
            from_address=Address.parse("<sip:caller@192.0.2.1>"),
            to_address=Address(uri=there),
        )
    )


COURSES = (
    hung_up_at_once,
    hung_up_by_the_callee,
    hung_up_after_a_while,
    refused,
    cancelled,
    unanswered,
    unreachable,
    modified,
    asked_outside,
)


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.__name__)
def test_nothing_that_has_ended_waits_for_the_collector(
    course: Callable[[Simulation, Host, Host], None],
) -> None:
    simulation = Simulation()
    caller, callee = simulation.host("192.0.2.1"), simulation.host("192.0.2.2")
    before = left()
    course(simulation, caller, callee)
    if course is not unreachable:
        # It is seen while it lasts.
        assert left() != before
    simulation.run(ALL_TIMERS)
    assert caller.core.idle and callee.core.idle
    assert left() == before


def test_a_call_that_is_over_answers_all_the_same() -> None:
    simulation = Simulation()
    caller, callee = simulation.host("192.0.2.1"), simulation.host("192.0.2.2")
    answered(simulation, caller, callee)
    call = caller.core._population.calls[caller.call()]
    assert isinstance(call, Call)
    caller.hangup(caller.call())
    simulation.run(ALL_TIMERS)
    assert call.finished
    assert call.snapshot().state is call.state
    assert call.main_leg() is None
