"""Reliable provisional responses, as the callee: RFC 3262 sections 3 and 5."""

from __future__ import annotations

import pytest

from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Body, Policy
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import CallState, Cause, OfferAnswerState, Termination
from tests.engine.memory import ANSWER, SDP, Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import OTHER, called, ended, result, snapshot

SUPPORTED = (("Supported", "100rel"),)
REQUIRED = (("Require", "100rel"),)


def progress(net: Simulation, host: Host, peer: Peer, **fields: object) -> tuple[str, int]:
    """A reliable provisional; gives the To tag and RSeq of what came."""
    host.on_call(commands.Progress, host.call(), **{"status": 183, "reliable": True, **fields})
    net.run(0.1)
    response = peer.response(183)
    assert response.require == ["100rel"]
    # RFC 3311 section 5.1.
    assert "UPDATE" in response.headers.elements("Allow")
    assert response.rseq is not None
    return response.to.tag, response.rseq


def prack(
    net: Simulation,
    host: Host,
    peer: Peer,
    tag: str,
    rack: str,
    *,
    cseq: int = 2,
    body: Body | None = None,
) -> None:
    peer.ask("PRACK", host.address, to_tag=tag, cseq=cseq, fields=[("RAck", rack)], body=body)
    net.run(0.1)


def acknowledged(net: Simulation, host: Host, peer: Peer, **fields: object) -> str:
    """A reliable provisional with its PRACK; gives the To tag."""
    tag, rseq = progress(net, host, peer, **fields)
    prack(net, host, peer, tag, f"{rseq} 1 INVITE")
    peer.response(200)
    return tag


def test_it_is_repeated_until_the_prack(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 3: doubling, without the limit T2; RSeq from 1 to 2**31 - 1."""
    called(net, host, peer, fields=SUPPORTED)
    tag, rseq = progress(net, host, peer)
    assert 1 <= rseq < 2**31
    net.run(20.0)
    at = [round(each - 1000.0, 1) for each, _, data in peer.received if b" 183 " in data[:14]]
    assert at == [0.1, 0.6, 1.6, 3.6, 7.6, 15.6]
    assert {message.rseq for _, message, _ in peer.received[1:]} == {rseq}
    prack(net, host, peer, tag, f"{rseq} 1 INVITE")
    net.run(20.0)
    assert peer.rest() == ["183 INVITE 1"] * 5 + ["200 PRACK 2"]
    assert snapshot(host).state is CallState.EARLY


@pytest.mark.parametrize("rack", ["{wrong} 1 INVITE", "{rseq} 9 INVITE", "{rseq} 1 OPTIONS"])
def test_a_prack_that_matches_nothing(net: Simulation, host: Host, peer: Peer, rack: str) -> None:
    """Section 3."""
    called(net, host, peer, fields=SUPPORTED)
    tag, rseq = progress(net, host, peer)
    prack(net, host, peer, tag, rack.format(rseq=rseq, wrong=rseq + 1))
    peer.ask("PRACK", host.address, to_tag=tag, cseq=3)
    net.run(0.1)
    prack(net, host, peer, tag, f"{rseq} 1 INVITE", cseq=4)
    prack(net, host, peer, tag, f"{rseq} 1 INVITE", cseq=5)
    lines = [line for line in peer.rest() if "PRACK" in line]
    assert lines == ["481 PRACK 2", "481 PRACK 3", "200 PRACK 4", "481 PRACK 5"]


def test_the_second_waits_for_the_first(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 3: RSeq higher by one, and not before the first is acknowledged."""
    called(net, host, peer, fields=SUPPORTED)
    tag, rseq = progress(net, host, peer)
    for status in (180, 182):
        host.on_call(commands.Progress, host.call(), status=status, reliable=True)
    net.run(0.1)
    assert peer.rest() == []
    prack(net, host, peer, tag, f"{rseq} 1 INVITE")
    peer.response(200)
    assert peer.response(180).rseq == rseq + 1
    prack(net, host, peer, tag, f"{rseq + 1} 1 INVITE", cseq=3)
    peer.response(200)
    assert peer.response(182).rseq == rseq + 2
    prack(net, host, peer, tag, f"{rseq + 2} 1 INVITE", cseq=4)


def test_no_prack_at_all(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 3: a 5xx after 64*T1. An Answer that waited for it fails."""
    called(net, host, peer, fields=SUPPORTED)
    progress(net, host, peer, description=ANSWER)
    token = host.answer(host.call())
    net.run(32.0)
    assert set(peer.rest()) == {"183 INVITE 1", "504 INVITE 1"}
    assert host.failure(token).kind is FailureKind.TIMEOUT
    assert ended(host) == Termination(cause=Cause.TIMEOUT, status=504, reason="Server Time-out")


def test_required_makes_all_of_them_reliable(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 3."""
    called(net, host, peer, fields=REQUIRED)
    progress(net, host, peer, reliable=False)


def test_not_supported_makes_none_reliable(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 3."""
    called(net, host, peer)
    token = host.on_call(commands.Progress, host.call(), reliable=True)
    failure = host.failure(token)
    assert (failure.kind, failure.field) == (FailureKind.INVALID, "reliable")


def test_the_2xx_waits_for_the_prack_of_a_description(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """Section 3: no 2xx while a description of ours is unacknowledged, queued ones as well."""
    called(net, host, peer, fields=SUPPORTED)
    tag, rseq = progress(net, host, peer)
    host.on_call(commands.Progress, host.call(), description=ANSWER, reliable=True)
    token = host.answer(host.call())
    late = [host.answer(host.call()), host.on_call(commands.Progress, host.call())]
    assert {host.failure(each).kind for each in late} == {FailureKind.WRONG_STATE}
    net.run(0.1)
    assert peer.rest() == []
    prack(net, host, peer, tag, f"{rseq} 1 INVITE")
    peer.response(200)
    assert peer.response(180).body == ANSWER.data
    prack(net, host, peer, tag, f"{rseq + 1} 1 INVITE", cseq=3)
    assert peer.rest() == ["200 PRACK 3", "200 INVITE 1"]
    peer.ask("ACK", host.address, to_tag=tag)
    net.run(0.1)
    assert result(host, token).state is CallState.CONFIRMED
    assert snapshot(host).local_description == ANSWER


@pytest.mark.parametrize("how", ["cancel", "hangup", "reject", "bye"])
def test_an_answer_that_waits_is_overtaken(
    net: Simulation, host: Host, peer: Peer, how: str
) -> None:
    """It fails; nothing is left waiting."""
    branch = called(net, host, peer, fields=SUPPORTED)
    tag, _ = progress(net, host, peer, description=ANSWER)
    token = host.answer(host.call())
    if how == "cancel":
        peer.ask("CANCEL", host.address, branch=branch)
    elif how == "bye":
        peer.ask("BYE", host.address, to_tag=tag, cseq=2)
    elif how == "hangup":
        host.hangup(host.call())
    else:
        host.on_call(commands.Reject, host.call(), status=486)
    net.run(0.1)
    assert host.failure(token).kind is FailureKind.ENDED
    final = {"cancel": 487, "bye": 487, "hangup": 603, "reject": 486}[how]
    assert f"{final} INVITE 1" in peer.rest()


def test_a_2xx_before_the_prack_of_a_response_without_description(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """Section 3: it goes out; no more repetitions, but the PRACK is still taken."""
    called(net, host, peer, fields=SUPPORTED)
    tag, rseq = progress(net, host, peer)
    host.on_call(commands.Progress, host.call(), reliable=True)
    host.answer(host.call())
    net.run(0.1)
    assert peer.rest() == ["200 INVITE 1"]
    prack(net, host, peer, tag, f"{rseq} 1 INVITE")
    peer.ask("ACK", host.address, to_tag=tag)
    net.run(5.0)
    assert peer.rest() == ["200 PRACK 2"]


def test_our_offer_and_the_answer_in_the_prack(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 5: an INVITE without offer."""
    called(net, host, peer, fields=SUPPORTED, body=None)
    tag, rseq = progress(net, host, peer, description=SDP)
    assert snapshot(host).offer_answer_state is OfferAnswerState.LOCAL_OFFER
    prack(net, host, peer, tag, f"{rseq} 1 INVITE", body=ANSWER)
    peer.response(200)
    (modified,) = host.of(events.CallModified)
    assert (modified.local_description, modified.remote_description) == (SDP, ANSWER)
    assert snapshot(host).offer_answer_state is OfferAnswerState.STABLE
    host.answer(host.call(), description=None)
    net.run(0.1)
    assert peer.response(200).body == b""
    peer.ask("ACK", host.address, to_tag=tag)
    net.run(0.1)
    assert snapshot(host).state is CallState.CONFIRMED


def test_the_answer_missing_in_the_prack_may_come_in_the_ack(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """Section 5 asks for it in the PRACK; the call is not lost where it comes later."""
    called(net, host, peer, fields=SUPPORTED, body=None)
    tag = acknowledged(net, host, peer, description=SDP)
    host.answer(host.call(), description=None)
    net.run(0.1)
    assert peer.response(200).body == b""
    peer.ask("ACK", host.address, to_tag=tag, body=ANSWER)
    net.run(0.1)
    assert snapshot(host).remote_description == ANSWER


def test_a_description_that_is_no_answer_and_no_new_offer_is_ignored(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """RFC 3264 section 4: the offer of the INVITE is not answered yet."""
    called(net, host, peer, fields=SUPPORTED)
    tag, rseq = progress(net, host, peer)
    prack(net, host, peer, tag, f"{rseq} 1 INVITE", body=OTHER)
    assert peer.rest() == ["200 PRACK 2"]
    assert snapshot(host).remote_description == SDP


def offer_in_prack(
    net: Simulation, host: Host, peer: Peer, **fields: object
) -> tuple[str, events.IncomingRequest]:
    """The answer went reliably, the PRACK offers anew. Gives the To tag and the event."""
    called(net, host, peer, fields=SUPPORTED)
    tag, rseq = progress(net, host, peer, description=ANSWER)
    prack(net, host, peer, tag, f"{rseq} 1 INVITE", body=OTHER)
    assert peer.rest() == []
    (request,) = host.of(events.IncomingRequest)
    assert (request.method, request.offer, request.call) == ("PRACK", OTHER, host.call())
    assert request.respond_by == request.at + 10.0
    return tag, request


def respond(host: Host, name: str, **fields: object) -> object:
    return host.submit(
        lambda token: commands.Respond(token=token, name=name, **fields)  # type: ignore[arg-type]
    )


def test_an_offer_in_the_prack_is_the_applications(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 5: the answer goes in the 200; until then no Answer."""
    tag, request = offer_in_prack(net, host, peer)
    assert host.failure(host.answer(host.call())).kind is FailureKind.WRONG_STATE
    bare = host.failure(respond(host, request.name, status=200))
    assert (bare.kind, bare.field) == (FailureKind.INVALID, "description")
    token = respond(host, request.name, status=200, body=SDP)
    net.run(0.1)
    assert host.results[token] is None
    assert peer.response(200).body == SDP.data
    (modified,) = host.of(events.CallModified)
    assert (modified.local_description, modified.remote_description) == (SDP, OTHER)
    assert host.failure(respond(host, request.name, status=200)).kind is FailureKind.NOT_FOUND
    host.answer(host.call(), description=None)
    net.run(0.1)
    peer.ask("ACK", host.address, to_tag=tag)
    net.run(0.1)
    assert snapshot(host).offer_answer_state is OfferAnswerState.STABLE


def test_an_offer_in_the_prack_is_refused(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 6337 section 3.4: the session stays as it was."""
    _, request = offer_in_prack(net, host, peer)
    respond(host, request.name, status=488)
    net.run(0.1)
    assert peer.rest() == ["488 PRACK 2"]
    state = snapshot(host)
    assert state.offer_answer_state is OfferAnswerState.STABLE
    assert (state.local_description, state.remote_description) == (ANSWER, SDP)


def test_an_offer_in_the_prack_that_nobody_answers(net: Simulation, host: Host, peer: Peer) -> None:
    """488 after the time to respond; the event says so."""
    offer_in_prack(net, host, peer)
    net.run(10.0)
    assert peer.rest() == ["100 PRACK 2", "488 PRACK 2"]
    (closed,) = host.of(events.IncomingRequestClosed)
    assert closed.status == 488
    assert snapshot(host).offer_answer_state is OfferAnswerState.STABLE


def test_the_call_ends_before_the_offer_is_answered(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """15.1.2: 487 to what is pending."""
    tag, request = offer_in_prack(net, host, peer)
    peer.ask("BYE", host.address, to_tag=tag, cseq=3)
    net.run(0.1)
    assert peer.rest() == ["200 BYE 3", "487 INVITE 1", "487 PRACK 2"]
    assert host.kinds()[-2:] == ["IncomingRequestClosed", "CallEnded"]
    assert host.failure(respond(host, request.name, status=488)).kind is FailureKind.NOT_FOUND


def test_the_offer_comes_while_the_answer_waits(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 3 and RFC 6337 section 3.1.1: the 2xx goes after the offer is settled."""
    called(net, host, peer, fields=SUPPORTED)
    tag, rseq = progress(net, host, peer, description=ANSWER)
    host.answer(host.call())
    prack(net, host, peer, tag, f"{rseq} 1 INVITE", body=OTHER)
    (request,) = host.of(events.IncomingRequest)
    respond(host, request.name, status=200, body=SDP)
    net.run(0.1)
    assert peer.rest() == ["200 PRACK 2", "200 INVITE 1"]
    peer.ask("ACK", host.address, to_tag=tag)
    net.run(0.1)
    assert snapshot(host).state is CallState.CONFIRMED
    assert snapshot(host).local_description == SDP


def test_an_offer_in_a_prack_after_the_2xx(net: Simulation, host: Host, peer: Peer) -> None:
    """The policy of the Answer says how long it waits."""
    called(net, host, peer, fields=SUPPORTED)
    tag = acknowledged(net, host, peer, description=ANSWER)
    second, rseq = progress(net, host, peer)
    assert second == tag
    host.answer(host.call(), policy=Policy(respond_timeout=2.0))
    net.run(0.1)
    peer.response(200)
    peer.ask("ACK", host.address, to_tag=tag)
    prack(net, host, peer, tag, f"{rseq} 1 INVITE", cseq=3, body=OTHER)
    net.run(2.0)
    assert peer.rest() == ["488 PRACK 3"]


def test_reliable_ringing_is_said_again_less_often(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 3: every two and a half minutes, reliably again; the description went before."""
    called(net, host, peer, fields=SUPPORTED)
    tag, rseq = progress(net, host, peer, description=ANSWER)
    prack(net, host, peer, tag, f"{rseq} 1 INVITE")
    peer.response(200)
    net.run(149.0)
    assert peer.rest() == []
    net.run(1.0)
    again = peer.response(183)
    assert (again.rseq, again.body) == (rseq + 1, b"")
    prack(net, host, peer, tag, f"{rseq + 1} 1 INVITE", cseq=3)


def test_progress_while_the_offer_in_the_prack_waits(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """RFC 3264 section 4: no description but the answer to it; without one it may ring."""
    tag, request = offer_in_prack(net, host, peer)
    begun = len(peer.received)
    described = host.on_call(commands.Progress, host.call(), description=SDP, reliable=True)
    assert host.failure(described).kind is FailureKind.WRONG_STATE
    _, rseq = progress(net, host, peer)
    net.run(5.0)
    at = [
        round(at - peer.received[begun][0], 1)
        for at, message, _ in peer.received[begun:]
        if message.cseq.method == "INVITE"
    ]
    assert at == [0, 0.5, 1.5, 3.5]
    respond(host, request.name, status=200, body=SDP)
    prack(net, host, peer, tag, f"{rseq} 1 INVITE", cseq=3)
    assert peer.lines()[-2:] == ["200 PRACK 2", "200 PRACK 3"]
