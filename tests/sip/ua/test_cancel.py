"""CANCEL, sent and received: RFC 3261 section 9."""

from __future__ import annotations

import pytest

from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Options, Policy, WaitFor
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import CallState, Cause, Termination
from tests.engine.memory import ANSWER, SDP, Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import PEER, called, ended, result, snapshot

CANCELLED = Termination(cause=Cause.CANCELLED, status=487, reason="Request Terminated")


def ringing(net: Simulation, host: Host, peer: Peer, **fields: object) -> Request:
    host.invite(PEER, **fields)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 180, tag="a")
    net.run(0.1)
    return invite


def test_hangup_while_it_rings(net: Simulation, host: Host, peer: Peer) -> None:
    """9.1: the CANCEL copies what names the INVITE, its Via alone."""
    token = host.invite(PEER, wait_for=WaitFor.FINAL)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 180, tag="a")
    net.run(0.1)
    hangup = host.hangup(host.call(), options=Options(headers=(("Reason", "SIP;cause=200"),)))
    net.run(0.1)
    cancel = peer.request("CANCEL")
    assert cancel.uri_text == invite.uri_text
    assert cancel.headers.get_all("Via") == invite.headers.get_all("Via")
    for name in ("From", "To", "Call-ID"):
        assert cancel.headers.get(name) == invite.headers.get(name)
    assert (cancel.cseq.number, cancel.cseq.method) == (invite.cseq.number, "CANCEL")
    assert cancel.headers.get("Reason") == "SIP;cause=200"
    assert snapshot(host).state is CallState.TERMINATING
    peer.reply(cancel, 200)
    peer.reply(invite, 487, tag="a")
    net.run(0.1)
    assert peer.rest() == ["ACK 1"]
    assert result(host, hangup).termination == CANCELLED
    failure = host.failure(token)
    assert (failure.kind, failure.status) == (FailureKind.ENDED, 487)
    assert host.kinds() == ["CallCreated", "CallProgressed", "CallEnded"]


def test_the_cancel_waits_for_a_provisional_response(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """9.1."""
    host.invite(PEER)
    net.run(0.1)
    host.hangup(host.call())
    host.hangup(host.call())
    net.run(0.1)
    invite = peer.request("INVITE")
    assert peer.rest() == []
    peer.reply(invite, 100)
    peer.reply(invite, 180, tag="a")
    net.run(0.1)
    peer.reply(peer.request("CANCEL"), 200)
    peer.reply(invite, 487, tag="a")
    net.run(0.1)
    assert peer.rest() == ["ACK 1"]
    # What came in between is nobody's concern any more.
    assert host.kinds() == ["CallCreated", "CallEnded"]


def test_hangup_of_a_call_that_nobody_heard(net: Simulation, host: Host, peer: Peer) -> None:
    """17.1.1.2: timer B ends it, no CANCEL was ever possible."""
    host.invite(PEER)
    token = host.hangup(host.call())
    net.run()
    assert set(peer.lines()) == {"INVITE 1"}
    assert result(host, token).termination == Termination(cause=Cause.CANCELLED)


def test_hangup_before_the_target_is_found(net: Simulation, host: Host, peer: Peer) -> None:
    """Nothing was sent yet, and nothing will be."""
    host.names["callee.example"] = (1.0, ("10.0.0.2",))
    host.invite("sip:callee@callee.example")
    token = host.hangup(host.call())
    net.run(2.0)
    assert peer.lines() == []
    assert result(host, token).termination == Termination(cause=Cause.CANCELLED)


def test_hangup_returns_after_the_200_where_the_487_does_not_come(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """9.1: the INVITE is given up 64*T1 after the CANCEL."""
    ringing(net, host, peer)
    token = host.hangup(host.call())
    net.run(0.1)
    peer.reply(peer.request("CANCEL"), 200)
    net.run(1.0)
    assert result(host, token).state is CallState.TERMINATING
    assert host.of(events.CallEnded) == []
    net.run(32.0)
    assert ended(host) == Termination(cause=Cause.CANCELLED)


def test_a_cancel_that_nobody_answers(net: Simulation, host: Host, peer: Peer) -> None:
    """17.1.2.2, 9.1."""
    ringing(net, host, peer)
    token = host.hangup(host.call())
    net.run()
    assert set(peer.rest()) == {"CANCEL 1"}
    assert result(host, token).state is CallState.TERMINATED
    assert ended(host) == Termination(cause=Cause.CANCELLED)


def test_a_cancel_that_cannot_be_sent(net: Simulation, host: Host, peer: Peer) -> None:
    """9.1: the INVITE is given up all the same."""
    ringing(net, host, peer)
    host.unreachable.add("10.0.0.2")
    token = host.hangup(host.call())
    net.run()
    assert result(host, token).state is CallState.TERMINATING
    assert ended(host) == Termination(cause=Cause.CANCELLED)


def test_the_200_crosses_the_cancel(net: Simulation, host: Host, peer: Peer) -> None:
    """9.1, 15: what was to be cancelled is acknowledged and ended with BYE."""
    token = host.invite(PEER, wait_for=WaitFor.FINAL)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 180, tag="a")
    net.run(0.1)
    hangup = host.hangup(host.call())
    peer.reply(invite, 200, tag="a", body=ANSWER)
    net.run(0.1)
    cancel = peer.request("CANCEL")
    assert peer.request("ACK").to.tag == "a"
    bye = peer.request("BYE")
    peer.reply(cancel, 200)
    peer.reply(invite, 200, tag="a", body=ANSWER)
    net.run(1.0)
    assert hangup not in host.results
    peer.reply(bye, 200)
    net.run(0.1)
    assert result(host, hangup).termination == Termination(cause=Cause.LOCAL_HANGUP)
    assert host.failure(token).kind is FailureKind.ENDED
    assert host.kinds() == ["CallCreated", "CallProgressed", "CallEnded"]
    # A second 2xx of a fork, after that.
    peer.reply(invite, 200, tag="b", body=ANSWER)
    net.run(0.1)
    assert [line for line in peer.rest() if line != "BYE 2"] == ["ACK 1", "ACK 1"]


def test_another_refusal_crosses_the_cancel(net: Simulation, host: Host, peer: Peer) -> None:
    invite = ringing(net, host, peer)
    host.hangup(host.call())
    peer.reply(invite, 302, tag="a", fields=[("Contact", "<sip:else@10.0.0.3>")])
    net.run(0.1)
    assert ended(host) == Termination(cause=Cause.CANCELLED, status=302, reason="Moved Temporarily")


def test_a_challenge_crosses_the_cancel(net: Simulation, host: Host, peer: Peer) -> None:
    """9.1: no new attempt of what is to be cancelled."""
    credentials = (commands.Credentials(username="bob", password="zanzibar"),)
    invite = ringing(net, host, peer, credentials=credentials)
    host.hangup(host.call())
    peer.reply(invite, 401, tag="a", fields=[("WWW-Authenticate", 'Digest realm="r", nonce="n"')])
    net.run(0.1)
    assert peer.rest() == ["CANCEL 1", "ACK 1"]
    assert ended(host).status == 401


@pytest.mark.parametrize(
    "fields",
    [
        {"policy": Policy(ring_timeout=20.0)},
        {"options": Options(headers=(("Expires", "20"),))},
        {"policy": Policy(ring_timeout=20.0), "options": Options(headers=(("Expires", "30"),))},
    ],
)
def test_it_rings_only_so_long(
    net: Simulation, host: Host, peer: Peer, fields: dict[str, object]
) -> None:
    """13.2.1: an INVITE with Expires is cancelled when that has passed."""
    invite = ringing(net, host, peer, **fields)
    net.run(19.7)
    assert peer.rest() == []
    net.run(0.2)
    cancel = peer.request("CANCEL")
    assert cancel.headers.get("Reason") == 'SIP;cause=480;text="No answer"'
    peer.reply(cancel, 200)
    peer.reply(invite, 487, tag="a")
    net.run(0.1)
    assert ended(host) == Termination(cause=Cause.TIMEOUT, status=487, reason="Request Terminated")


def test_the_end_of_the_ringing_does_not_cancel_twice(
    net: Simulation, host: Host, peer: Peer
) -> None:
    ringing(net, host, peer, policy=Policy(ring_timeout=20.0))
    host.hangup(host.call())
    net.run(0.1)
    peer.reply(peer.request("CANCEL"), 200)
    net.run()
    assert peer.rest() == []
    assert ended(host) == Termination(cause=Cause.CANCELLED)


def test_an_answered_call_may_last_longer_than_it_may_ring(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """13.2.1."""
    invite = ringing(net, host, peer, policy=Policy(ring_timeout=20.0))
    peer.reply(invite, 200, tag="a", body=ANSWER)
    net.run(100.0)
    assert snapshot(host).state is CallState.CONFIRMED


def test_a_bye_in_the_early_dialog(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 15: the callee must not. It is answered, and the INVITE cancelled."""
    invite = ringing(net, host, peer)
    peer.within(invite, "BYE")
    peer.within(invite, "BYE", cseq=2)
    net.run(0.1)
    peer.response(200)
    cancel = peer.request("CANCEL")
    peer.response(200)
    peer.reply(cancel, 200)
    net.run()
    assert ended(host) == Termination(cause=Cause.REMOTE_HANGUP)


# As the callee.


def test_the_caller_cancels(net: Simulation, host: Host, peer: Peer) -> None:
    """9.2: 200 to the CANCEL, 487 to the INVITE, with one To tag."""
    branch = called(net, host, peer)
    host.on_call(commands.Progress, host.call())
    net.run(0.1)
    tag = peer.response(180).to.tag
    reason = [("Reason", 'SIP;cause=200;text="Call completed elsewhere"')]
    peer.ask("CANCEL", host.address, branch=branch, fields=reason)
    net.run(0.1)
    ok, terminated = peer.response(200), peer.response(487)
    assert (ok.cseq.method, ok.to.tag) == ("CANCEL", tag)
    assert (terminated.cseq.method, terminated.to.tag) == ("INVITE", tag)
    peer.ask("ACK", host.address, branch=branch, to_tag=tag)
    # The CANCEL again is answered again, and changes nothing.
    peer.ask("CANCEL", host.address, branch=branch, fields=reason)
    net.run(0.1)
    assert peer.rest() == ["200 CANCEL 1"]
    end = ended(host)
    assert (end.cause, end.status) == (Cause.CANCELLED, 487)
    assert end.reasons == ('SIP;cause=200;text="Call completed elsewhere"',)


def test_a_cancel_after_the_2xx_changes_nothing(net: Simulation, host: Host, peer: Peer) -> None:
    """9.2: it is answered 200; CANCEL has no effect on what has a final response."""
    branch = called(net, host, peer)
    host.answer(host.call())
    net.run(0.1)
    tag = peer.response(200).to.tag
    peer.ask("CANCEL", host.address, branch=branch)
    net.run(0.1)
    assert peer.rest() == ["200 CANCEL 1"]
    peer.ask("ACK", host.address, to_tag=tag)
    net.run(0.1)
    assert snapshot(host).state is CallState.CONFIRMED


def test_a_cancel_of_something_unknown(net: Simulation, host: Host, peer: Peer) -> None:
    """9.2."""
    called(net, host, peer)
    peer.ask("CANCEL", host.address, branch="z9hG4bKother")
    net.run(0.1)
    assert peer.rest() == ["481 CANCEL 1"]
    assert snapshot(host).state is CallState.INCOMING


def test_a_cancel_of_a_request_inside_the_dialog(net: Simulation, host: Host, peer: Peer) -> None:
    """9.2: the re-INVITE ends with 487; the call goes on."""
    called(net, host, peer)
    host.answer(host.call())
    net.run(0.1)
    tag = peer.response(200).to.tag
    peer.ask("ACK", host.address, to_tag=tag)
    branch = peer.ask("INVITE", host.address, to_tag=tag, cseq=2, body=SDP)
    peer.ask("CANCEL", host.address, to_tag=tag, cseq=2, branch=branch)
    net.run(0.1)
    assert peer.rest() == ["100 INVITE 2", "200 CANCEL 2", "487 INVITE 2"]
    peer.ask("ACK", host.address, to_tag=tag, cseq=2, branch=branch)
    net.run(0.1)
    assert snapshot(host).state is CallState.CONFIRMED
    (closed,) = host.of(events.IncomingRequestClosed)
    assert closed.status == 487


@pytest.mark.parametrize("expires, after", [("30", 30.0), ("0", 0.0)])
def test_an_invitation_expires(
    net: Simulation, host: Host, peer: Peer, expires: str, after: float
) -> None:
    """13.3.1."""
    called(net, host, peer, fields=(("Expires", expires),))
    net.run(after)
    peer.response(487)
    assert ended(host) == CANCELLED
    assert host.events[-1].at - host.events[0].at == after


def test_an_answered_invitation_does_not_expire(net: Simulation, host: Host, peer: Peer) -> None:
    """20.19."""
    called(net, host, peer, fields=(("Expires", "5"),))
    host.answer(host.call())
    net.run(0.1)
    peer.ask("ACK", host.address, to_tag=peer.response(200).to.tag)
    net.run(10.0)
    assert snapshot(host).state is CallState.CONFIRMED
