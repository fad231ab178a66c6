"""The callee against a scripted caller: RFC 3261 section 13.3, RFC 6026."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Options
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import CallState, Cause, OfferAnswerState, Termination
from tests.engine.memory import ANSWER, SDP, Everybody, Host, Simulation
from tests.sip.capabilities import ALLOW, SUPPORTED
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import OTHER, accept, called, ended, result, snapshot


class Deaf(Everybody):
    """An audience that does not listen."""

    def hears(self, resource: str, labels: Mapping[str, str] | object) -> bool:
        return False


def times(peer: Peer, line: str) -> list[float]:
    """When what begins with ``line`` came, from the first of them on."""
    at = [at for at, _, data in peer.received if data.startswith(line.encode())]
    return [round(each - at[0], 2) for each in at]


def test_rings_answers_and_is_hung_up(net: Simulation, host: Host, peer: Peer) -> None:
    """13.3.1; RFC 3665 section 3.1."""
    called(net, host, peer, fields=(("Timestamp", "54"),))
    _, trying, _ = peer.received[0]
    assert trying.headers.get("Timestamp") == "54"
    assert not trying.to.tag
    (received,) = host.of(events.CallReceived)
    assert received.offer == SDP
    assert received.answer_by == received.at + 180.0
    state = snapshot(host)
    assert (state.state, state.dialogs) == (CallState.INCOMING, ())
    assert state.offer_answer_state is OfferAnswerState.REMOTE_OFFER
    assert state.remote_description == SDP
    options = Options(headers=(("Alert-Info", "<http://x/>"),))
    progressed = host.on_call(commands.Progress, host.call(), options=options)
    assert result(host, progressed).state is CallState.EARLY
    net.run(0.1)
    ringing = peer.response(180)
    assert ringing.headers.get("Alert-Info") == "<http://x/>"
    assert ringing.headers.get("Contact") == "<sip:callee@10.0.0.1:5060>"
    token = host.answer(host.call())
    net.run(0.1)
    ok = peer.response(200)
    assert (ok.to.tag, ok.body) == (ringing.to.tag, ANSWER.data)
    assert ok.headers.get("Contact") == "<sip:callee@10.0.0.1:5060>"
    assert ok.headers.get("Allow") == ALLOW
    assert ok.headers.get("Supported") == SUPPORTED
    assert token not in host.results
    peer.ask("ACK", host.address, to_tag=ok.to.tag)
    net.run(0.1)
    assert result(host, token).state is CallState.CONFIRMED
    peer.ask("BYE", host.address, to_tag=ok.to.tag, cseq=2)
    net.run(0.1)
    assert peer.rest() == ["200 BYE 2"]
    assert host.kinds() == ["CallReceived", "CallAnswered", "CallConfirmed", "CallEnded"]


def test_a_repeated_invite_is_absorbed(net: Simulation, host: Host, peer: Peer) -> None:
    """17.2.1; after the 2xx it says nothing more (RFC 6026 section 7.1)."""
    branch = called(net, host, peer)
    peer.ask("INVITE", host.address, branch=branch, body=SDP)
    host.on_call(commands.Progress, host.call())
    net.run(0.1)
    peer.ask("INVITE", host.address, branch=branch, body=SDP)
    net.run(0.1)
    assert peer.rest() == ["180 INVITE 1", "180 INVITE 1", "180 INVITE 1"]
    accept(net, host, peer)
    peer.ask("INVITE", host.address, branch=branch, body=SDP)
    net.run(0.1)
    assert peer.rest() == []
    assert len(host.of(events.CallReceived)) == 1


def test_no_wait_answers_at_once(net: Simulation, host: Host, peer: Peer) -> None:
    called(net, host, peer)
    token = host.answer(host.call(), no_wait=True)
    assert result(host, token).state is CallState.CONNECTING
    net.run(0.1)
    peer.ask("ACK", host.address, to_tag=peer.response(200).to.tag)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_the_2xx_is_repeated_until_the_ack(
    net: Simulation, host: Host, peer: Peer, transport: str
) -> None:
    """13.3.1.4: T1 doubling up to T2, over any transport; then BYE."""
    peer.ask("INVITE", host.address, body=SDP, transport=transport)
    net.run(0.1)
    token = host.answer(host.call())
    net.run(32.2)
    assert times(peer, "SIP/2.0 200") == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert times(peer, "BYE") == [0]
    assert peer.rest()[-1] == "BYE 1"
    _, bye, _ = peer.received[-1]
    assert isinstance(bye, Request)
    peer.reply(bye, 200)
    net.run(0.1)
    assert host.failure(token).kind is FailureKind.TIMEOUT
    assert ended(host) == Termination(cause=Cause.TIMEOUT)
    # An ACK that comes after all changes nothing.
    assert host.kinds() == ["CallReceived", "CallAnswered", "CallEnded"]


def test_the_ack_stops_it(net: Simulation, host: Host, peer: Peer) -> None:
    """13.3.1.4: an ACK that names another INVITE does not; a second one says nothing."""
    called(net, host, peer)
    host.answer(host.call())
    net.run(1.0)
    tag = peer.response(200).to.tag
    assert peer.rest() == ["200 INVITE 1"]
    peer.ask("ACK", host.address, to_tag=tag, cseq=7)
    net.run(1.0)
    assert peer.rest() == ["200 INVITE 1"]
    for _ in range(2):
        peer.ask("ACK", host.address, to_tag=tag)
    net.run(10.0)
    assert peer.rest() == []
    assert len(host.of(events.CallConfirmed)) == 1


def test_an_ack_with_the_branch_of_the_invite(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 6026 section 7.1: it reaches the transaction, which hands it up."""
    branch = called(net, host, peer)
    host.answer(host.call())
    net.run(0.1)
    tag = peer.response(200).to.tag
    peer.ask("ACK", host.address, to_tag=tag, branch=branch)
    net.run(0.1)
    assert snapshot(host).state is CallState.CONFIRMED


def test_an_ack_before_any_answer_is_nothing(net: Simulation, host: Host, peer: Peer) -> None:
    called(net, host, peer)
    host.on_call(commands.Progress, host.call())
    net.run(0.1)
    tag = peer.response(180).to.tag
    peer.ask("ACK", host.address, to_tag=tag)
    peer.ask("ACK", host.address, to_tag=tag, tag="other")
    net.run(0.1)
    assert snapshot(host).state is CallState.EARLY


def test_another_from_tag_is_another_dialog(net: Simulation, host: Host, peer: Peer) -> None:
    """12.2.2."""
    called(net, host, peer)
    tag = accept(net, host, peer)
    peer.ask("BYE", host.address, to_tag=tag, tag="other", cseq=2)
    net.run(0.1)
    assert peer.rest() == ["481 BYE 2"]


@pytest.mark.parametrize("status, reason", [(486, ""), (603, "Not now"), (404, "")])
def test_reject(net: Simulation, host: Host, peer: Peer, status: int, reason: str) -> None:
    """13.3.1.3, 17.2.1: repeated until its ACK, or 64*T1 are over."""
    branch = called(net, host, peer)
    options = Options(headers=(("Retry-After", "30"),))
    token = host.on_call(
        commands.Reject, host.call(), status=status, reason=reason, options=options
    )
    assert result(host, token).state is CallState.TERMINATED
    net.run(0.1)
    response = peer.response(status)
    assert response.headers.get("Retry-After") == "30"
    assert not response.headers.has("Contact")
    assert response.reason == (reason or response.reason)
    net.run(1.0)
    assert peer.rest() == [f"{status} INVITE 1"]
    if status != 404:
        peer.ask("ACK", host.address, to_tag=response.to.tag, branch=branch)
        net.run(20.0)
        assert peer.rest() == []
    assert (ended(host).cause, ended(host).status) == (Cause.REJECTED, status)
    assert host.kinds() == ["CallReceived", "CallEnded"]


def test_the_first_command_that_answers_wins(net: Simulation, host: Host, peer: Peer) -> None:
    called(net, host, peer)
    name = host.call()
    host.answer(name)
    tokens = [
        host.answer(name),
        host.on_call(commands.Reject, name),
        host.on_call(commands.Progress, name),
    ]
    failures = [host.failure(token) for token in tokens]
    assert {failure.kind for failure in failures} == {FailureKind.WRONG_STATE}
    assert {failure.state for failure in failures} == {"CONNECTING"}


def test_an_offer_needs_an_answer(net: Simulation, host: Host, peer: Peer) -> None:
    """13.3.1.4, RFC 3264 section 5."""
    called(net, host, peer)
    failure = host.failure(host.answer(host.call(), description=None))
    assert (failure.kind, failure.field) == (FailureKind.INVALID, "description")
    # An early description that is not reliable is only a preview; the 2xx holds the answer.
    host.on_call(commands.Progress, host.call(), status=183, description=ANSWER)
    net.run(0.1)
    assert peer.response(183).body == ANSWER.data
    assert snapshot(host).offer_answer_state is OfferAnswerState.REMOTE_OFFER
    assert host.failure(host.answer(host.call(), description=None)).field == "description"
    accept(net, host, peer)
    assert snapshot(host).offer_answer_state is OfferAnswerState.STABLE


def test_ringing_is_said_again_every_minute(net: Simulation, host: Host, peer: Peer) -> None:
    """13.3.1.1: lest a proxy takes the call for dead."""
    called(net, host, peer)
    host.on_call(commands.Progress, host.call(), status=183, description=ANSWER)
    net.run(130.0)
    assert times(peer, "SIP/2.0 183") == [0, 60, 120]
    bodies = [message.body for _, message, _ in peer.received[1:]]
    assert bodies == [ANSWER.data] * 3
    accept_at = len(peer.received)
    host.answer(host.call())
    net.run(0.1)
    peer.ask("ACK", host.address, to_tag=peer.received[accept_at][1].to.tag)
    net.run(100.0)
    assert times(peer, "SIP/2.0 183") == [0, 60, 120]


def test_an_application_that_says_nothing(net: Simulation, host: Host, peer: Peer) -> None:
    called(net, host, peer)
    net.run(180.0)
    assert peer.response(480).headers.get("Retry-After") == "10"
    assert ended(host) == Termination(
        cause=Cause.TIMEOUT, status=480, reason="Temporarily Unavailable"
    )
    assert host.events[-1].at - host.events[0].at == 180.0


def test_no_application_at_all(net: Simulation, host: Host, peer: Peer) -> None:
    host.core.set_audience(Deaf(), net.now)
    called(net, host, peer)
    host.core.set_audience(Deaf(), net.now)
    net.run(2.0)
    assert peer.response(480).headers.get("Retry-After") == "10"
    assert host.events[-1].at - host.events[0].at == 2.0


def test_an_application_that_comes_in_time(net: Simulation, host: Host, peer: Peer) -> None:
    host.core.set_audience(Deaf(), net.now)
    called(net, host, peer)
    net.run(1.0)
    host.core.set_audience(Everybody(), net.now)
    host.core.set_audience(Everybody(), net.now)
    net.run(170.0)
    assert snapshot(host).state is CallState.INCOMING
    net.run(10.0)
    assert peer.response(480)
    assert host.events[-1].at - host.events[0].at == 180.0


def test_the_session_of_a_2xx_cannot_be_changed_by_a_second_description(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """13.2.1: an unreliable preview may differ from nothing but itself once answered."""
    called(net, host, peer, fields=(("Supported", "100rel"),))
    host.on_call(commands.Progress, host.call(), description=ANSWER, reliable=True)
    net.run(0.1)
    rseq = peer.response(180).headers.get("RSeq")
    failure = host.failure(host.on_call(commands.Progress, host.call(), description=OTHER))
    assert (failure.kind, failure.field) == (FailureKind.INVALID, "description")
    assert host.failure(host.answer(host.call(), description=OTHER)).field == "description"
    host.on_call(commands.Progress, host.call(), description=ANSWER)
    net.run(0.1)
    response = peer.response(180)
    assert (response.body, response.headers.has("RSeq")) == (ANSWER.data, False)
    tag = response.to.tag
    peer.ask("PRACK", host.address, to_tag=tag, cseq=2, fields=[("RAck", f"{rseq} 1 INVITE")])
    net.run(0.1)
    peer.response(200)
    host.answer(host.call())
    net.run(0.1)
    # The answer went before: the 2xx does not repeat it (RFC 6337 section 3.1.1).
    assert peer.response(200).body == b""
    peer.ask("ACK", host.address, to_tag=tag)
