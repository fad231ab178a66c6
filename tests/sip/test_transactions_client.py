"""The non-INVITE client transaction, transition by transition (RFC 3261 17.1.2)."""

from __future__ import annotations

import pytest

from picosip_server.sip.timers import Timers
from picosip_server.sip.transaction.client import ClientTransaction
from picosip_server.sip.transaction.effects import Deliver, Ended, Send, TimedOut
from tests.sip.machines import START, due, play, request, response

BYE = request("BYE")
OCTETS = BYE.encode()
AGAIN = [Send(BYE, OCTETS, retransmission=True)]
TRYING, OK = response(100, method="BYE"), response(200, method="BYE")


def trying(reliable: bool = False) -> ClientTransaction:
    machine = ClientTransaction(BYE, reliable=reliable, timers=Timers())
    assert machine.start(START) == [Send(BYE, OCTETS)]
    return machine


def test_every_row_of_the_table_is_tested_here() -> None:
    assert set(ClientTransaction.TABLE) == {
        *(("trying", event) for event in ("timer E", "timer F", "1xx", "final")),
        *(("proceeding", event) for event in ("timer E", "timer F", "1xx", "final")),
        ("completed", "timer K"),
    }


def test_timer_e_doubles_up_to_t2_until_timer_f() -> None:
    """17.1.2.2: 500 ms, 1 s, 2 s, 4 s, 4 s, ...; timer F after 64*T1."""
    machine = trying()
    assert due(machine) == 0.5
    assert play(machine, 100) == [
        *((at, AGAIN) for at in (0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)),
        (32.0, [TimedOut("timer F"), Ended()]),
    ]
    assert machine.terminated
    assert machine.deadline() is None


def test_over_a_reliable_transport_there_is_timer_f_only() -> None:
    """17.1.2.2: timer E is not started."""
    machine = trying(reliable=True)
    assert play(machine, 100) == [(32.0, [TimedOut("timer F"), Ended()])]


def test_after_a_provisional_timer_e_runs_with_t2() -> None:
    """17.1.2.2: the one that runs fires as set; from then on every T2; timer F as before."""
    machine = trying()
    assert machine.receive(TRYING, START + 0.6) == [Deliver(TRYING)]
    assert (machine.state, due(machine)) == ("proceeding", 0.5)
    assert play(machine, 100) == [
        *((at, AGAIN) for at in (0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5)),
        (32.0, [TimedOut("timer F"), Ended()]),
    ]
    assert machine.terminated


def test_a_second_provisional_goes_up_too() -> None:
    """Figure 6: Proceeding, 1xx."""
    machine = trying()
    machine.receive(TRYING, START + 0.1)
    assert machine.receive(TRYING, START + 0.2) == [Deliver(TRYING)]
    assert (machine.state, due(machine)) == ("proceeding", 0.5)


def test_reliable_and_proceeding_ends_with_timer_f() -> None:
    """Figure 6: Proceeding, timer F."""
    machine = trying(reliable=True)
    machine.receive(TRYING, START + 0.1)
    assert play(machine, 100) == [(32.0, [TimedOut("timer F"), Ended()])]


@pytest.mark.parametrize("before", [(), (TRYING,)])
@pytest.mark.parametrize("status", [200, 302, 481, 503, 603])
def test_a_final_response_is_handed_up_and_timer_k_absorbs(
    before: tuple[object, ...], status: int
) -> None:
    """17.1.2.2: Completed for T4 where unreliable; timers E and F stop."""
    machine = trying()
    for _ in before:
        machine.receive(TRYING, START)
    final = response(status, method="BYE")
    assert machine.receive(final, START + 0.25) == [Deliver(final)]
    assert (machine.state, due(machine)) == ("completed", 5.25)
    assert play(machine, 100) == [(5.25, [Ended()])]
    assert machine.terminated


@pytest.mark.parametrize("before", [(), (TRYING,)])
def test_timer_k_is_zero_over_a_reliable_transport(before: tuple[object, ...]) -> None:
    """17.1.2.2."""
    machine = trying(reliable=True)
    for _ in before:
        machine.receive(TRYING, START)
    assert machine.receive(OK, START + 0.25) == [Deliver(OK), Ended()]
    assert machine.terminated
    assert machine.deadline() is None


@pytest.mark.parametrize("late", [100, 200, 500])
def test_completed_absorbs_retransmitted_and_late_responses(late: int) -> None:
    """17.1.2.2: the reason why the state exists."""
    machine = trying()
    machine.receive(OK, START)
    assert machine.receive(response(late, method="BYE"), START + 1) == []
    assert (machine.state, due(machine)) == ("completed", 5.0)


def test_a_terminated_transaction_does_nothing_more() -> None:
    machine = trying()
    play(machine, 32)
    assert machine.receive(OK, START + 33) == []
    assert machine.timeout(START + 1000) == []
    assert machine.terminated


def test_timers_that_are_late_fire_in_their_order() -> None:
    """A clock that jumps over E and F lets E send once, and F end it."""
    machine = trying()
    assert machine.timeout(START + 40) == [
        Send(BYE, OCTETS, retransmission=True),
        TimedOut("timer F"),
        Ended(),
    ]
