"""Requests of ours inside a call: RFC 3261 section 12.2.1."""

from __future__ import annotations

import pytest

from picosip_server.sip.message import Response
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import (
    Body,
    Credentials,
    ForkedAnswers,
    NextHop,
    Options,
    Policy,
)
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import CallState, Cause, Termination
from tests.engine.memory import ANSWER, Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import PEER, accept, called, connect, ended, snapshot

HELLO = Body(content_type="text/plain", data=b"hello")


def transact(host: Host, method: str, **fields: object) -> object:
    return host.on_call(commands.TransactInside, host.call(), method=method, **fields)


def response(host: Host, token: object) -> Response:
    value = host.results[token]
    assert isinstance(value, Response), value
    return value


@pytest.mark.parametrize("status", [200, 202, 302, 403, 501, 603])
def test_any_final_response_is_the_outcome(
    net: Simulation, host: Host, peer: Peer, status: int
) -> None:
    """12.2.1.1: target, tags and CSeq are the dialog's; a MESSAGE has no Contact (RFC 3428)."""
    invite = connect(net, host, peer)
    options = Options(headers=(("X-One", "1"), ("X-Two", "2")))
    token = transact(host, "MESSAGE", body=HELLO, options=options)
    net.run(0.1)
    message = peer.request("MESSAGE")
    assert message.uri_text == "sip:a@10.0.0.2"
    assert (message.call_id, message.cseq.number) == (invite.call_id, invite.cseq.number + 1)
    assert (message.from_.tag, message.to.tag) == (invite.from_.tag, "a")
    assert (message.headers.get("Content-Type"), message.body) == ("text/plain", b"hello")
    assert [field for field in message.headers if field[0].startswith("X-")] == [
        ("X-One", "1"),
        ("X-Two", "2"),
    ]
    assert not message.headers.has("Contact")
    peer.reply(message, 100)
    net.run(0.1)
    assert token not in host.results
    peer.reply(message, status, fields=[("X-Said", "so")])
    net.run(0.1)
    assert (response(host, token).status, response(host, token).headers.get("X-Said")) == (
        status,
        "so",
    )
    assert snapshot(host).state is CallState.CONFIRMED


def test_the_route_set_and_the_next_cseq(net: Simulation, host: Host, peer: Peer) -> None:
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    route = "<sip:10.0.0.2;lr>"
    peer.reply(invite, 200, tag="a", body=ANSWER, fields=[("Record-Route", route)])
    net.run(0.1)
    peer.request("ACK")
    for number in (2, 3):
        transact(host, "OPTIONS")
        net.run(0.1)
        request = peer.request("OPTIONS")
        assert (request.headers.get_all("Route"), request.cseq.number) == ([route], number)
        # RFC 3261 section 11.1.
        assert request.headers.get("Contact") == "<sip:caller@10.0.0.1:5060>"
        peer.reply(request, 200)
        net.run(0.1)


def test_a_contact_of_the_application_stays_alone(net: Simulation, host: Host, peer: Peer) -> None:
    connect(net, host, peer)
    transact(host, "SUBSCRIBE", options=Options(headers=(("Contact", "<sip:x@y>"),)))
    net.run(0.1)
    request = peer.request("SUBSCRIBE")
    assert request.headers.get_all("Contact") == ["<sip:x@y>"]
    peer.reply(request, 489)
    net.run(0.1)


def test_a_callee_sends_too(net: Simulation, host: Host, peer: Peer) -> None:
    """12.1.1: its target is the caller's Contact; before its first response there is no dialog."""
    called(net, host, peer)
    early = transact(host, "INFO")
    assert host.failure(early).kind is FailureKind.WRONG_STATE
    assert host.failure(early).state == "INCOMING"
    host.on_call(commands.Progress, host.call())
    net.run(0.1)
    tag = peer.response(180).to.tag
    token = transact(host, "REFER")
    net.run(0.1)
    request = peer.request("REFER")
    assert request.uri_text == "sip:peer@10.0.0.2"
    assert (request.from_.tag, request.to.tag) == (tag, "peer")
    assert request.headers.get("Contact") == "<sip:callee@10.0.0.1:5060>"
    peer.reply(request, 405)
    net.run(0.1)
    assert response(host, token).status == 405
    accept(net, host, peer)


def test_credentials_of_the_call_and_of_the_request(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """22.2: a challenge is answered with those given, else with the call's."""
    mine = Credentials(username="alice", password="wonder")
    connect(net, host, peer, credentials=(mine,))
    for given, user in (((), "alice"), ((Credentials(username="bob", password="b"),), "bob")):
        token = transact(host, "INFO", credentials=given)
        net.run(0.1)
        challenge = [("WWW-Authenticate", 'Digest realm="r", nonce="n", algorithm=MD5')]
        peer.reply(peer.request("INFO"), 401, fields=challenge)
        net.run(0.1)
        again = peer.request("INFO")
        assert f'username="{user}"' in (again.headers.get("Authorization") or "")
        peer.reply(again, 200)
        net.run(0.1)
        assert response(host, token).status == 200


def test_a_next_hop_of_its_own(net: Simulation, host: Host, peer: Peer) -> None:
    connect(net, host, peer)
    other = Peer(net, "10.0.0.3")
    token = transact(host, "INFO", options=Options(next_hop=NextHop(host="10.0.0.3")))
    net.run(0.1)
    request = other.request("INFO")
    assert request.uri_text == "sip:a@10.0.0.2"
    other.reply(request, 200)
    net.run(0.1)
    assert response(host, token).status == 200


@pytest.mark.parametrize(("status", "cause"), [(481, Cause.REMOTE_HANGUP), (408, Cause.TIMEOUT)])
def test_a_response_that_says_that_the_dialog_is_gone_ends_the_call(
    net: Simulation, host: Host, peer: Peer, status: int, cause: Cause
) -> None:
    """12.2.1.2: with BYE; the request fails as it did."""
    connect(net, host, peer)
    token = transact(host, "INFO")
    net.run(0.1)
    peer.reply(peer.request("INFO"), status)
    net.run(0.1)
    assert response(host, token).status == status
    bye = peer.request("BYE")
    assert bye.headers.get("Reason") == f"SIP;cause={status}"
    peer.reply(bye, 481)
    net.run(0.1)
    assert ended(host) == Termination(cause=cause)
    assert peer.rest() == []


def test_no_response_at_all_ends_the_call(net: Simulation, host: Host, peer: Peer) -> None:
    """12.2.1.2, timer F."""
    connect(net, host, peer)
    token = transact(host, "MESSAGE", body=HELLO)
    net.run(32.1)
    assert host.failure(token).kind is FailureKind.TIMEOUT
    assert peer.lines()[-1] == "BYE 3"
    net.run(40)
    assert ended(host).cause is Cause.TIMEOUT


def test_what_cannot_be_sent_ends_nothing(net: Simulation, host: Host, peer: Peer) -> None:
    connect(net, host, peer)
    host.unreachable.add("10.0.0.2")
    token = transact(host, "MESSAGE", body=HELLO)
    assert host.failure(token).kind is FailureKind.TRANSPORT
    assert snapshot(host).state is CallState.CONFIRMED
    host.unreachable.clear()


def test_an_early_dialog_is_the_invites_to_end(net: Simulation, host: Host, peer: Peer) -> None:
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    early = transact(host, "INFO")
    assert host.failure(early).kind is FailureKind.WRONG_STATE
    peer.reply(invite, 180, tag="a")
    net.run(0.1)
    token = transact(host, "INFO")
    net.run(0.1)
    peer.reply(peer.request("INFO"), 481)
    net.run(0.1)
    assert response(host, token).status == 481
    assert peer.rest() == []
    assert snapshot(host).state is CallState.EARLY
    peer.reply(invite, 486, tag="a")


def test_only_the_lost_dialog_of_several_is_ended(net: Simulation, host: Host, peer: Peer) -> None:
    """13.2.2.4, 12.2.1.2."""
    invite = connect(net, host, peer, policy=Policy(forked_answers=ForkedAnswers.KEEP_ALL))
    peer.reply(invite, 200, tag="b", body=ANSWER)
    net.run(0.1)
    peer.request("ACK")
    transact(host, "INFO")
    net.run(0.1)
    lost = peer.request("INFO")
    assert lost.to.tag == "a"
    peer.reply(lost, 481)
    net.run(0.1)
    bye = peer.request("BYE")
    assert bye.to.tag == "a"
    peer.reply(bye, 200)
    net.run(0.1)
    assert [each.remote_tag for each in snapshot(host).dialogs] == ["b"]


def test_the_end_of_the_call_ends_the_wait(net: Simulation, host: Host, peer: Peer) -> None:
    """A late response then says nothing to anybody."""
    invite = connect(net, host, peer)
    token = transact(host, "FROBNICATE")
    net.run(0.1)
    request = peer.request("FROBNICATE")
    peer.within(invite, "BYE")
    net.run(0.1)
    failure = host.failure(token)
    assert (failure.kind, failure.state) == (FailureKind.ENDED, "TERMINATED")
    peer.reply(request, 200)
    net.run(0.1)
    assert host.failure(token) is failure
    assert host.failure(transact(host, "INFO")).kind is FailureKind.NOT_FOUND


def test_messages_of_one_call_do_not_overlap(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 3428 section 8; another method does not wait."""
    connect(net, host, peer)
    tokens = [transact(host, "MESSAGE", body=HELLO) for _ in range(3)]
    info = transact(host, "INFO")
    net.run(0.1)
    first = peer.request("MESSAGE")
    peer.reply(peer.request("INFO"), 200)
    net.run(0.1)
    assert response(host, info).status == 200
    assert peer.rest() == []
    peer.reply(first, 200)
    net.run(0.1)
    second = peer.request("MESSAGE")
    assert response(host, tokens[0]).status == 200
    peer.reply(second, 403)
    net.run(0.1)
    assert response(host, tokens[1]).status == 403
    third = peer.request("MESSAGE")
    host.hangup(host.call())
    net.run(0.1)
    peer.reply(third, 200)
    peer.reply(peer.request("BYE"), 200)
    net.run(0.1)
    assert response(host, tokens[2]).status == 200


def test_messages_that_wait_when_the_call_ends(net: Simulation, host: Host, peer: Peer) -> None:
    connect(net, host, peer)
    tokens = [transact(host, "MESSAGE", body=HELLO) for _ in range(3)]
    net.run(0.1)
    message = peer.request("MESSAGE")
    host.hangup(host.call())
    net.run(0.1)
    # Not sent any more while the BYE is out.
    peer.reply(message, 200)
    net.run(0.1)
    assert response(host, tokens[0]).status == 200
    assert host.failure(tokens[1]).kind is FailureKind.WRONG_STATE
    assert host.failure(tokens[2]).kind is FailureKind.WRONG_STATE
    peer.reply(peer.request("BYE"), 200)
    net.run(0.1)
    assert ended(host).cause is Cause.LOCAL_HANGUP


def test_messages_that_wait_when_the_far_end_hangs_up(
    net: Simulation, host: Host, peer: Peer
) -> None:
    invite = connect(net, host, peer)
    tokens = [transact(host, "MESSAGE", body=HELLO) for _ in range(2)]
    net.run(0.1)
    peer.request("MESSAGE")
    peer.within(invite, "BYE")
    net.run(0.1)
    assert [host.failure(token).kind for token in tokens] == [FailureKind.ENDED] * 2
    assert peer.rest() == ["200 BYE 1"]
