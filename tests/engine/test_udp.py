"""Datagrams: what is answered, where to, what is ignored, and what is too large."""

from __future__ import annotations

import socket
import time

import pytest
import structlog

from picosip_server.engine.config import ListenerSpec
from picosip_server.engine.transport.udp import UdpSocket
from picosip_server.sip.message import Response
from picosip_server.sip.parse import parse
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Options, WaitFor
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.uri import Uri
from tests.engine.loopback import PATIENCE, Agent, TcpHost, TcpPeer, UdpPeer

LONG = Options(headers=(("Subject", "x" * 1300),))
"""Makes any request larger than 1300 octets."""


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_source_is_noted_and_answered(host: str) -> None:
    with Agent(f"udp:{host}") as agent, UdpPeer(agent.address()) as peer:
        # RFC 3581 section 4, whatever the Via says.
        peer.send(peer.request("OPTIONS", sent_by="pc33.example.com:4"))
        via = peer.response(200).via
        assert via.sent_by == "pc33.example.com:4"
        assert (via.received, via.rport) == (host, peer.port)


def test_without_rport_the_port_is_that_of_the_via() -> None:
    with (
        Agent("udp") as agent,
        UdpPeer(agent.address()) as peer,
        UdpPeer(agent.address()) as other,
    ):
        # RFC 3261 18.2.2: to the source address, but the port in sent-by.
        peer.send(peer.request("OPTIONS", sent_by=f"pc33.example.com:{other.port}", rport=False))
        via = other.response(200).via
        assert (via.received, via.params.get("rport")) == ("127.0.0.1", None)


def test_datagrams_that_are_read_at_once_stay_apart_and_whole() -> None:
    sent = [b"one", b"another one", b"", b"x" * 65_507, b"z"]
    received = []
    udp = UdpSocket(ListenerSpec(transport="UDP", host="127.0.0.1", port=0))
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for data in sent:
                peer.sendto(data, ("127.0.0.1", udp.bound.port))
            here = ("127.0.0.1", peer.getsockname()[1])
        udp.read(
            lambda data, host, port: received.append((data, host, port)),
            lambda *undelivered: pytest.fail("nothing was sent"),
        )
    finally:
        udp.close()
    assert received == [(data, *here) for data in sent]


def test_keep_alives_are_ignored() -> None:
    with Agent("udp") as agent, UdpPeer(agent.address()) as peer:
        for data in (b"", b"\0", b"\r\n", b"\r\n\r\n", b"\0\0\0\0"):
            peer.send(data)
        peer.ping()
        assert agent.counter("messages_received") == 1
        assert agent.counter("parse_errors") == 0


def test_garbage_is_counted_and_complained_about_once() -> None:
    with (
        structlog.testing.capture_logs() as logs,
        Agent("udp", workers=2) as agent,
        UdpPeer(agent.address()) as peer,
        UdpPeer(agent.address(), "127.0.0.2") as other,
    ):
        start = time.monotonic()
        for _ in range(20):
            peer.send(b"\x80\x01garbage")
            # These go to different workers, which share the limit.
            peer.send(peer.request("OPTIONS", "Max-Forwards: x"))
            peer.response(400)
        other.send(b"\r\n\r\n\r\n\r\n\r\n")
        peer.ping()
        other.ping()
        assert agent.counter("parse_errors") == 41
        seconds = int(time.monotonic() - start)
    sources = [line["source"] for line in logs if line["event"] == "bad message"]
    assert sources.count("127.0.0.2") == 1
    assert 1 <= sources.count("127.0.0.1") <= 1 + seconds


def test_responses_without_a_request_are_dropped() -> None:
    with Agent("udp") as agent, UdpPeer(agent.address()) as peer:
        answer = peer.ping()
        peer.send(answer.encode())
        peer.send(peer.request("ACK"))
        peer.ping()
        assert agent.counter("responses_unmatched") == 1
        assert agent.counter("acks_unmatched") == 1


def test_the_advertised_address_is_shown() -> None:
    with (
        Agent("udp", advertise_host="sip.example.com", advertise_port=5099) as agent,
        UdpPeer(agent.address()) as peer,
    ):
        agent.invite(peer.uri())
        invite = peer.expect("INVITE")
        assert invite.via.sent_by == "sip.example.com:5099"
        (contact,) = invite.contacts
        assert (contact.uri.host, contact.uri.port) == ("sip.example.com", 5099)
        peer.reply(invite, 486)
        agent.wait(events.CallEnded)


def test_a_large_request_goes_over_tcp() -> None:
    with Agent() as agent, TcpHost() as far:
        uri = f"sip:peer@{far.host}:{far.port}"
        token = agent.submit(commands.Ping, uri=Uri.parse(uri), options=LONG)
        with far.accept() as peer:
            request = peer.expect("OPTIONS")
            assert request.via.transport == "TCP"
            assert (request.via.host, request.via.port) == agent.address("TCP")
            # 12.2.1.1: no CSeq number is used up on the way.
            peer.reply(request, 200)
        result = agent.result(token)
        assert isinstance(result, Response)
        assert result.status == 200


@pytest.mark.parametrize("listeners", [("udp", "tcp"), ("udp",)])
def test_a_large_request_falls_back_to_udp(listeners: tuple[str, ...]) -> None:
    # 18.1.1: nobody listens there on TCP, or we do not.
    with Agent(*listeners) as agent, UdpPeer(agent.address()) as peer:
        uri = f"sip:peer@{peer.host}:{peer.port}"
        token = agent.submit(commands.Ping, uri=Uri.parse(uri), options=LONG)
        request = peer.expect("OPTIONS")
        assert request.via.transport == "UDP"
        assert len(request.encode()) > 1300
        peer.reply(request, 200)
        assert isinstance(agent.result(token), Response)


def test_a_large_request_to_udp_by_name_of_the_uri_stays_there() -> None:
    with Agent() as agent, UdpPeer(agent.address()) as peer:
        agent.submit(commands.Ping, uri=Uri.parse(peer.uri()), options=LONG)
        peer.reply(peer.expect("OPTIONS"), 200)


def test_what_the_system_refuses_to_send_fails_at_once() -> None:
    with Agent("udp") as agent, UdpPeer(agent.address()) as peer:
        huge = Options(headers=tuple((f"X-{index}", "x" * 30_000) for index in range(3)))
        token = agent.invite(peer.uri(), options=huge, wait_for=WaitFor.FINAL)
        failure = agent.failure(token)
        assert failure.kind is FailureKind.TRANSPORT
        assert f"127.0.0.1 port {peer.port}/UDP" in failure.detail


def test_a_burst_is_answered_in_full() -> None:
    with Agent("udp") as agent, UdpPeer(agent.address()) as peer:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        ids = {f"burst-{index}" for index in range(200)}
        for call_id in ids:
            peer.send(peer.request("OPTIONS", call_id=call_id))
        assert {peer.response(200).call_id for _ in ids} == ids


def test_a_retransmission_is_answered_alike() -> None:
    with Agent("udp") as agent, UdpPeer(agent.address()) as peer:
        peer.socket.settimeout(PATIENCE)
        invite = peer.request("INVITE")
        peer.send(invite)
        peer.response(100)
        name = agent.wait(events.CallReceived).resource
        agent.submit(commands.Reject, name=name, status=486)
        first = peer.response(486)
        peer.send(invite)
        again = peer.socket.recv(65535)
        assert parse(again).encode() == first.encode()
        assert agent.counter("retransmissions_received") == 1


def test_peers_on_tcp_and_udp_do_not_mix() -> None:
    with (
        Agent() as agent,
        UdpPeer(agent.address()) as udp,
        TcpPeer.to(agent.address("TCP")) as tcp,
    ):
        assert udp.ping().via.transport == "UDP"
        assert tcp.ping().via.transport == "TCP"
