"""This side changes the session: RFC 3261 section 14.1, RFC 3311 section 5.1."""

from __future__ import annotations

import pytest

from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Body, ModifyMethod
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import CallState, Cause, OfferAnswerState
from tests.engine.memory import ANSWER, SDP, Host, Simulation
from tests.sip.capabilities import ALLOW, WITHOUT_100REL
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import OTHER, PEER, accept, called, connect, ended, result, snapshot

NEW = Body(content_type="application/sdp", data=b"v=0\r\no=- 2 9 IN IP4 192.0.2.8\r\ns=-\r\n")


def modify(host: Host, **fields: object) -> object:
    return host.on_call(commands.Modify, host.call(), **fields)


def asked(net: Simulation, host: Host, peer: Peer, expected: str, **fields: object) -> Request:
    """Modify of the only call, as it came to the peer."""
    modify(host, **fields)
    net.run(0.1)
    return peer.request(expected)


def test_a_reinvite_changes_the_session(net: Simulation, host: Host, peer: Peer) -> None:
    """14.1: a new offer in the dialog, its answer in the 2xx, an ACK of its own."""
    invite = connect(net, host, peer)
    token = modify(host, offer=OTHER)
    net.run(0.1)
    again = peer.request("INVITE")
    assert again.uri_text == "sip:a@10.0.0.2"
    assert (again.to.tag, again.from_.tag) == ("a", invite.from_.tag)
    assert again.cseq.number == invite.cseq.number + 1
    assert again.body == OTHER.data
    assert again.headers.get("Contact") == "<sip:caller@10.0.0.1:5060>"
    assert again.headers.get("Allow") == ALLOW
    assert again.headers.get("Supported") == WITHOUT_100REL
    assert token not in host.results
    assert snapshot(host).offer_answer_state is OfferAnswerState.LOCAL_OFFER
    peer.reply(again, 200, tag="a", body=NEW)
    net.run(0.1)
    ack = peer.request("ACK")
    assert (ack.cseq.number, ack.body) == (again.cseq.number, b"")
    call = result(host, token)
    assert (call.local_description, call.remote_description) == (OTHER, NEW)
    (modified,) = host.of(events.CallModified)
    assert (modified.local_description, modified.remote_description) == (OTHER, NEW)


def test_the_2xx_is_acknowledged_each_time(net: Simulation, host: Host, peer: Peer) -> None:
    """13.2.2.4."""
    connect(net, host, peer)
    again = asked(net, host, peer, "INVITE", offer=OTHER)
    for _ in range(3):
        peer.reply(again, 200, tag="a", body=NEW)
        net.run(0.1)
    assert peer.rest() == ["ACK 2", "ACK 2", "ACK 2"]
    assert len(host.of(events.CallModified)) == 1


def test_a_refused_offer_changes_nothing(net: Simulation, host: Host, peer: Peer) -> None:
    """14.1: the session parameters remain unchanged."""
    connect(net, host, peer)
    token = modify(host, offer=OTHER)
    net.run(0.1)
    peer.reply(peer.request("INVITE"), 488)
    net.run(0.1)
    failure = host.failure(token)
    assert (failure.kind, failure.status) == (FailureKind.REFUSED, 488)
    call = snapshot(host)
    assert (call.state, call.local_description) == (CallState.CONFIRMED, SDP)
    assert call.offer_answer_state is OfferAnswerState.STABLE
    assert host.of(events.CallModified) == []


def test_the_target_is_refreshed(net: Simulation, host: Host, peer: Peer) -> None:
    """12.2.1.2: the Contact of the 2xx is where the next request goes."""
    connect(net, host, peer)
    again = asked(net, host, peer, "INVITE", offer=OTHER)
    moved = [("Contact", "<sip:moved@10.0.0.2>")]
    peer.reply(again, 200, tag="a", contact=False, fields=moved, body=NEW)
    net.run(0.1)
    peer.request("ACK")
    host.hangup(host.call())
    net.run(0.1)
    assert peer.request("BYE").uri_text == "sip:moved@10.0.0.2"


def test_update_by_name(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 3311 section 5.1."""
    connect(net, host, peer)
    token = modify(host, offer=OTHER, method=ModifyMethod.UPDATE)
    net.run(0.1)
    update = peer.request("UPDATE")
    assert update.body == OTHER.data
    peer.reply(update, 200, tag="a", body=NEW)
    net.run(0.1)
    assert peer.rest() == []
    assert result(host, token).remote_description == NEW


@pytest.mark.parametrize("early", ["caller", "callee"])
def test_update_in_an_early_dialog(net: Simulation, host: Host, peer: Peer, early: str) -> None:
    """RFC 3311 section 5.1: once the first offer has its answer in a reliable provisional."""
    reliable = [("Require", "100rel"), ("RSeq", "1")]
    if early == "caller":
        host.invite(PEER)
        net.run(0.1)
        invite = peer.request("INVITE")
        assert host.failure(modify(host, offer=OTHER)).kind is FailureKind.WRONG_STATE
        peer.reply(invite, 183, tag="a", fields=reliable, body=ANSWER)
        net.run(0.1)
        peer.reply(peer.request("PRACK"), 200)
    else:
        called(net, host, peer, fields=(("Supported", "100rel"),))
        host.on_call(commands.Progress, host.call(), status=183, description=ANSWER, reliable=True)
        net.run(0.1)
        response = peer.response(183)
        assert host.failure(modify(host, offer=OTHER)).kind is FailureKind.WRONG_STATE
        rack = ("RAck", f"{response.rseq} 1 INVITE")
        peer.ask("PRACK", host.address, to_tag=response.to.tag, cseq=2, fields=[rack])
        net.run(0.1)
        peer.response(200)
    net.run(0.1)
    token = modify(host, offer=OTHER)
    net.run(0.1)
    update = peer.request("UPDATE")
    peer.reply(update, 200, tag="a", body=NEW)
    net.run(0.1)
    assert result(host, token).local_description == OTHER
    assert snapshot(host).state is CallState.EARLY


def test_a_refresh_without_offer(net: Simulation, host: Host, peer: Peer) -> None:
    """By UPDATE where the far end takes it, else by a re-INVITE with the session as it is."""
    invite = connect(net, host, peer)
    again = asked(net, host, peer, "INVITE")
    assert again.body == SDP.data
    allow = [("Allow", "INVITE, ACK, BYE, UPDATE")]
    peer.reply(again, 200, tag="a", fields=allow, body=ANSWER)
    net.run(0.1)
    peer.request("ACK")
    update = asked(net, host, peer, "UPDATE")
    assert (update.body, update.to.tag, update.call_id) == (b"", "a", invite.call_id)
    peer.reply(update, 200, tag="a")
    net.run(0.1)
    assert host.of(events.CallModified) == []


def test_a_reinvite_without_offer_invites_one(net: Simulation, host: Host, peer: Peer) -> None:
    """14.1, 13.2.1: the 2xx makes the offer, the application answers it, in the ACK."""
    connect(net, host, peer)
    token = modify(host, method=ModifyMethod.INVITE)
    net.run(0.1)
    again = peer.request("INVITE")
    assert again.body == b""
    peer.reply(again, 200, tag="a", body=NEW)
    net.run(0.1)
    assert peer.rest() == []
    assert result(host, token).offer_answer_state is OfferAnswerState.REMOTE_OFFER
    (offer,) = host.of(events.CallModified)
    assert (offer.local_description, offer.remote_description) == (None, NEW)
    empty = host.on_call(commands.Answer, host.call())
    assert host.failure(empty).field == "description"
    host.answer(host.call(), description=OTHER)
    net.run(0.1)
    assert peer.request("ACK").body == OTHER.data
    assert host.of(events.CallModified)[1].local_description == OTHER
    assert snapshot(host).offer_answer_state is OfferAnswerState.STABLE


def test_an_invited_offer_that_nobody_answers(net: Simulation, host: Host, peer: Peer) -> None:
    """The session goes on as this side described it before."""
    connect(net, host, peer)
    again = asked(net, host, peer, "INVITE", method=ModifyMethod.INVITE)
    peer.reply(again, 200, tag="a", body=NEW)
    net.run(host.core.context.offer_timeout + 0.1)
    assert peer.request("ACK").body == SDP.data
    assert snapshot(host).state is CallState.CONFIRMED


@pytest.mark.parametrize("role, soonest, latest", [("caller", 2.1, 4.0), ("callee", 0.0, 2.0)])
def test_glare(
    net: Simulation, host: Host, peer: Peer, role: str, soonest: float, latest: float
) -> None:
    """14.1: who owns the Call-ID waits longer, then tries again."""
    if role == "caller":
        connect(net, host, peer)
    else:
        called(net, host, peer)
        accept(net, host, peer)
    token = modify(host, offer=OTHER)
    net.run(0.05)
    first = peer.request("INVITE")
    peer.reply(first, 491)
    net.run(5.0)
    peer.request("ACK")
    second = peer.request("INVITE")
    assert second.cseq.number == first.cseq.number + 1
    times = [at for at, message, _ in peer.received if message in (first, second)]
    assert soonest <= times[1] - times[0] - 0.02 <= latest + 0.01
    peer.reply(second, 200, tag="a", body=NEW)
    net.run(0.1)
    assert result(host, token).local_description == OTHER


def test_retry_after_a_500(net: Simulation, host: Host, peer: Peer) -> None:
    """14.2: the far end was in the midst of another change."""
    connect(net, host, peer)
    token = modify(host, offer=OTHER, method=ModifyMethod.UPDATE)
    net.run(0.1)
    peer.reply(peer.request("UPDATE"), 500, fields=[("Retry-After", "7")])
    net.run(6.8)
    assert peer.rest() == []
    net.run(0.3)
    peer.reply(peer.request("UPDATE"), 200, tag="a", body=NEW)
    net.run(0.1)
    assert result(host, token).local_description == OTHER


def test_glare_without_end(net: Simulation, host: Host, peer: Peer) -> None:
    connect(net, host, peer)
    peer.on_request = lambda request: (
        peer.reply(request, 491) if request.method == "INVITE" else None
    )
    token = modify(host, offer=OTHER)
    net.run(60)
    assert host.failure(token).status == 491
    assert peer.lines().count("INVITE 9") == 1


@pytest.mark.parametrize("status, cause", [(481, Cause.REMOTE_HANGUP), (408, Cause.TIMEOUT)])
def test_a_dialog_that_is_gone(
    net: Simulation, host: Host, peer: Peer, status: int, cause: Cause
) -> None:
    """12.2.1.2: BYE, and the call is over."""
    connect(net, host, peer)
    token = modify(host, offer=OTHER, method=ModifyMethod.UPDATE)
    net.run(0.1)
    peer.reply(peer.request("UPDATE"), status)
    net.run(0.1)
    assert host.failure(token).status == status
    peer.reply(peer.request("BYE"), 481)
    net.run(0.1)
    assert ended(host).cause is cause


def test_no_answer_at_all(net: Simulation, host: Host, peer: Peer) -> None:
    """12.2.1.2: a timeout is a 408."""
    connect(net, host, peer)
    token = modify(host, offer=OTHER)
    net.run(33)
    assert host.failure(token).kind is FailureKind.TIMEOUT
    net.run(33)
    assert ended(host).cause is Cause.TIMEOUT
    assert "BYE 3" in peer.lines()


def test_a_2xx_without_an_answer(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 3264 section 5 wants one: the session stays as it was."""
    connect(net, host, peer)
    token = modify(host, offer=OTHER)
    net.run(0.1)
    peer.reply(peer.request("INVITE"), 200, tag="a")
    net.run(0.1)
    peer.request("ACK")
    assert "no answer" in host.failure(token).detail
    assert snapshot(host).local_description == SDP


def test_one_change_at_a_time(net: Simulation, host: Host, peer: Peer) -> None:
    """14.1: no INVITE while another is in progress."""
    connect(net, host, peer)
    asked(net, host, peer, "INVITE", offer=OTHER)
    second = modify(host, offer=OTHER)
    assert "another change" in host.failure(second).detail


def test_the_call_ends_in_the_midst(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 5407 section 3.2.3: a 2xx that crosses the BYE is acknowledged."""
    connect(net, host, peer)
    token = modify(host, offer=OTHER)
    net.run(0.1)
    again = peer.request("INVITE")
    host.hangup(host.call())
    net.run(0.1)
    bye = peer.request("BYE")
    peer.reply(again, 200, tag="a", body=NEW)
    net.run(0.1)
    peer.request("ACK")
    peer.reply(bye, 200)
    net.run(0.1)
    assert host.failure(token).kind is FailureKind.ENDED
    assert host.of(events.CallModified) == []


def test_a_contact_of_the_applications_own(net: Simulation, host: Host, peer: Peer) -> None:
    """12.2.1.1: a target refresh request may name another target."""
    connect(net, host, peer)
    options = commands.Options(headers=(("Contact", "<sip:new@10.0.0.1>"),))
    again = asked(net, host, peer, "INVITE", offer=OTHER, options=options)
    assert again.headers.get_all("Contact") == ["<sip:new@10.0.0.1>"]


def test_a_call_that_cannot_be_changed(net: Simulation, host: Host, peer: Peer) -> None:
    host.invite(PEER)
    net.run(0.1)
    assert host.failure(modify(host, offer=OTHER)).kind is FailureKind.WRONG_STATE
    peer.reply(peer.request("INVITE"), 180, tag="a")
    net.run(0.1)
    by_invite = modify(host, offer=OTHER, method=ModifyMethod.INVITE)
    assert host.failure(by_invite).kind is FailureKind.WRONG_STATE
