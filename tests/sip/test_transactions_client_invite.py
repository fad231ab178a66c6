"""The INVITE client transaction, transition by transition (RFC 3261 17.1.1, RFC 6026 7.2)."""

from __future__ import annotations

import pytest

from picosip_server.sip.build import ack_for_refusal
from picosip_server.sip.timers import Timers
from picosip_server.sip.transaction.client_invite import ClientInviteTransaction
from picosip_server.sip.transaction.effects import Deliver, Ended, Send, TimedOut
from tests.sip.machines import START, due, play, request, response

INVITE = request("INVITE", ("Route", "<sip:tor.example;lr>"))
OCTETS = INVITE.encode()
RINGING, OK, BUSY = response(180), response(200), response(486)
ACK = ack_for_refusal(INVITE, BUSY)


def calling(reliable: bool = False, timers: Timers | None = None) -> ClientInviteTransaction:
    machine = ClientInviteTransaction(INVITE, reliable=reliable, timers=timers or Timers())
    assert machine.start(START) == [Send(INVITE, OCTETS)]
    return machine


def reached(*statuses: int, reliable: bool = False) -> ClientInviteTransaction:
    machine = calling(reliable)
    for status in statuses:
        machine.receive(response(status), START)
    return machine


def test_every_row_of_the_table_is_tested_here() -> None:
    assert set(ClientInviteTransaction.TABLE) == {
        *(("calling", event) for event in ("timer A", "timer B", "1xx", "2xx", "3xx-6xx")),
        *(("proceeding", event) for event in ("1xx", "2xx", "3xx-6xx")),
        *(("completed", event) for event in ("3xx-6xx", "timer D")),
        *(("accepted", event) for event in ("2xx", "timer M")),
    }


def test_timer_a_doubles_without_bound_until_timer_b() -> None:
    """17.1.1.2: retransmissions at 1, 3, 7, ... times T1; timer B after 64*T1."""
    machine = calling()
    assert due(machine) == 0.5
    again = [Send(INVITE, OCTETS, retransmission=True)]
    assert play(machine, 100) == [
        *((at, again) for at in (0.5, 1.5, 3.5, 7.5, 15.5, 31.5)),
        (32.0, [TimedOut("timer B"), Ended()]),
    ]
    assert machine.terminated
    assert machine.deadline() is None


def test_over_a_reliable_transport_there_is_timer_b_only() -> None:
    """17.1.1.2: timer A is not started."""
    machine = calling(reliable=True)
    assert play(machine, 100) == [(32.0, [TimedOut("timer B"), Ended()])]


def test_other_base_values_move_the_timers() -> None:
    """17.1.1.1: all of them follow from T1."""
    machine = calling(timers=Timers(t1=0.25))
    assert [at for at, _ in play(machine, 100)] == [0.25, 0.75, 1.75, 3.75, 7.75, 15.75, 16.0]


def test_nothing_is_due_a_moment_too_early() -> None:
    machine = calling()
    assert machine.timeout(START + 0.499) == []
    assert due(machine) == 0.5


@pytest.mark.parametrize("reliable", [False, True])
def test_a_provisional_stops_both_timers_and_waits_for_ever(reliable: bool) -> None:
    """17.1.1.2, figure 5: Calling to Proceeding, then no timer of this layer."""
    machine = calling(reliable)
    assert machine.receive(RINGING, START + 0.1) == [Deliver(RINGING)]
    assert (machine.state, machine.deadline()) == ("proceeding", None)
    assert machine.receive(RINGING, START + 99) == [Deliver(RINGING)]
    assert (machine.state, machine.deadline()) == ("proceeding", None)


@pytest.mark.parametrize("before", [(), (180,)])
@pytest.mark.parametrize("reliable", [False, True])
def test_a_2xx_is_accepted_for_timer_m(before: tuple[int, ...], reliable: bool) -> None:
    """RFC 6026 7.2 and 8.4: 64*T1 for all transports; each further 2xx goes up, no ACK here."""
    machine = reached(*before, reliable=reliable)
    assert machine.receive(OK, START) == [Deliver(OK)]
    assert (machine.state, due(machine)) == ("accepted", 32.0)
    fork = response(200, tag="ulf")
    assert machine.receive(fork, START + 1) == [Deliver(fork)]
    assert machine.receive(OK, START + 2) == [Deliver(OK)]
    assert (machine.state, due(machine)) == ("accepted", 32.0)
    assert play(machine, 100) == [(32.0, [Ended()])]
    assert machine.terminated


@pytest.mark.parametrize("late", [180, 486, 603])
def test_accepted_absorbs_all_but_2xx(late: int) -> None:
    """RFC 6026 figure 5: no arrow for them."""
    machine = reached(200)
    assert machine.receive(response(late), START + 1) == []
    assert (machine.state, due(machine)) == ("accepted", 32.0)


@pytest.mark.parametrize("before", [(), (180,)])
@pytest.mark.parametrize("status", [300, 401, 486, 503, 699])
def test_a_refusal_is_acknowledged_at_once(before: tuple[int, ...], status: int) -> None:
    """17.1.1.2: ACK, hand up, Completed for timer D: at least 32 s where unreliable."""
    machine = reached(*before)
    refusal = response(status)
    ack = ack_for_refusal(INVITE, refusal)
    assert machine.receive(refusal, START) == [Send(ack, ack.encode()), Deliver(refusal)]
    assert (machine.state, due(machine)) == ("completed", 32.0)


def test_a_repeated_refusal_gets_the_ack_again_and_stays_below() -> None:
    """17.1.1.2: retransmissions of the final response re-pass the ACK, not the response."""
    machine = reached(486)
    again = [Send(ACK, ACK.encode(), retransmission=True)]
    assert machine.receive(BUSY, START + 0.5) == again
    # 17.1.1.3: whatever final it is, the ACK is the one made for the first.
    assert machine.receive(response(603, tag="other"), START + 1.5) == again
    assert (machine.state, due(machine)) == ("completed", 32.0)
    assert play(machine, 100) == [(32.0, [Ended()])]
    assert machine.terminated


def test_the_ack_copies_what_17_1_1_3_names() -> None:
    assert ACK.method == "ACK"
    assert ACK.uri_text == "sip:ute@haus.example"
    assert list(ACK.headers) == [
        ("Via", "SIP/2.0/UDP hof.example:5060;branch=z9hG4bKhof1"),
        ("Route", "<sip:tor.example;lr>"),
        ("From", "<sip:kai@hof.example>;tag=kai"),
        ("To", "<sip:ute@haus.example>;tag=ute"),
        ("Call-ID", "hof-1"),
        ("CSeq", "31 ACK"),
        ("Max-Forwards", "70"),
    ]


@pytest.mark.parametrize("late", [180, 200])
def test_completed_absorbs_what_is_no_refusal(late: int) -> None:
    """Figure 5: a provisional or 2xx after the refusal changes nothing."""
    machine = reached(486)
    assert machine.receive(response(late), START + 1) == []
    assert (machine.state, due(machine)) == ("completed", 32.0)


@pytest.mark.parametrize("before", [(), (180,)])
def test_timer_d_is_zero_over_a_reliable_transport(before: tuple[int, ...]) -> None:
    """17.1.1.2."""
    machine = reached(*before, reliable=True)
    assert machine.receive(BUSY, START) == [Send(ACK, ACK.encode()), Deliver(BUSY), Ended()]
    assert machine.terminated
    assert machine.deadline() is None


@pytest.mark.parametrize("status", [180, 200, 486])
def test_a_terminated_transaction_does_nothing_more(status: int) -> None:
    machine = calling()
    play(machine, 32)
    assert machine.receive(response(status), START + 33) == []
    assert machine.timeout(START + 1000) == []
    assert machine.terminated
