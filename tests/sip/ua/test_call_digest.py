"""Calls that are challenged: RFC 3261 section 22, RFC 7616."""

from __future__ import annotations

from picosip_server.sip.message import Request
from picosip_server.sip.ua.commands import Credentials, WaitFor
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import CallState, Cause
from tests.engine.memory import ANSWER, Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import PEER, RELIABLE, ended, result, snapshot

BOB = (Credentials(username="bob", password="zanzibar"),)
WWW = ("WWW-Authenticate", 'Digest realm="r", nonce="one", qop="auth", algorithm=SHA-256')
PROXY = ("Proxy-Authenticate", 'Digest realm="p", nonce="two", qop="auth", algorithm=MD5')


def challenged(
    net: Simulation, host: Host, peer: Peer, *challenges: tuple[int, tuple[str, str]]
) -> Request:
    """Each INVITE is challenged in turn; gives the one that is not, and its Invite's token."""
    invite = peer.request("INVITE")
    for status, challenge in challenges:
        peer.reply(invite, status, tag="x", fields=[challenge], contact=False)
        net.run(0.1)
        peer.request("ACK")
        again = peer.request("INVITE")
        # 22.2: a new transaction of the same call, CSeq one higher.
        assert again.cseq.number == invite.cseq.number + 1
        assert again.call_id == invite.call_id
        assert again.from_.tag == invite.from_.tag
        assert again.via.branch != invite.via.branch
        assert not again.to.tag
        invite = again
    return invite


def test_credentials_answer_401_and_407(net: Simulation, host: Host, peer: Peer) -> None:
    """22.2, 22.3; 13.2.2.4: the ACK carries the credentials of the INVITE."""
    token = host.invite(PEER, credentials=BOB, wait_for=WaitFor.FINAL)
    net.run(0.1)
    invite = challenged(net, host, peer, (407, PROXY), (401, WWW))
    assert 'username="bob"' in (invite.headers.get("Authorization") or "")
    assert 'realm="p"' in (invite.headers.get("Proxy-Authorization") or "")
    peer.reply(invite, 200, tag="a", body=ANSWER)
    net.run(0.1)
    ack = peer.request("ACK")
    assert ack.cseq.number == 3
    for name in ("Authorization", "Proxy-Authorization"):
        assert ack.headers.get_all(name) == invite.headers.get_all(name)
    assert result(host, token).state is CallState.CONFIRMED
    assert host.kinds() == ["CallCreated", "CallAnswered", "CallConfirmed"]


def test_a_bye_is_challenged(net: Simulation, host: Host, peer: Peer) -> None:
    """22.2: also where the INVITE was not."""
    host.invite(PEER, credentials=BOB)
    net.run(0.1)
    peer.reply(peer.request("INVITE"), 200, tag="a", body=ANSWER)
    net.run(0.1)
    peer.request("ACK")
    token = host.hangup(host.call())
    net.run(0.1)
    bye = peer.request("BYE")
    assert not bye.headers.has("Authorization")
    peer.reply(bye, 401, fields=[WWW])
    net.run(0.1)
    again = peer.request("BYE")
    assert (again.cseq.number, again.uri_text) == (bye.cseq.number + 1, bye.uri_text)
    assert 'uri="sip:a@10.0.0.2"' in (again.headers.get("Authorization") or "")
    peer.reply(again, 200)
    net.run(0.1)
    assert result(host, token).state is CallState.TERMINATED


def test_without_credentials_the_challenge_is_the_answer(
    net: Simulation, host: Host, peer: Peer
) -> None:
    token = host.invite(PEER, wait_for=WaitFor.FINAL)
    net.run(0.1)
    peer.reply(peer.request("INVITE"), 401, tag="x", fields=[WWW])
    net.run(0.1)
    assert peer.rest() == ["ACK 1"]
    assert (host.failure(token).kind, host.failure(token).status) == (FailureKind.REFUSED, 401)
    assert (ended(host).cause, ended(host).status) == (Cause.REJECTED, 401)


def test_wrong_credentials_are_tried_once(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 7616 section 3.3: no stale nonce, so the same secret would fail again."""
    token = host.invite(PEER, credentials=BOB, wait_for=WaitFor.FINAL)
    net.run(0.1)
    invite = challenged(net, host, peer, (401, WWW))
    fresh = ("WWW-Authenticate", WWW[1].replace("one", "three"))
    peer.reply(invite, 401, tag="x", fields=[fresh])
    net.run(0.1)
    assert peer.rest() == ["ACK 2"]
    assert host.failure(token).status == 401


def test_an_early_dialog_from_before_the_challenge(net: Simulation, host: Host, peer: Peer) -> None:
    """12.2.1.1: what answers the second INVITE has that one's CSeq, also under an old tag."""
    host.invite(PEER, credentials=BOB)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 180, tag="a")
    net.run(0.1)
    peer.reply(invite, 401, tag="a", fields=[WWW])
    net.run(0.1)
    peer.request("ACK")
    again = peer.request("INVITE")
    peer.reply(again, 183, tag="a", fields=RELIABLE)
    peer.reply(again, 200, tag="a", body=ANSWER)
    net.run(0.1)
    assert peer.rest() == ["PRACK 3", "ACK 2"]
    assert len(snapshot(host).dialogs) == 1
    host.hangup(host.call())
    net.run(0.1)
    assert peer.request("BYE").cseq.number == 4
