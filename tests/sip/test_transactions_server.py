"""The non-INVITE server transaction, transition by transition (RFC 3261 17.2.2)."""

from __future__ import annotations

import pytest

from picosip_server.sip.message import Response
from picosip_server.sip.timers import Timers
from picosip_server.sip.transaction.effects import Effect, Ended, Send
from picosip_server.sip.transaction.server import ServerTransaction
from tests.sip.machines import START, due, play, request, response

MESSAGE = request("MESSAGE")
TRYING, OK = response(100, method="MESSAGE"), response(200, method="MESSAGE")


def first(answer: Response) -> list[Effect]:
    return [Send(answer, answer.encode())]


def again(answer: Response) -> list[Effect]:
    return [Send(answer, answer.encode(), retransmission=True)]


def trying(reliable: bool = False) -> ServerTransaction:
    machine = ServerTransaction(MESSAGE, reliable=reliable, timers=Timers())
    assert (machine.state, machine.deadline()) == ("trying", None)
    return machine


def test_every_row_of_the_table_is_tested_here() -> None:
    assert set(ServerTransaction.TABLE) == {
        *(("trying", event) for event in ("1xx", "final")),
        *(("proceeding", event) for event in ("request", "1xx", "final")),
        *(("completed", event) for event in ("request", "timer J")),
    }


def test_trying_discards_retransmissions() -> None:
    """17.2.2: any further request retransmissions are discarded in Trying."""
    machine = trying()
    assert machine.receive(MESSAGE, START + 0.5) == []
    assert (machine.state, machine.deadline()) == ("trying", None)


def test_proceeding_repeats_the_latest_provisional() -> None:
    """17.2.2: the most recently sent provisional response."""
    machine = trying()
    assert machine.respond(TRYING, START + 3.5) == first(TRYING)
    assert machine.receive(MESSAGE, START + 7.5) == again(TRYING)
    other = response(183, method="MESSAGE")
    assert machine.respond(other, START + 8) == first(other)
    assert machine.receive(MESSAGE, START + 11.5) == again(other)
    assert (machine.state, machine.deadline()) == ("proceeding", None)


@pytest.mark.parametrize("provisional", [False, True])
@pytest.mark.parametrize("status", [200, 302, 404, 503, 603])
def test_a_final_response_is_repeated_until_timer_j(status: int, provisional: bool) -> None:
    """17.2.2: Completed for 64*T1 where unreliable."""
    machine = trying()
    if provisional:
        machine.respond(TRYING, START)
    final = response(status, method="MESSAGE")
    assert machine.respond(final, START + 1) == first(final)
    assert (machine.state, due(machine)) == ("completed", 33.0)
    assert machine.receive(MESSAGE, START + 2) == again(final)
    assert machine.receive(MESSAGE, START + 32) == again(final)
    assert (machine.state, due(machine)) == ("completed", 33.0)
    assert play(machine, 100) == [(33.0, [Ended()])]
    assert machine.terminated


@pytest.mark.parametrize("status", [100, 200, 500])
def test_completed_discards_what_the_user_still_answers(status: int) -> None:
    """17.2.2: any other final responses passed by the TU are discarded."""
    machine = trying()
    machine.respond(OK, START)
    assert machine.respond(response(status, method="MESSAGE"), START + 1) == []
    assert machine.receive(MESSAGE, START + 2) == again(OK)
    assert due(machine) == 32.0


@pytest.mark.parametrize("provisional", [False, True])
def test_timer_j_is_zero_over_a_reliable_transport(provisional: bool) -> None:
    """17.2.2."""
    machine = trying(reliable=True)
    if provisional:
        machine.respond(TRYING, START)
    assert machine.respond(OK, START + 1) == [*first(OK), Ended()]
    assert machine.terminated
    assert machine.deadline() is None


def test_a_terminated_transaction_does_nothing_more() -> None:
    machine = trying()
    machine.respond(OK, START)
    play(machine, 32)
    assert machine.receive(MESSAGE, START + 33) == []
    assert machine.respond(OK, START + 33) == []
    assert machine.timeout(START + 1000) == []
