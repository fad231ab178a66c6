"""Streams against a running engine: framing, reuse, faults, and peers that misbehave."""

from __future__ import annotations

import resource
import socket
from contextlib import ExitStack

import pytest
import structlog

from picosip_server.engine.transport.stream import StreamLimits
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Options, WaitFor
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.uri import Uri
from tests.engine.loopback import PATIENCE, Agent, TcpHost, TcpPeer, UdpPeer, until


def test_several_messages_in_one_segment() -> None:
    with Agent("tcp") as agent, TcpPeer.to(agent.address("TCP")) as peer:
        ids = [f"c{index}" for index in range(5)]
        peer.send(b"".join(peer.request("OPTIONS", call_id=each) for each in ids))
        assert [peer.response(200).call_id for _ in ids] == ids


def test_a_message_cut_at_every_octet() -> None:
    with (
        Agent("tcp") as agent,
        TcpPeer.to(agent.address("TCP")) as peer,
        TcpPeer.to(agent.address("TCP")) as other,
    ):
        data = peer.request("OPTIONS", "Content-Type: text/plain", body=b"body\r\n\r\n")
        for cut in range(1, len(data)):
            peer.send(data[:cut])
            # By the time of its answer the first part has been read.
            other.ping()
            peer.send(data[cut:])
            peer.response(200)
        for octet in data:
            peer.send(bytes((octet,)))
        peer.response(200)
        assert agent.counter("messages_received") == 2 * len(data) - 1


def test_empty_lines_are_answered() -> None:
    with Agent("tcp") as agent, TcpPeer.to(agent.address("TCP")) as peer:
        # RFC 5626 section 3.5.1
        peer.send(b"\r\n\r\n")
        assert peer.socket.recv(100) == b"\r\n"
        # A single CRLF is an answer itself.
        peer.send(b"\r\n")
        peer.ping()
        assert agent.counter("parse_errors") == 0


def test_a_stream_without_content_length_is_answered_and_closed() -> None:
    with Agent("tcp") as agent, TcpPeer.to(agent.address("TCP")) as peer:
        good, bad = peer.request("OPTIONS"), peer.request("OPTIONS", content_length=False)
        # What follows must not be taken for a message, nor cost the peer its answer.
        peer.send(good + bad + b"x" * 300_000)
        peer.response(200)
        assert "Content-Length" in (peer.response(400).headers.get("Warning") or "")
        assert peer.closed()
        assert agent.counter("parse_errors") == 1


@pytest.mark.parametrize(
    ("status", "lines", "body"),
    [(513, ("X-Long: " + "x" * 33_000,), b""), (413, ("Content-Type: text/plain",), b"x" * 66_000)],
)
def test_messages_too_large(status: int, lines: tuple[str, ...], body: bytes) -> None:
    with Agent("tcp") as agent, TcpPeer.to(agent.address("TCP")) as peer:
        peer.send(peer.request("OPTIONS", *lines, body=body))
        peer.response(status)
        assert peer.closed()


def test_octets_that_are_no_message_close_the_stream() -> None:
    with Agent("tcp") as agent, TcpPeer.to(agent.address("TCP")) as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert peer.closed()
        assert agent.counter("parse_errors") == 1


def test_half_a_message_times_out() -> None:
    limits = StreamLimits(patience=0.05)
    with (
        Agent("tcp", limits=limits) as agent,
        TcpPeer.to(agent.address("TCP")) as idle,
        TcpPeer.to(agent.address("TCP")) as peer,
    ):
        peer.send(peer.request("OPTIONS")[:-1])
        assert peer.closed()
        # Whoever says nothing may stay.
        idle.ping()


def test_responses_go_over_a_new_connection_where_the_old_one_is_gone() -> None:
    with Agent("tcp") as agent, TcpHost() as far:
        with TcpPeer.to(agent.address("TCP")) as peer:
            # 18.2.2: to the source address, and the port in the Via.
            sent_by = f"pc33.example.com:{far.port}"
            peer.send(peer.request("INVITE", sent_by=sent_by, branch="gone"))
            peer.response(100)
            name = agent.wait(events.CallReceived).resource
        agent.submit(commands.Reject, name=name, status=486)
        with far.accept() as again:
            assert again.response(486).via.received == "127.0.0.1"


def test_nothing_more_goes_over_a_stream_that_broke() -> None:
    with Agent("tcp") as agent, TcpHost() as far, TcpPeer.to(agent.address("TCP")) as peer:
        peer.send(peer.request("INVITE", sent_by=f"127.0.0.1:{far.port}", branch="broke"))
        peer.response(100)
        name = agent.wait(events.CallReceived).resource
        peer.send(peer.request("OPTIONS", content_length=False))
        peer.response(400)
        agent.submit(commands.Reject, name=name, status=486)
        with far.accept() as again:
            again.response(486)
        assert peer.closed()


def test_a_second_request_finds_the_connection() -> None:
    with Agent("tcp") as agent, TcpHost() as far, ExitStack() as stack:
        agent.submit(commands.Ping, uri=Uri.parse(far.uri()))
        peer = stack.enter_context(far.accept())
        peer.reply(peer.expect("OPTIONS"), 200)
        # Both roles share it (18): the peer's own request comes in over it as well.
        peer.ping()
        agent.submit(commands.Ping, uri=Uri.parse(far.uri()))
        peer.reply(peer.expect("OPTIONS"), 200)


def test_the_connection_comes_from_the_address_of_the_listener() -> None:
    with Agent("tcp:127.0.0.3") as agent, TcpHost() as far:
        agent.submit(commands.Ping, uri=Uri.parse(far.uri()))
        with far.accept() as peer:
            assert peer.socket.getpeername()[0] == "127.0.0.3"
            assert peer.expect("OPTIONS").via.host == "127.0.0.3"


def test_a_refused_connection_fails_the_call_at_once() -> None:
    with TcpHost() as nobody:
        uri = nobody.uri()
    with Agent("tcp", workers=2) as agent:
        for _ in range(4):
            token = agent.invite(uri, wait_for=WaitFor.FINAL)
            failure = agent.failure(token)
            assert failure.kind is FailureKind.TRANSPORT
            refused = f"cannot connect to 127.0.0.1 port {nobody.port}/TCP: Connection refused"
            assert refused in failure.detail
        assert agent.engine.stats().active_calls == 0
        assert agent.counter("transport_failures") == 4


def test_a_peer_that_does_not_read_is_given_up_and_disturbs_nobody() -> None:
    via = "SIP/2.0/TCP proxy.example.com;branch=z9hG4bK" + "x" * 5000
    with (
        structlog.testing.capture_logs() as logs,
        Agent("tcp", limits=StreamLimits(queued=200_000)) as agent,
        TcpPeer.to(agent.address("TCP")) as deaf,
        TcpPeer.to(agent.address("TCP")) as other,
    ):
        requests = b"".join(deaf.request("OPTIONS", f"Via: {via}") for _ in range(100))
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                deaf.send(requests)
                other.ping()
        other.ping()
    closed = next(line for line in logs if line.get("port") == deaf.port)
    assert closed["detail"] == "the peer does not read what is sent to it"


def test_more_connections_than_allowed_are_turned_away() -> None:
    with (
        structlog.testing.capture_logs() as logs,
        Agent("tcp", limits=StreamLimits(connections=2)) as agent,
    ):
        server = agent.address("TCP")
        with TcpPeer.to(server) as one, TcpPeer.to(server) as two:
            one.ping()
            two.ping()
            for _ in range(5):
                with TcpPeer.to(server) as third:
                    assert third.closed()
            token = agent.invite(one.uri().replace(str(one.port), "1"), wait_for=WaitFor.FINAL)
            assert agent.failure(token).kind is FailureKind.TRANSPORT
        # There is room again.
        until(lambda: _answers(server), "no room")
    assert 1 <= [line["event"] for line in logs].count("tcp connection refused") <= 3


def _answers(server: tuple[str, int]) -> bool:
    with TcpPeer.to(server) as peer:
        try:
            return peer.ping().status == 200
        except (AssertionError, ConnectionError):
            return False


def test_without_descriptors_the_engine_waits() -> None:
    with (
        structlog.testing.capture_logs() as logs,
        Agent() as agent,
        UdpPeer(agent.address()) as udp,
        TcpPeer(socket.socket()) as peer,
    ):
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket() as last:
            highest = last.fileno()
        # Descriptors below are all taken, or this would show nothing.
        fill = []
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
            with pytest.raises(OSError):
                while True:
                    fill.append(socket.socket())
            peer.socket.connect(agent.address("TCP"))
            # 18.4: not even a connection can be begun.
            token = agent.invite("sip:peer@127.0.0.1:1;transport=tcp", wait_for=WaitFor.FINAL)
            failure = agent.failure(token)
            assert "Too many open files" in failure.detail
            for _ in range(50):
                udp.ping()
        finally:
            for each in fill:
                each.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        peer.port = peer.socket.getsockname()[1]
        peer.ping()
    # It looks again once a second, not as often as the loop turns.
    assert 1 <= [line["event"] for line in logs].count("tcp accept failed") <= 3


def test_the_far_end_closes_between_calls() -> None:
    with Agent("tcp") as agent, TcpHost() as far:
        for _ in range(2):
            token = agent.submit(commands.Ping, uri=Uri.parse(far.uri()), options=Options())
            with far.accept() as peer:
                peer.socket.settimeout(PATIENCE)
                peer.reply(peer.expect("OPTIONS"), 200)
                agent.result(token)
                peer.socket.shutdown(socket.SHUT_WR)
                # Closed on the other side too: the next request opens another one.
                assert peer.closed()
