"""An INVITE without an offer, from both ends: RFC 3261 section 13.2.1, RFC 3264, RFC 6337."""

from __future__ import annotations

from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Body, Options, WaitFor
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import CallState, Cause, OfferAnswerState, Termination
from tests.engine.memory import ANSWER, SDP, Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import PEER, called, ended, result, snapshot


def offered(net: Simulation, host: Host, peer: Peer, **fields: object) -> object:
    """The host's INVITE had no offer, the 2xx has one. Gives the Invite's token."""
    token = host.invite(PEER, offer=None, **fields)
    net.run(0.1)
    invite = peer.request("INVITE")
    assert (invite.body, invite.headers.get("Content-Type")) == (b"", None)
    assert snapshot(host).offer_answer_state is OfferAnswerState.NONE
    peer.reply(invite, 200, tag="a", body=SDP)
    net.run(0.1)
    return token


def test_the_answer_goes_in_the_ack(net: Simulation, host: Host, peer: Peer) -> None:
    """13.2.2.4."""
    token = offered(net, host, peer, wait_for=WaitFor.FINAL)
    assert peer.rest() == []
    state = result(host, token)
    assert state.state is CallState.CONNECTING
    assert state.offer_answer_state is OfferAnswerState.REMOTE_OFFER
    assert state.remote_description == SDP
    answer = Body(content_type="application/sdp", data=b"v=0\r\n", disposition="session")
    options = Options(headers=(("X-Id", "7"),))
    done = host.answer(host.call(), description=answer, options=options)
    net.run(0.1)
    ack = peer.request("ACK")
    assert (ack.content_type, ack.body) == ("application/sdp", answer.data)
    assert ack.headers.get("Content-Disposition") == "session"
    assert ack.headers.get("X-Id") == "7"
    assert result(host, done).state is CallState.CONFIRMED
    assert snapshot(host).offer_answer_state is OfferAnswerState.STABLE
    assert snapshot(host).local_description == answer
    assert host.kinds() == ["CallCreated", "CallAnswered", "CallConfirmed"]


def test_an_answer_needs_a_description_and_comes_once(
    net: Simulation, host: Host, peer: Peer
) -> None:
    offered(net, host, peer)
    failure = host.failure(host.answer(host.call(), description=None))
    assert (failure.kind, failure.field) == (FailureKind.INVALID, "description")
    host.answer(host.call())
    assert host.failure(host.answer(host.call())).kind is FailureKind.WRONG_STATE


def test_an_offer_that_is_never_answered(net: Simulation, host: Host, peer: Peer) -> None:
    """13.2.2.4: acknowledged, and ended with BYE."""
    offered(net, host, peer)
    net.run(10.0)
    assert peer.request("ACK").body == b""
    peer.reply(peer.request("BYE"), 200)
    net.run(0.1)
    assert ended(host) == Termination(cause=Cause.TIMEOUT)


def test_hangup_before_the_answer(net: Simulation, host: Host, peer: Peer) -> None:
    """13.2.2.4: no BYE without an ACK before it. The answer then comes too late."""
    offered(net, host, peer)
    host.hangup(host.call())
    late = host.answer(host.call())
    net.run(0.1)
    assert peer.request("ACK").body == b""
    assert host.failure(late).kind is FailureKind.WRONG_STATE
    peer.reply(peer.request("BYE"), 200)
    net.run(0.1)
    assert ended(host).cause is Cause.LOCAL_HANGUP


def test_the_far_end_hangs_up_before_the_answer(net: Simulation, host: Host, peer: Peer) -> None:
    """13.2.2.4: its 2xx is acknowledged all the same."""
    host.invite(PEER, offer=None)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 200, tag="a", body=SDP)
    net.run(0.1)
    peer.within(invite, "BYE")
    net.run(0.1)
    assert sorted(peer.rest()) == ["200 BYE 1", "ACK 1"]
    assert ended(host).cause is Cause.REMOTE_HANGUP


def test_a_repeated_2xx_waits_for_the_answer(net: Simulation, host: Host, peer: Peer) -> None:
    host.invite(PEER, offer=None)
    net.run(0.1)
    invite = peer.request("INVITE")
    for _ in range(2):
        peer.reply(invite, 200, tag="a", body=SDP)
        net.run(0.1)
    assert peer.rest() == []
    host.answer(host.call())
    peer.reply(invite, 200, tag="a", body=SDP)
    net.run(0.1)
    assert peer.rest() == ["ACK 1", "ACK 1"]


def test_a_2xx_without_the_offer_is_acknowledged(net: Simulation, host: Host, peer: Peer) -> None:
    """13.2.1 asks for one; there is nothing to answer then."""
    host.invite(PEER, offer=None)
    net.run(0.1)
    peer.reply(peer.request("INVITE"), 200, tag="a")
    net.run(0.1)
    assert peer.request("ACK").body == b""
    assert snapshot(host).state is CallState.CONFIRMED
    assert snapshot(host).offer_answer_state is OfferAnswerState.NONE


def test_an_early_description_that_is_not_reliable_is_no_offer(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """13.2.1: the offer is in the 2xx."""
    host.invite(PEER, offer=None)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 183, tag="a", body=ANSWER)
    net.run(0.1)
    assert snapshot(host).remote_description == ANSWER
    assert host.failure(host.answer(host.call())).kind is FailureKind.WRONG_STATE
    peer.reply(invite, 200, tag="a", body=SDP)
    net.run(0.1)
    assert snapshot(host).remote_description == SDP
    assert snapshot(host).offer_answer_state is OfferAnswerState.REMOTE_OFFER


# As the callee.


def test_the_2xx_makes_the_offer_and_the_ack_answers_it(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """13.3.1.4; the event tells the answer."""
    called(net, host, peer, body=None)
    (received,) = host.of(events.CallReceived)
    assert received.offer is None
    bad = host.failure(host.answer(host.call(), description=None))
    assert (bad.kind, bad.field) == (FailureKind.INVALID, "description")
    host.answer(host.call(), description=SDP)
    net.run(0.1)
    response = peer.response(200)
    assert response.body == SDP.data
    assert snapshot(host).offer_answer_state is OfferAnswerState.LOCAL_OFFER
    peer.ask("ACK", host.address, to_tag=response.to.tag, body=ANSWER)
    net.run(0.1)
    (confirmed,) = host.of(events.CallConfirmed)
    assert confirmed.description == ANSWER
    assert snapshot(host).remote_description == ANSWER
    assert snapshot(host).offer_answer_state is OfferAnswerState.STABLE


def test_an_ack_without_the_answer(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 6337 section 3.1: the call stands, without a session."""
    called(net, host, peer, body=None)
    token = host.answer(host.call(), description=SDP)
    net.run(0.1)
    peer.ask("ACK", host.address, to_tag=peer.response(200).to.tag)
    net.run(0.1)
    assert result(host, token).state is CallState.CONFIRMED
    assert snapshot(host).offer_answer_state is OfferAnswerState.NONE
    (confirmed,) = host.of(events.CallConfirmed)
    assert confirmed.description is None


def test_an_offer_of_ours_must_go_reliably(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 3262 section 5, RFC 6337 table 1."""
    called(net, host, peer, body=None)
    failure = host.failure(host.on_call(commands.Progress, host.call(), description=SDP))
    assert (failure.kind, failure.field) == (FailureKind.INVALID, "description")
