"""BYE, sent and received: RFC 3261 sections 15 and 12.2."""

from __future__ import annotations

import pytest

from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Options, Policy
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import CallState, Cause, Termination
from tests.engine.memory import SDP, Host, Simulation
from tests.sip.capabilities import ALLOW, SUPPORTED
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import accept, called, connect, ended, result, snapshot


def test_the_far_end_hangs_up(net: Simulation, host: Host, peer: Peer) -> None:
    """15.1.2; the Reason (RFC 3326) is told."""
    invite = connect(net, host, peer)
    peer.ask(
        "BYE",
        host.address,
        call_id=invite.call_id,
        tag="a",
        to_tag=invite.from_.tag,
        fields=[("Reason", "Q.850;cause=16"), ("Require", "nonsense")],
    )
    net.run(0.1)
    assert peer.rest() == ["200 BYE 1"]
    assert ended(host) == Termination(cause=Cause.REMOTE_HANGUP, reasons=("Q.850;cause=16",))
    # 12.2.2: from then on there is no such dialog.
    peer.within(invite, "BYE", cseq=2)
    net.run(0.1)
    assert peer.rest() == ["481 BYE 2"]
    assert host.failure(host.hangup(host.call())).kind is FailureKind.NOT_FOUND


@pytest.mark.parametrize("status", [481, 408, 500, 401])
def test_a_bye_that_is_refused_ends_the_call_all_the_same(
    net: Simulation, host: Host, peer: Peer, status: int
) -> None:
    """15.1.1, RFC 5057: the Hangup fails with what the far end said."""
    connect(net, host, peer)
    tokens = [host.hangup(host.call()), host.hangup(host.call())]
    net.run(0.1)
    bye = peer.request("BYE")
    peer.reply(bye, 100)
    peer.reply(bye, status)
    net.run(0.1)
    assert [host.failure(token).status for token in tokens] == [status, status]
    assert host.failure(tokens[0]).kind is FailureKind.REFUSED
    assert ended(host) == Termination(cause=Cause.LOCAL_HANGUP)
    assert peer.rest() == []


def test_a_bye_that_nobody_answers(net: Simulation, host: Host, peer: Peer) -> None:
    """15.1.1, timer F."""
    connect(net, host, peer)
    token = host.hangup(host.call())
    net.run()
    assert host.failure(token).kind is FailureKind.TIMEOUT
    assert ended(host) == Termination(cause=Cause.LOCAL_HANGUP)


def test_the_end_of_its_time_does_not_hang_up_twice(
    net: Simulation, host: Host, peer: Peer
) -> None:
    connect(net, host, peer, policy=Policy(max_duration=5.0))
    host.hangup(host.call())
    net.run()
    assert set(peer.rest()) == {"BYE 2"}
    assert ended(host) == Termination(cause=Cause.LOCAL_HANGUP)


def test_a_bye_that_cannot_be_sent(net: Simulation, host: Host, peer: Peer) -> None:
    connect(net, host, peer)
    host.unreachable.add("10.0.0.2")
    token = host.hangup(host.call())
    assert host.failure(token).kind is FailureKind.TRANSPORT
    assert ended(host) == Termination(cause=Cause.LOCAL_HANGUP)


@pytest.mark.parametrize("status", [200, 481])
def test_two_byes_cross(net: Simulation, host: Host, peer: Peer, status: int) -> None:
    """15.1.2: both are answered; that the far end knows no dialog any more is no failure."""
    invite = connect(net, host, peer)
    token = host.hangup(host.call())
    peer.within(invite, "BYE")
    net.run(0.1)
    bye = peer.request("BYE")
    peer.response(200)
    assert token not in host.results
    peer.reply(bye, status)
    net.run(0.1)
    assert result(host, token).termination == Termination(cause=Cause.LOCAL_HANGUP)


def test_requests_inside_the_dialog(net: Simulation, host: Host, peer: Peer) -> None:
    """12.2.2, 14.2, 8.2: each gets the answer of what this user agent takes."""
    invite = connect(net, host, peer)
    methods = ["OPTIONS", "PUBLISH", "REGISTER", "PRACK"]
    for cseq, method in enumerate(methods, 10):
        peer.within(invite, method, cseq=cseq)
    net.run(0.1)
    options = peer.response(200)
    assert options.headers.get("Allow") == ALLOW
    assert options.headers.get("Accept") == "application/sdp"
    assert options.headers.get("Supported") == SUPPORTED
    for _ in range(2):
        assert peer.response(405).headers.get("Allow") == ALLOW
    # RFC 3262 section 3: no provisional response of ours awaits this PRACK.
    peer.response(481)
    assert snapshot(host).state is CallState.CONFIRMED


def test_a_lower_cseq_and_an_unknown_extension(net: Simulation, host: Host, peer: Peer) -> None:
    """12.2.2, 8.2.2.3."""
    invite = connect(net, host, peer)
    peer.within(invite, "OPTIONS", cseq=10)
    peer.within(invite, "OPTIONS", cseq=9)
    peer.ask(
        "OPTIONS",
        host.address,
        call_id=invite.call_id,
        cseq=11,
        tag="a",
        to_tag=invite.from_.tag,
        fields=[("Require", "100rel, nonsense, more")],
    )
    net.run(0.1)
    assert peer.lines()[-3:] == ["200 OPTIONS 10", "500 OPTIONS 9", "420 OPTIONS 11"]
    _, refused, _ = peer.received[-1]
    assert refused.headers.get("Unsupported") == "nonsense, more"


# As the callee.


def test_the_callee_hangs_up(net: Simulation, host: Host, peer: Peer) -> None:
    """15.1.1, 12.2.1.1: From and To change places, the route set is used as it came."""
    proxy = Peer(net, "10.0.0.3")
    routes = (("Record-Route", "<sip:10.0.0.3;lr>"), ("Record-Route", "<sip:10.0.0.4;lr>"))
    called(net, host, peer, fields=routes)
    host.answer(host.call())
    net.run(0.1)
    response = peer.response(200)
    assert response.headers.get_all("Record-Route") == [value for _, value in routes]
    peer.ask("ACK", host.address, to_tag=response.to.tag)
    net.run(0.1)
    token = host.hangup(host.call())
    net.run(0.1)
    bye = proxy.request("BYE")
    assert bye.uri_text == "sip:peer@10.0.0.2"
    assert bye.headers.get_all("Route") == [value for _, value in routes]
    assert (bye.from_.tag, bye.to.tag) == (response.to.tag, "peer")
    assert bye.cseq.number == 1
    proxy.reply(bye, 200)
    net.run(0.1)
    assert result(host, token).termination == Termination(cause=Cause.LOCAL_HANGUP)


def test_the_callee_hangs_up_before_the_ack(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 15: the BYE waits for the ACK."""
    called(net, host, peer)
    answer = host.answer(host.call())
    options = Options(headers=(("Reason", "Q.850;cause=16"),))
    token = host.hangup(host.call(), options=options)
    net.run(0.1)
    tag = peer.response(200).to.tag
    assert peer.rest() == []
    assert snapshot(host).state is CallState.TERMINATING
    peer.ask("ACK", host.address, to_tag=tag)
    net.run(0.1)
    bye = peer.request("BYE")
    assert bye.headers.get("Reason") == "Q.850;cause=16"
    assert isinstance(result(host, answer).answer_time, float)
    peer.reply(bye, 200)
    net.run(0.1)
    assert result(host, token).termination == Termination(cause=Cause.LOCAL_HANGUP)
    assert host.kinds() == ["CallReceived", "CallAnswered", "CallEnded"]


def test_the_callee_hangs_up_and_the_ack_never_comes(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """Section 15, 13.3.1.4: the BYE goes out after 64*T1."""
    called(net, host, peer)
    answer = host.answer(host.call())
    token = host.hangup(host.call(), options=Options(headers=(("X-Id", "7"),)))
    net.run(32.1)
    assert {line for line in peer.rest()} == {"200 INVITE 1", "BYE 1"}
    _, bye, _ = peer.received[-1]
    assert bye.headers.get("X-Id") == "7"
    net.run()
    assert host.failure(token).kind is FailureKind.TIMEOUT
    assert host.failure(answer).kind is FailureKind.ENDED
    assert ended(host) == Termination(cause=Cause.LOCAL_HANGUP)


def test_the_caller_hangs_up_before_the_ack(net: Simulation, host: Host, peer: Peer) -> None:
    """15.1.2: the caller may; what waits is told."""
    called(net, host, peer)
    answer = host.answer(host.call())
    net.run(0.1)
    tag = peer.response(200).to.tag
    peer.ask("BYE", host.address, to_tag=tag, cseq=2)
    peer.ask("ACK", host.address, to_tag=tag)
    net.run(10.0)
    assert peer.rest() == ["200 BYE 2"]
    assert host.failure(answer).kind is FailureKind.ENDED
    assert ended(host) == Termination(cause=Cause.REMOTE_HANGUP)


def test_the_caller_hangs_up_while_our_hangup_waits(
    net: Simulation, host: Host, peer: Peer
) -> None:
    called(net, host, peer)
    host.answer(host.call(), no_wait=True)
    token = host.hangup(host.call())
    net.run(0.1)
    tag = peer.response(200).to.tag
    peer.ask("BYE", host.address, to_tag=tag, cseq=2)
    net.run(10.0)
    assert peer.rest() == ["200 BYE 2"]
    assert result(host, token).termination == Termination(cause=Cause.LOCAL_HANGUP)


def test_the_caller_hangs_up_in_the_early_dialog(net: Simulation, host: Host, peer: Peer) -> None:
    """15.1.2: 200 to the BYE, 487 to the INVITE."""
    branch = called(net, host, peer)
    host.on_call(commands.Progress, host.call())
    net.run(0.1)
    tag = peer.response(180).to.tag
    peer.ask("BYE", host.address, to_tag=tag, cseq=2)
    net.run(0.1)
    assert peer.rest() == ["200 BYE 2", "487 INVITE 1"]
    peer.ask("ACK", host.address, to_tag=tag, branch=branch)
    assert ended(host) == Termination(cause=Cause.REMOTE_HANGUP)


def test_hangup_of_an_unanswered_call_refuses_it(net: Simulation, host: Host, peer: Peer) -> None:
    called(net, host, peer)
    token = host.hangup(host.call(), options=Options(headers=(("X-Id", "7"),)))
    net.run(0.1)
    assert peer.response(603).headers.get("X-Id") == "7"
    assert result(host, token).termination == Termination(
        cause=Cause.REJECTED, status=603, reason="Decline"
    )


def test_an_answered_call_has_an_end_by_the_policy_of_the_answer(
    net: Simulation, host: Host, peer: Peer
) -> None:
    called(net, host, peer)
    accept(net, host, peer, policy=Policy(max_duration=60.0))
    net.run(60.1)
    peer.reply(peer.request("BYE"), 200)
    net.run(0.1)
    assert ended(host) == Termination(cause=Cause.SESSION_EXPIRED)


def test_the_server_stops(net: Simulation, host: Host, peer: Peer) -> None:
    """Each call ends in the way that its state asks for, and its end says why."""
    invite = connect(net, host, peer)
    peer.ask("INVITE", host.address, call_id="two@peer", body=SDP)
    net.run(0.1)
    peer.response(100)
    ready: list[bool] = []
    host.core.end_all(lambda: ready.append(True), net.now)
    host.core.end_all(lambda: ready.append(True), net.now)
    host.collect()
    net.run(0.1)
    bye = peer.request("BYE")
    assert bye.call_id == invite.call_id
    assert peer.response(503).call_id == "two@peer"
    assert ready == []
    peer.reply(bye, 200)
    net.run(0.1)
    assert ready == [True, True]
    causes = [event.termination.cause for event in host.of(events.CallEnded)]
    assert causes == [Cause.SERVER_SHUTDOWN] * 2
