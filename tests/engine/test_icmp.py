"""ICMP errors end what was sent to a closed port: RFC 3261 sections 17.1.4 and 18.4."""

from __future__ import annotations

import errno
import select
import socket
import struct
import sys
from collections.abc import Iterator

import pytest

from picosip_server.engine.config import ListenerSpec
from picosip_server.engine.transport.icmp import failure
from picosip_server.engine.transport.udp import UdpSocket
from picosip_server.sip.message import Response
from picosip_server.sip.timers import Timers
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import WaitFor
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.uri import Uri
from tests.engine.loopback import PATIENCE, Agent, UdpPeer
from tests.engine.probe import Server
from tests.support.nameserver import NameServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of them")

HOUR = Timers(t1=56.25)
"""Timer B after an hour: what fails before does so by something else."""


def closed(host: str, port: int = 0) -> socket.socket:
    """A port that nobody else gets, and where nothing arrives: it is for one peer alone."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, port))
    sock.connect((host, 9))
    return sock


def port_of(sock: socket.socket) -> int:
    port = sock.getsockname()[1]
    assert isinstance(port, int)
    return port


@pytest.fixture
def dead() -> Iterator[int]:
    with closed("127.0.0.1") as sock:
        yield port_of(sock)


@pytest.mark.parametrize(("host", "name"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_call_to_a_closed_port_fails_at_once(host: str, name: str, workers: int) -> None:
    with closed(host) as sock, Agent(f"udp:{host}", timers=HOUR, workers=workers) as agent:
        port = port_of(sock)
        failure = agent.failure(agent.invite(f"sip:x@{name}:{port}", wait_for=WaitFor.FINAL))
        assert failure.kind is FailureKind.TRANSPORT
        assert failure.detail == f"cannot send to {host} port {port}/UDP: Connection refused"
        agent.wait_empty()
        assert agent.counter("transport_failures") == 1


def test_the_next_server_is_tried(dead: int) -> None:
    """RFC 3263 section 4.3."""
    with (
        NameServer() as names,
        Agent("udp", timers=HOUR, dns_servers=(names.address,)) as agent,
        UdpPeer(agent.address()) as far,
    ):
        names.records = {
            "SRV _sip._udp.far.test": [f"1 0 {dead} h.far.test.", f"2 0 {far.port} h.far.test."],
            "A h.far.test": ["127.0.0.1"],
        }
        uri = Uri.parse("sip:x@far.test;transport=udp")
        token = agent.submit(commands.Ping, uri=uri)
        far.reply(far.expect("OPTIONS"), 200)
        assert isinstance(agent.result(token), Response)


def test_a_response_goes_on_to_the_sent_by(dead: int) -> None:
    """18.2.2, RFC 3263 section 5."""
    names = NameServer({"A pub.test": ["127.0.0.2"]})
    there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with names, there, Agent("udp", timers=HOUR, dns_servers=(names.address,)) as agent:
        there.settimeout(PATIENCE)
        there.bind(("127.0.0.2", dead))
        with UdpPeer(agent.address()) as peer:
            # Without rport: to the source address, and the port in the sent-by.
            peer.send(peer.request("INVITE", sent_by=f"pub.test:{dead}", rport=False))
            call = agent.wait(events.CallReceived).resource
            assert there.recv(65535).startswith(b"SIP/2.0 100 ")
            agent.submit(commands.Reject, name=call, status=486)
            assert there.recv(65535).startswith(b"SIP/2.0 486 ")


def test_nobody_else_suffers(dead: int) -> None:
    """Linux reports the error to whoever uses the socket next."""
    udp = UdpSocket(ListenerSpec(transport="UDP", host="127.0.0.1", port=0))
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    came_back: list[tuple[bytes, str]] = []
    taken: list[bytes] = []

    def read() -> None:
        udp.read(
            lambda data, host, port: taken.append(data),
            lambda quote, detail: came_back.append((quote, detail)),
        )

    with other:
        other.settimeout(PATIENCE)
        other.bind(("127.0.0.1", 0))
        udp.send(b"one", "127.0.0.1", dead)
        # The error is there before sendto returns: the system has carried both.
        udp.send(b"two", "127.0.0.1", port_of(other))
        assert other.recv(10) == b"two"
        refused = f"cannot send to 127.0.0.1 port {dead}/UDP: Connection refused"
        read()
        assert came_back == [(b"one", refused)]
        # The same where the socket is read first, with a datagram behind the error.
        udp.send(b"three", "127.0.0.1", dead)
        other.sendto(b"four", ("127.0.0.1", udp.bound.port))
        while select.select([udp.socket], [], [], 0.0)[0]:
            read()
        assert came_back[1:] == [(b"three", refused)]
        assert taken == [b"four"]
        assert select.select([udp.socket], [], [], 0.0) == ([], [], [])
    udp.close()


@pytest.mark.parametrize(
    ("origin", "kind", "code", "fails"),
    [
        *((2, 3, code, True) for code in (0, 1, 2, 3, 13)),
        (2, 3, 4, False),  # fragmentation needed
        (2, 4, 0, False),  # source quench
        (2, 11, 0, False),  # time exceeded
        (2, 12, 0, True),  # parameter problem
        *((3, 1, code, True) for code in (0, 1, 3, 4)),
        (3, 2, 0, False),  # packet too big
        (3, 3, 0, False),  # time exceeded
        (3, 4, 1, True),  # parameter problem
        (1, 3, 3, False),  # the system's own
    ],
)
def test_which_errors_are_failures(origin: int, kind: int, code: int, fails: bool) -> None:
    """18.4."""
    value = struct.pack("=IBBBBII", errno.ECONNREFUSED, origin, kind, code, 0, 0, 0)
    assert failure(value + bytes(16)) == ("Connection refused" if fails else "")


def come_back(server: Server, data: bytes) -> None:
    server.core.undelivered(data, "refused", server.simulation.now)
    server.collect()


def test_an_error_after_a_response_is_an_old_one() -> None:
    server = Server()
    server.invite("sip:ute@10.0.0.2")
    invite = server.out[-1][2]
    server.reply(180)
    come_back(server, invite)
    assert server.counter("transport_failures") == 1
    assert server.of(events.CallEnded) == []
    server.reply(486, to="INVITE")
    (ended,) = server.of(events.CallEnded)
    assert isinstance(ended, events.CallEnded)
    assert ended.termination.status == 486


def test_a_quote_of_a_request_fails_its_transaction() -> None:
    server = Server()
    token = server.submit(
        lambda token: commands.Ping(token=token, uri=Uri.parse("sip:ute@10.0.0.2"))
    )
    come_back(server, server.out[-1][2][:200])
    assert server.failure(token).detail == "refused"
    assert server.core.idle


def test_errors_about_what_nobody_sent_are_nothing() -> None:
    server = Server()
    server.invite("sip:ute@10.0.0.2")
    data = server.out[-1][2]
    for quote in (b"", b"\0\1\2", data[:8], data.replace(b"z9hG4bK", b"z9hG4bKx"), b"a\r\n" * 99):
        come_back(server, quote)
    assert server.counter("transport_failures") == 0
    come_back(server, data)
    assert server.counter("transport_failures") == 1
