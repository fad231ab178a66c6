"""The caller against a scripted callee: RFC 3261 sections 12, 13.2 and 8.1."""

from __future__ import annotations

import pytest

from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Options, Policy, Reliability, WaitFor
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import (
    CallSnapshot,
    CallState,
    Cause,
    OfferAnswerState,
    Termination,
)
from tests.engine.memory import ANSWER, SDP, Host, Simulation
from tests.sip.capabilities import SUPPORTED, WITHOUT_100REL
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import PEER, ended, snapshot


def test_rings_answers_and_hangs_up(net: Simulation, host: Host, peer: Peer) -> None:
    """13.2, 15.1.1; RFC 3665 section 3.1."""
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    assert invite.uri_text == PEER
    assert invite.body == SDP.data
    assert invite.content_type == "application/sdp"
    assert invite.headers.get("Contact") == "<sip:caller@10.0.0.1:5060>"
    assert invite.headers.get("Supported") == SUPPORTED
    assert not invite.to.tag
    assert snapshot(host).state is CallState.CALLING
    assert snapshot(host).offer_answer_state is OfferAnswerState.LOCAL_OFFER
    peer.reply(invite, 100)
    peer.reply(invite, 180, tag="a")
    net.run(0.1)
    ringing = snapshot(host)
    assert ringing.state is CallState.EARLY
    assert [each.early for each in ringing.dialogs] == [True]
    peer.reply(invite, 200, tag="a", body=ANSWER)
    net.run(0.1)
    ack = peer.request("ACK")
    assert ack.cseq.number == invite.cseq.number
    assert ack.uri_text == "sip:a@10.0.0.2"
    assert ack.to.tag == "a"
    assert ack.via.branch != invite.via.branch
    up = snapshot(host)
    assert up.state is CallState.CONFIRMED
    assert up.offer_answer_state is OfferAnswerState.STABLE
    assert up.remote_description == ANSWER
    assert up.answer_time == pytest.approx(net.now - 0.09)
    token = host.hangup(host.call(), options=Options(headers=(("Reason", "Q.850;cause=16"),)))
    net.run(0.1)
    bye = peer.request("BYE")
    assert bye.cseq.number == invite.cseq.number + 1
    assert bye.headers.get("Reason") == "Q.850;cause=16"
    assert token not in host.results
    peer.reply(bye, 200)
    net.run(0.1)
    result = host.results[token]
    assert isinstance(result, CallSnapshot)
    assert result.state is CallState.TERMINATED
    assert result.end_time is not None
    assert ended(host) == Termination(cause=Cause.LOCAL_HANGUP)
    assert host.kinds() == [
        "CallCreated",
        "CallProgressed",
        "CallAnswered",
        "CallConfirmed",
        "CallEnded",
    ]


def test_each_repeated_2xx_is_acknowledged_with_the_same_octets(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """13.2.2.4: also after the call has ended, while the transaction lasts (RFC 6026 7.2)."""
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    for _ in range(3):
        peer.reply(invite, 200, tag="a", body=ANSWER)
        net.run(0.1)
    host.hangup(host.call())
    net.run(0.1)
    peer.reply(invite, 200, tag="a", body=ANSWER)
    net.run(0.1)
    acks = [data for _, message, data in peer.received if data.startswith(b"ACK")]
    assert len(acks) == 4
    assert len(set(acks)) == 1
    assert len(host.of(events.CallAnswered)) == 1


@pytest.mark.parametrize(
    "status, cause",
    [
        (404, Cause.REJECTED),
        (486, Cause.REJECTED),
        (500, Cause.REJECTED),
        (603, Cause.REJECTED),
        (302, Cause.REDIRECTED),
    ],
)
def test_a_refusal_ends_the_call(
    net: Simulation, host: Host, peer: Peer, status: int, cause: Cause
) -> None:
    """13.2.2.2, 13.2.2.3; the ACK belongs to the transaction (17.1.1.3)."""
    token = host.invite(PEER, wait_for=WaitFor.FINAL)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, status, tag="a", fields=[("Reason", "Q.850;cause=17"), ("X-Why", "so")])
    net.run(0.1)
    ack = peer.request("ACK")
    assert ack.via.branch == invite.via.branch
    failure = host.failure(token)
    assert failure.kind is FailureKind.REFUSED
    assert failure.status == status
    assert ("X-Why", "so") in failure.headers
    end = ended(host)
    assert (end.cause, end.status, end.reasons) == (cause, status, ("Q.850;cause=17",))


def test_no_answer_at_all_ends_with_timer_b(net: Simulation, host: Host, peer: Peer) -> None:
    """17.1.1.2, 8.1.3.1."""
    token = host.invite(PEER, wait_for=WaitFor.PROGRESS)
    net.run()
    assert peer.lines() == ["INVITE 1"] * 7
    assert host.failure(token).kind is FailureKind.TIMEOUT
    assert ended(host) == Termination(cause=Cause.TIMEOUT)
    assert host.events[-1].at - host.events[0].at == 32.0


def test_an_unreachable_target_fails(net: Simulation, host: Host) -> None:
    """8.1.3.1, 18.4."""
    host.unreachable.add("10.0.0.2")
    token = host.invite(PEER, wait_for=WaitFor.FINAL)
    net.run()
    assert host.failure(token).kind is FailureKind.TRANSPORT
    assert host.kinds() == ["CallCreated", "CallEnded"]
    assert ended(host) == Termination(cause=Cause.TRANSPORT_FAILURE)


def test_a_name_that_does_not_resolve_fails(net: Simulation, host: Host) -> None:
    """RFC 3263 section 4."""
    token = host.invite("sip:callee@nowhere.example", wait_for=WaitFor.FINAL)
    net.run()
    assert "does not resolve" in host.failure(token).detail
    assert ended(host).cause is Cause.TRANSPORT_FAILURE


def test_a_target_that_resolves_later_is_called_then(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """RFC 3263 section 4: the ACK and the BYE wait for the name as well."""
    host.names["callee.example"] = (0.3, ("10.0.0.2",))
    host.invite("sip:callee@callee.example")
    net.run(0.2)
    assert peer.rest() == []
    net.run(0.2)
    invite = peer.request("INVITE")
    far = [("Contact", "<sip:a@callee.example>")]
    peer.reply(invite, 200, tag="a", fields=far, contact=False, body=ANSWER)
    net.run(0.1)
    # While the name is sought, a repeated 2xx starts no second ACK.
    peer.reply(invite, 200, tag="a", fields=far, contact=False, body=ANSWER)
    net.run(0.4)
    assert peer.rest() == ["ACK 1"]


def test_an_ack_that_could_not_be_located_is_tried_again(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """13.2.2.4: the repeated 2xx is a new chance."""
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    far = [("Contact", "<sip:a@callee.example>")]
    peer.reply(invite, 200, tag="a", fields=far, contact=False, body=ANSWER)
    net.run(0.1)
    assert peer.rest() == []
    host.names["callee.example"] = (0.0, ())
    peer.reply(invite, 200, tag="a", fields=far, contact=False, body=ANSWER)
    net.run(0.1)
    assert peer.rest() == []
    host.names["callee.example"] = (0.0, ("10.0.0.2",))
    peer.reply(invite, 200, tag="a", fields=far, contact=False, body=ANSWER)
    net.run(0.1)
    assert peer.rest() == ["ACK 1"]
    host.hangup(host.call())
    net.run(0.1)
    peer.reply(peer.request("BYE"), 200)


def test_wait_for_progress_ends_with_the_first_answer_that_is_not_100(
    net: Simulation, host: Host, peer: Peer
) -> None:
    token = host.invite(PEER, wait_for=WaitFor.PROGRESS)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 100)
    net.run(0.1)
    assert token not in host.results
    # 13.2.2.1: a provisional without a To tag makes no dialog.
    peer.reply(invite, 181)
    net.run(0.1)
    result = host.results[token]
    assert isinstance(result, CallSnapshot)
    assert (result.state, result.dialogs) == (CallState.CALLING, ())
    peer.reply(invite, 486, tag="a")


@pytest.mark.parametrize("wait_for", [WaitFor.PROGRESS, WaitFor.FINAL])
def test_waiting_ends_with_the_2xx(
    net: Simulation, host: Host, peer: Peer, wait_for: WaitFor
) -> None:
    token = host.invite(PEER, wait_for=wait_for)
    net.run(0.1)
    peer.reply(peer.request("INVITE"), 200, tag="a", body=ANSWER)
    net.run(0.1)
    result = host.results[token]
    assert isinstance(result, CallSnapshot)
    assert result.state is CallState.CONFIRMED


@pytest.mark.parametrize(
    "reliability, supported",
    [(Reliability.DISABLED, WITHOUT_100REL), (Reliability.SUPPORTED, SUPPORTED)],
)
def test_reliability_is_offered_as_asked(
    net: Simulation, host: Host, peer: Peer, reliability: Reliability, supported: str
) -> None:
    """RFC 3262 section 4."""
    host.invite(PEER, policy=Policy(reliability=reliability))
    net.run(0.1)
    invite = peer.request("INVITE")
    assert invite.headers.get("Supported") == supported
    assert not invite.headers.has("Require")


def test_what_only_an_incoming_call_takes_is_refused(
    net: Simulation, host: Host, peer: Peer
) -> None:
    host.invite(PEER)
    name = host.call()
    tokens = [
        host.on_call(commands.Progress, name),
        host.on_call(commands.Reject, name),
        host.on_call(commands.Redirect, name),
        host.answer(name),
        host.hangup(name, remote_tag="nobody"),
    ]
    failures = [host.failure(token) for token in tokens]
    assert {failure.kind for failure in failures} == {FailureKind.WRONG_STATE}
    assert {failure.state for failure in failures} == {"CALLING"}


def test_provisional_responses_after_the_2xx_say_nothing(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """13.2.2.1."""
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 200, tag="a", body=ANSWER)
    peer.reply(invite, 180, tag="a")
    net.run(0.1)
    assert host.kinds() == ["CallCreated", "CallAnswered", "CallConfirmed"]


def test_a_call_ends_when_its_time_is_over(net: Simulation, host: Host, peer: Peer) -> None:
    host.invite(PEER, policy=Policy(max_duration=20.0))
    net.run(0.1)
    peer.reply(peer.request("INVITE"), 200, tag="a", body=ANSWER)
    net.run(19.9)
    assert peer.rest() == ["ACK 1"]
    net.run(0.2)
    peer.reply(peer.request("BYE"), 200)
    net.run(0.1)
    assert ended(host) == Termination(cause=Cause.SESSION_EXPIRED)
