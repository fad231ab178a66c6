"""The far end changes the session: RFC 3261 section 14.2, RFC 3311 section 5.2, RFC 5407."""

from __future__ import annotations

import pytest

from picosip_server.sip.message import Response
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Body, Offers, Policy
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import CallState, Cause, OfferAnswerState
from tests.engine.memory import ANSWER, SDP, Host, Simulation
from tests.sip.capabilities import ALLOW, SUPPORTED
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import OTHER, PEER, accept, called, connect, ended, snapshot

CONTACT = ("Contact", "<sip:peer@10.0.0.2>")


def standing(net: Simulation, host: Host, peer: Peer, **fields: object) -> str:
    """A call of the peer that stands; gives the host's tag."""
    called(net, host, peer)
    return accept(net, host, peer, **fields)


def respond(host: Host, status: int, body: Body | None = None) -> object:
    request = host.of(events.IncomingRequest)[-1]
    return host.submit(
        lambda token: commands.Respond(token=token, name=request.name, status=status, body=body)
    )


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_the_application_answers_an_offer(
    net: Simulation, host: Host, peer: Peer, method: str
) -> None:
    """The offer arrives as IncomingRequest with its call; the answer goes in the 200."""
    tag = standing(net, host, peer)
    peer.ask(method, host.address, to_tag=tag, cseq=2, fields=[CONTACT], body=OTHER)
    net.run(0.1)
    (request,) = host.of(events.IncomingRequest)
    assert (request.call, request.method, request.offer) == (host.call(), method, OTHER)
    assert request.resource == host.call()
    assert request.respond_by == pytest.approx(net.now + 10, abs=0.2)
    assert snapshot(host).offer_answer_state is OfferAnswerState.REMOTE_OFFER
    if method == "INVITE":
        peer.response(100)
    token = respond(host, 200, ANSWER)
    net.run(0.1)
    ok = peer.response(200)
    assert (ok.body, ok.headers.get("Contact")) == (ANSWER.data, "<sip:callee@10.0.0.1:5060>")
    assert (ok.headers.get("Allow"), ok.headers.get("Supported")) == (
        ALLOW,
        SUPPORTED,
    )
    assert host.results[token] is None
    if method == "INVITE":
        peer.ask("ACK", host.address, to_tag=tag, cseq=2)
        net.run(0.1)
    (modified,) = host.of(events.CallModified)
    assert (modified.local_description, modified.remote_description) == (ANSWER, OTHER)
    assert snapshot(host).offer_answer_state is OfferAnswerState.STABLE
    assert peer.rest() == []


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_nobody_answers_an_offer(net: Simulation, host: Host, peer: Peer, method: str) -> None:
    """488 by the deadline; the session stays as it was."""
    tag = standing(net, host, peer, policy=Policy(respond_timeout=3.0))
    branch = peer.ask(method, host.address, to_tag=tag, cseq=2, body=OTHER)
    net.run(2.9)
    assert "488 INVITE 2" not in peer.rest()
    net.run(0.2)
    peer.response(488)
    if method == "INVITE":
        peer.ask("ACK", host.address, to_tag=tag, cseq=2, branch=branch)
    net.run(0.1)
    (closed,) = host.of(events.IncomingRequestClosed)
    assert closed.status == 488
    call = snapshot(host)
    assert (call.remote_description, call.offer_answer_state) == (SDP, OfferAnswerState.STABLE)


def test_a_2xx_needs_its_answer(net: Simulation, host: Host, peer: Peer) -> None:
    tag = standing(net, host, peer)
    peer.ask("UPDATE", host.address, to_tag=tag, cseq=2, body=OTHER)
    net.run(0.1)
    assert host.failure(respond(host, 200)).field == "description"
    respond(host, 488)
    net.run(0.1)
    peer.response(488)


def test_a_reinvite_without_offer(net: Simulation, host: Host, peer: Peer) -> None:
    """14.2: the 2xx makes the offer, the ACK answers it."""
    tag = standing(net, host, peer)
    peer.ask("INVITE", host.address, to_tag=tag, cseq=2)
    net.run(0.1)
    peer.response(100)
    (request,) = host.of(events.IncomingRequest)
    assert request.offer is None
    assert host.failure(respond(host, 200)).field == "description"
    respond(host, 200, OTHER)
    net.run(0.1)
    assert peer.response(200).body == OTHER.data
    assert snapshot(host).offer_answer_state is OfferAnswerState.LOCAL_OFFER
    peer.ask("ACK", host.address, to_tag=tag, cseq=2, body=ANSWER)
    net.run(0.1)
    (modified,) = host.of(events.CallModified)
    assert (modified.local_description, modified.remote_description) == (OTHER, ANSWER)


def test_an_update_without_offer(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 3311 section 5.2: the stack answers; the target is refreshed."""
    tag = standing(net, host, peer)
    moved = [("Contact", "<sip:moved@10.0.0.2>")]
    peer.ask("UPDATE", host.address, to_tag=tag, cseq=2, fields=moved)
    net.run(0.1)
    assert peer.response(200).body == b""
    host.hangup(host.call())
    net.run(0.1)
    assert peer.request("BYE").uri_text == "sip:moved@10.0.0.2"
    assert host.of(events.IncomingRequest) == []


def test_a_refused_target_is_not_taken(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 6141 section 4.6."""
    tag = standing(net, host, peer)
    moved = [("Contact", "<sip:moved@10.0.0.2>")]
    peer.ask("UPDATE", host.address, to_tag=tag, cseq=2, fields=moved, body=OTHER)
    net.run(0.1)
    respond(host, 488)
    net.run(0.1)
    peer.response(488)
    host.hangup(host.call())
    net.run(0.1)
    assert peer.request("BYE").uri_text == "sip:peer@10.0.0.2"


def test_the_2xx_is_repeated_until_its_ack(net: Simulation, host: Host, peer: Peer) -> None:
    """13.3.1.4; without an ACK for 64*T1 the call ends with BYE."""
    tag = standing(net, host, peer)
    peer.ask("INVITE", host.address, to_tag=tag, cseq=2, body=OTHER)
    net.run(0.1)
    respond(host, 200, ANSWER)
    net.run(2.0)
    assert peer.rest() == ["100 INVITE 2", "200 INVITE 2", "200 INVITE 2", "200 INVITE 2"]
    net.run(31)
    assert "BYE 1" in peer.rest()
    net.run(33)
    assert ended(host).cause is Cause.TIMEOUT


@pytest.mark.parametrize("ours, theirs", [("INVITE", "INVITE"), ("UPDATE", "UPDATE")])
def test_glare_is_refused_with_491(
    net: Simulation, host: Host, peer: Peer, ours: str, theirs: str
) -> None:
    """14.2, RFC 3311 section 5.2: an offer of ours awaits its answer."""
    tag = standing(net, host, peer)
    method = commands.ModifyMethod[ours]
    host.on_call(commands.Modify, host.call(), offer=OTHER, method=method)
    net.run(0.1)
    mine = peer.request(ours)
    branch = peer.ask(theirs, host.address, to_tag=tag, cseq=2, body=OTHER)
    net.run(0.1)
    peer.response(491)
    if theirs == "INVITE":
        peer.ask("ACK", host.address, to_tag=tag, cseq=2, branch=branch)
    peer.reply(mine, 200, tag="peer", body=ANSWER)
    net.run(0.1)
    assert snapshot(host).local_description == OTHER


def test_one_offer_of_theirs_at_a_time(net: Simulation, host: Host, peer: Peer) -> None:
    """14.2, RFC 3311 section 5.2: 500 with a Retry-After of 0 to 10 seconds."""
    tag = standing(net, host, peer)
    peer.ask("UPDATE", host.address, to_tag=tag, cseq=2, body=OTHER)
    net.run(0.1)
    peer.ask("UPDATE", host.address, to_tag=tag, cseq=3, body=OTHER)
    net.run(0.1)
    refused = peer.response(500)
    assert 0 <= int(refused.headers.get("Retry-After") or "-1") <= 10
    late = host.on_call(commands.Modify, host.call(), offer=SDP)
    assert host.failure(late).kind is FailureKind.WRONG_STATE
    respond(host, 200, ANSWER)
    net.run(0.1)
    assert peer.response(200).cseq.number == 2


def test_an_offer_before_the_first_is_answered(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 3311 section 5.2: 500 where ours is due, 491 where theirs is."""
    called(net, host, peer, fields=(("Supported", "100rel"),))
    host.on_call(commands.Progress, host.call())
    net.run(0.1)
    tag = peer.response(180).to.tag
    peer.ask("UPDATE", host.address, to_tag=tag, cseq=2, body=OTHER)
    net.run(0.1)
    peer.response(500)
    peer.ask("INVITE", host.address, to_tag=tag, cseq=3, body=OTHER)
    net.run(0.1)
    peer.response(500)
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 180, tag="a")
    net.run(0.1)
    peer.ask(
        "UPDATE",
        host.address,
        call_id=invite.call_id,
        tag="a",
        to_tag=invite.from_.tag,
        cseq=1,
        body=OTHER,
    )
    net.run(0.1)
    peer.response(491)


def test_an_update_in_an_early_dialog(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 3311 section 5.2, once offer and answer went reliably."""
    called(net, host, peer, fields=(("Supported", "100rel"),))
    name = host.call()
    host.on_call(commands.Progress, name, status=183, description=ANSWER, reliable=True)
    net.run(0.1)
    response = peer.response(183)
    tag = response.to.tag
    rack = ("RAck", f"{response.rseq} 1 INVITE")
    peer.ask("PRACK", host.address, to_tag=tag, cseq=2, fields=[rack])
    peer.ask("UPDATE", host.address, to_tag=tag, cseq=3, body=OTHER)
    net.run(0.1)
    peer.response(200)
    respond(host, 200, ANSWER)
    net.run(0.1)
    assert peer.response(200).cseq.method == "UPDATE"
    assert snapshot(host).state is CallState.EARLY
    host.answer(name, description=None)
    net.run(0.1)
    assert peer.response(200).body == b""
    peer.ask("ACK", host.address, to_tag=tag)
    net.run(0.1)
    assert snapshot(host).remote_description == OTHER


def test_a_reinvite_before_the_ack(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 5407 section 3.1.4: the answer is out, so the next offer can come."""
    called(net, host, peer)
    host.answer(host.call())
    net.run(0.1)
    tag = peer.response(200).to.tag
    peer.ask("INVITE", host.address, to_tag=tag, cseq=2, body=OTHER)
    net.run(0.1)
    respond(host, 200, SDP)
    net.run(0.1)
    assert peer.rest()[:2] == ["100 INVITE 2", "200 INVITE 2"]
    peer.ask("ACK", host.address, to_tag=tag, cseq=1)
    peer.ask("ACK", host.address, to_tag=tag, cseq=2)
    net.run(0.1)
    assert snapshot(host).remote_description == OTHER


def test_a_reinvite_before_the_ack_that_answers(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 5407 section 3.1.5: our offer in the 2xx is open."""
    called(net, host, peer, body=None)
    host.answer(host.call())
    net.run(0.1)
    tag = peer.response(200).to.tag
    branch = peer.ask("INVITE", host.address, to_tag=tag, cseq=2, body=OTHER)
    net.run(0.1)
    peer.response(491)
    peer.ask("ACK", host.address, to_tag=tag, cseq=2, branch=branch)
    peer.ask("ACK", host.address, to_tag=tag, cseq=1, body=SDP)
    net.run(0.1)
    assert snapshot(host).state is CallState.CONFIRMED


def test_a_reinvite_after_our_bye(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 5407 section 3.2.2."""
    tag = standing(net, host, peer)
    host.hangup(host.call())
    net.run(0.1)
    bye = peer.request("BYE")
    peer.ask("INVITE", host.address, to_tag=tag, cseq=2, body=OTHER)
    net.run(0.1)
    peer.response(481)
    peer.reply(bye, 200)


@pytest.mark.parametrize("body", [Body(content_type="text/plain", data=b"x")])
def test_a_body_that_is_not_understood(net: Simulation, host: Host, peer: Peer, body: Body) -> None:
    """8.2.3."""
    tag = standing(net, host, peer)
    peer.ask("INVITE", host.address, to_tag=tag, cseq=2, body=body)
    net.run(0.1)
    assert peer.response(415).headers.get("Accept") == "application/sdp"


def audio(direction: str, version: int = 1, port: int = 4000) -> Body:
    text = (
        f"v=0\r\no=- 1 {version} IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0\r\na={direction}\r\n"
    )
    return Body(content_type="application/sdp", data=text.encode())


@pytest.mark.parametrize(
    "offers, offer, answers",
    [
        (Offers.REFUSE, audio("sendonly"), ("488", None)),
        (Offers.ACCEPT, audio("sendonly"), ("200", "recvonly")),
        (Offers.ACCEPT, audio("inactive"), ("200", "inactive")),
        (Offers.ACCEPT_UNCHANGED, audio("sendonly"), ("asked", None)),
        (Offers.ACCEPT_UNCHANGED, audio("sendrecv"), ("200", "sendrecv")),
        (Offers.ASK, audio("sendrecv"), ("asked", None)),
        (Offers.ACCEPT, OTHER, ("200", "")),
        (Offers.ACCEPT, Body(content_type="application/sdp", data=b"no sdp"), ("asked", None)),
    ],
)
def test_policies(
    net: Simulation,
    host: Host,
    peer: Peer,
    offers: Offers,
    offer: Body,
    answers: tuple[str, str | None],
) -> None:
    """What the call's policy covers the stack answers itself; RFC 3264 section 6.1."""
    called(net, host, peer, body=audio("sendrecv"))
    tag = accept(net, host, peer, description=audio("sendrecv"), policy=Policy(offers=offers))
    peer.ask("UPDATE", host.address, to_tag=tag, cseq=2, body=offer)
    net.run(0.1)
    what, direction = answers
    assert len(host.of(events.IncomingRequest)) == (what == "asked")
    if what == "asked":
        return
    response = peer.take()
    assert isinstance(response, Response)
    assert str(response.status) == what
    if direction:
        assert f"a={direction}\r\n".encode() in response.body


def test_a_held_call_accepts_no_media(net: Simulation, host: Host, peer: Peer) -> None:
    """While we hold, an answer of the stack goes on holding."""
    called(net, host, peer, body=audio("sendrecv"))
    policy = Policy(offers=Offers.ACCEPT)
    tag = accept(net, host, peer, description=audio("sendrecv"), policy=policy)
    host.on_call(commands.Hold, host.call())
    net.run(0.1)
    peer.reply(peer.request("INVITE"), 200, tag="peer", body=audio("recvonly"))
    net.run(0.1)
    peer.request("ACK")
    peer.ask("UPDATE", host.address, to_tag=tag, cseq=2, body=audio("sendrecv", 2))
    net.run(0.1)
    assert b"a=sendonly\r\n" in peer.response(200).body


def test_a_session_that_was_cancelled_too_late(net: Simulation, host: Host, peer: Peer) -> None:
    """9.2: the CANCEL after our 200 changes nothing."""
    invite = connect(net, host, peer)
    peer.ask(
        "INVITE", host.address, call_id=invite.call_id, tag="a", to_tag=invite.from_.tag, body=OTHER
    )
    net.run(0.1)
    peer.response(100)
    respond(host, 200, ANSWER)
    net.run(0.1)
    peer.response(200)
    peer.ask(
        "CANCEL",
        host.address,
        call_id=invite.call_id,
        tag="a",
        to_tag=invite.from_.tag,
        branch=f"z9hG4bKpeer{peer._branch}",
    )
    net.run(0.1)
    peer.response(200)
    peer.ask("ACK", host.address, call_id=invite.call_id, tag="a", to_tag=invite.from_.tag)
    net.run(0.1)
    assert snapshot(host).remote_description == OTHER
