"""Digits of ours, one INFO each."""

from __future__ import annotations

from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.outputs import FailureKind
from tests.engine.memory import Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import PEER, connect

RELAY, PLAIN = "application/dtmf-relay", "application/dtmf"


def send(host: Host, digits: str, kind: str = RELAY) -> object:
    return host.on_call(
        commands.SendDtmf,
        host.call(),
        digits=digits,
        duration=0.2,
        gap=0.1,
        content_type=kind,
    )


def heard(peer: Peer, since: float) -> list[tuple[float, bytes]]:
    """When each INFO came, and its body."""
    return [
        (round(at - since, 3), message.body)
        for at, message, _ in peer.received
        if isinstance(message, Request) and message.method == "INFO"
    ]


def test_one_after_the_other(net: Simulation, host: Host, peer: Peer) -> None:
    """Each when the one before was taken and its time is over; a comma is 2 seconds."""
    connect(net, host, peer)
    start = net.now
    peer.on_request = lambda request: peer.reply(request, 200)
    tokens = [send(host, "1,#"), send(host, "D", PLAIN)]
    net.run(5)
    assert heard(peer, start) == [
        (0.01, b"Signal=1\r\nDuration=200\r\n"),
        (2.31, b"Signal=#\r\nDuration=200\r\n"),
        (2.61, b"D"),
    ]
    assert [host.results[token] for token in tokens] == [None, None]


def test_the_next_one_waits_for_the_response(net: Simulation, host: Host, peer: Peer) -> None:
    connect(net, host, peer)
    token = send(host, "12")
    net.run(0.4)
    first = peer.request("INFO")
    assert peer.rest() == []
    peer.reply(first, 200)
    net.run(0.1)
    assert token not in host.results
    second = peer.request("INFO")
    assert (second.cseq.number, second.headers.get("Content-Type")) == (
        first.cseq.number + 1,
        RELAY,
    )
    peer.reply(second, 200)
    net.run(0.1)
    assert host.results[token] is None


def test_a_refusal_ends_its_command_and_no_other(net: Simulation, host: Host, peer: Peer) -> None:
    connect(net, host, peer)
    tokens = [send(host, "123"), send(host, "4")]
    net.run(0.1)
    peer.reply(peer.request("INFO"), 415)
    net.run(0.5)
    failure = host.failure(tokens[0])
    assert (failure.kind, failure.status) == (FailureKind.REFUSED, 415)
    last = peer.request("INFO")
    assert last.body.startswith(b"Signal=4")
    peer.reply(last, 200)
    net.run(0.1)
    assert host.results[tokens[1]] is None
    assert peer.rest() == []


def test_the_end_of_the_call_fails_what_waits(net: Simulation, host: Host, peer: Peer) -> None:
    """12.2.1.2: here because a digit found no dialog."""
    connect(net, host, peer)
    tokens = [send(host, "1"), send(host, "2")]
    net.run(0.1)
    peer.reply(peer.request("INFO"), 481)
    net.run(0.4)
    bye = peer.request("BYE")
    assert host.failure(tokens[0]).status == 481
    assert tokens[1] not in host.results
    peer.reply(bye, 200)
    net.run(0.1)
    assert host.failure(tokens[1]).kind is FailureKind.ENDED
    assert peer.rest() == []


def test_no_dialog_yet(net: Simulation, host: Host, peer: Peer) -> None:
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    assert host.failure(send(host, "1")).kind is FailureKind.WRONG_STATE
    peer.reply(invite, 486, tag="a")


def test_a_digit_that_cannot_be_sent(net: Simulation, host: Host, peer: Peer) -> None:
    connect(net, host, peer)
    host.unreachable.add("10.0.0.2")
    assert host.failure(send(host, "12")).kind is FailureKind.TRANSPORT
    host.unreachable.clear()
    token = send(host, "3")
    net.run(0.4)
    last = peer.request("INFO")
    assert last.body.startswith(b"Signal=3")
    peer.reply(last, 200)
    net.run(0.1)
    assert host.results[token] is None


def test_an_answer_after_the_end(net: Simulation, host: Host, peer: Peer) -> None:
    invite = connect(net, host, peer)
    token = send(host, "12")
    net.run(0.1)
    info = peer.request("INFO")
    peer.within(invite, "BYE")
    net.run(0.1)
    assert host.failure(token).kind is FailureKind.ENDED
    peer.reply(info, 200)
    net.run(1)
    assert peer.rest() == ["200 BYE 1"]
