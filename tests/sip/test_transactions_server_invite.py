"""The INVITE server transaction, transition by transition (RFC 3261 17.2.1, RFC 6026 7.1)."""

from __future__ import annotations

import pytest

from picosip_server.sip.message import Response
from picosip_server.sip.timers import Timers
from picosip_server.sip.transaction.effects import Deliver, Effect, Ended, Send, TimedOut
from picosip_server.sip.transaction.server_invite import ServerInviteTransaction
from tests.sip.machines import START, due, play, request, response

INVITE, ACK = request("INVITE"), request("ACK")
TRYING, RINGING, OK, BUSY = response(100), response(180), response(200), response(486)


def first(answer: Response) -> list[Effect]:
    return [Send(answer, answer.encode())]


def again(answer: Response) -> list[Effect]:
    return [Send(answer, answer.encode(), retransmission=True)]


def proceeding(reliable: bool = False) -> ServerInviteTransaction:
    machine = ServerInviteTransaction(INVITE, reliable=reliable, timers=Timers())
    assert (machine.state, machine.deadline()) == ("proceeding", None)
    return machine


def completed(reliable: bool = False) -> ServerInviteTransaction:
    machine = proceeding(reliable)
    assert machine.respond(BUSY, START) == first(BUSY)
    assert machine.state == "completed"
    return machine


def accepted(reliable: bool = False) -> ServerInviteTransaction:
    machine = proceeding(reliable)
    assert machine.respond(OK, START) == first(OK)
    assert machine.state == "accepted"
    return machine


def test_every_row_of_the_table_is_tested_here() -> None:
    assert set(ServerInviteTransaction.TABLE) == {
        *(("proceeding", event) for event in ("INVITE", "1xx", "2xx", "3xx-6xx")),
        *(("completed", event) for event in ("INVITE", "timer G", "timer H", "ACK")),
        ("confirmed", "timer I"),
        *(("accepted", event) for event in ("2xx", "ACK", "timer L")),
    }


def test_before_any_response_a_repeated_invite_is_absorbed() -> None:
    """17.2.1: only a provisional that was sent can be sent again."""
    assert proceeding().receive(INVITE, START) == []


def test_a_repeated_invite_gets_the_latest_provisional_again() -> None:
    """17.2.1: the most recent provisional response."""
    machine = proceeding()
    assert machine.respond(TRYING, START) == first(TRYING)
    assert machine.receive(INVITE, START + 0.5) == again(TRYING)
    assert machine.respond(RINGING, START + 1) == first(RINGING)
    assert machine.receive(INVITE, START + 1.5) == again(RINGING)
    assert (machine.state, machine.deadline()) == ("proceeding", None)


def test_an_ack_before_the_final_response_is_absorbed() -> None:
    """Figure 7: no arrow."""
    machine = proceeding()
    assert machine.receive(ACK, START) == []
    assert machine.state == "proceeding"


def test_timer_g_doubles_up_to_t2_until_timer_h() -> None:
    """17.2.1: the refusal goes out at T1, 2*T1, ..., T2, T2, ... and gives up after 64*T1."""
    machine = completed()
    assert due(machine) == 0.5
    assert play(machine, 100) == [
        *((at, again(BUSY)) for at in (0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)),
        (32.0, [TimedOut("timer H"), Ended()]),
    ]
    assert machine.terminated
    assert machine.deadline() is None


def test_timer_h_runs_over_reliable_transports_too_but_not_timer_g() -> None:
    """17.2.1."""
    machine = completed(reliable=True)
    assert play(machine, 100) == [(32.0, [TimedOut("timer H"), Ended()])]


def test_completed_repeats_the_refusal_for_each_invite() -> None:
    """17.2.1; timers G and H run on unchanged."""
    machine = completed()
    assert machine.receive(INVITE, START + 0.2) == again(BUSY)
    assert (machine.state, due(machine)) == ("completed", 0.5)


@pytest.mark.parametrize("status", [100, 180, 200, 486, 603])
def test_completed_discards_what_the_user_still_answers(status: int) -> None:
    """17.2.1: any other final responses passed by the TU are discarded."""
    machine = completed()
    assert machine.respond(response(status), START) == []
    assert (machine.state, due(machine)) == ("completed", 0.5)


def test_the_ack_stops_the_refusal_and_timer_i_absorbs_further_ones() -> None:
    """17.2.1: Confirmed for T4; ACK is not handed up."""
    machine = completed()
    assert machine.receive(ACK, START + 1) == []
    assert (machine.state, due(machine)) == ("confirmed", 6.0)
    assert machine.receive(ACK, START + 2) == []
    assert machine.receive(INVITE, START + 2) == []
    assert machine.respond(BUSY, START + 2) == []
    assert (machine.state, due(machine)) == ("confirmed", 6.0)
    assert play(machine, 100) == [(6.0, [Ended()])]
    assert machine.terminated


def test_timer_i_is_zero_over_a_reliable_transport() -> None:
    """17.2.1."""
    machine = completed(reliable=True)
    assert machine.receive(ACK, START + 1) == [Ended()]
    assert machine.terminated
    assert machine.deadline() is None


@pytest.mark.parametrize("reliable", [False, True])
def test_accepted_absorbs_invites_and_hands_acks_up_for_timer_l(reliable: bool) -> None:
    """RFC 6026 7.1: 64*T1 on all transports; the 2xx is not repeated by this layer."""
    machine = accepted(reliable)
    assert due(machine) == 32.0
    assert machine.receive(INVITE, START + 0.5) == []
    assert machine.receive(ACK, START + 1) == [Deliver(ACK)]
    assert machine.receive(ACK, START + 2) == [Deliver(ACK)]
    assert (machine.state, due(machine)) == ("accepted", 32.0)
    assert play(machine, 100) == [(32.0, [Ended()])]
    assert machine.terminated


def test_a_2xx_of_the_user_passes_again_in_accepted() -> None:
    """RFC 6026 7.1: retransmissions of the 2xx are the TU's, through the transaction."""
    machine = accepted()
    assert machine.respond(OK, START + 0.5) == again(OK)
    assert machine.respond(OK, START + 1.5) == again(OK)
    assert (machine.state, due(machine)) == ("accepted", 32.0)


@pytest.mark.parametrize("status", [180, 486])
def test_accepted_discards_all_but_2xx(status: int) -> None:
    """RFC 6026 figure 7: no arrow."""
    machine = accepted()
    assert machine.respond(response(status), START) == []
    assert (machine.state, due(machine)) == ("accepted", 32.0)


def test_from_the_first_answer_on_a_final_may_follow_a_provisional() -> None:
    """Figure 7: Proceeding to Completed or Accepted after 1xx."""
    for answer, state in ((OK, "accepted"), (BUSY, "completed")):
        machine = proceeding()
        machine.respond(RINGING, START)
        assert machine.respond(answer, START + 3) == first(answer)
        assert machine.state == state


def test_a_terminated_transaction_does_nothing_more() -> None:
    machine = completed()
    play(machine, 32)
    assert machine.receive(INVITE, START + 33) == []
    assert machine.receive(ACK, START + 33) == []
    assert machine.respond(OK, START + 33) == []
    assert machine.timeout(START + 1000) == []
