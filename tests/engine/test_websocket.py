"""SIP over WebSocket: RFC 7118. The peer's WebSocket is written out by hand, RFC 6455."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
from pathlib import Path

import pytest

from picosip_server.engine.transport.stream import StreamLimits
from picosip_server.sip.message import Message, Request
from picosip_server.sip.parse import parse
from picosip_server.sip.ua import events
from picosip_server.sip.ua.commands import WaitFor
from tests.engine.certificates import Authority
from tests.engine.loopback import PATIENCE, Agent, Peer, TcpHost

KEY = base64.b64encode(b"sixteen octets..").decode()
ACCEPT = base64.b64encode(
    hashlib.sha1(KEY.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
).decode()
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(kind: int, data: bytes, *, last: bool = True, masked: bool = True) -> bytes:
    head = bytes([(0x80 if last else 0) | kind])
    flag = 0x80 if masked else 0
    if len(data) < 126:
        head += bytes([flag | len(data)])
    elif len(data) < 65536:
        head += bytes([flag | 126]) + struct.pack("!H", len(data))
    else:
        head += bytes([flag | 127]) + struct.pack("!Q", len(data))
    if not masked:
        return head + data
    mask = b"\x01\x02\x03\x04"
    return head + mask + bytes(octet ^ mask[index % 4] for index, octet in enumerate(data))


class WebSocketPeer(Peer):
    """A browser, more or less: it has no address of its own that anybody could reach."""

    transport = "WS"

    def __init__(self, server: tuple[str, int], *, subprotocol: str = "sip") -> None:
        super().__init__(socket.create_connection(server, PATIENCE))
        self._buffer = b""
        lines = [
            "GET / HTTP/1.1",
            f"Host: {server[0]}:{server[1]}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {KEY}",
            "Sec-WebSocket-Version: 13",
            *([f"Sec-WebSocket-Protocol: {subprotocol}"] if subprotocol else []),
            "",
            "",
        ]
        self.socket.sendall("\r\n".join(lines).encode())
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self.socket.recv(4096)
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        self.status = head.split(b"\r\n")[0].decode()
        self.fields = head.decode().lower().split("\r\n")[1:]

    def uri(self) -> str:
        return f"sip:peer@x{self.port}.invalid;transport=ws"

    def request(self, *args: object, **more: object) -> bytes:
        more.setdefault("sent_by", f"x{self.port}.invalid")
        return super().request(*args, **more)  # type: ignore[arg-type]

    def send(self, data: bytes) -> None:
        self.socket.sendall(frame(TEXT, data))

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            data = self.socket.recv(65536)
            assert data, "closed by the server"
            self._buffer += data
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def frame(self) -> tuple[int, bytes]:
        first, second = self._take(2)
        assert not second & 0x80, "a server does not mask"
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._take(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._take(8))
        return first & 0x0F, self._take(size)

    def receive(self) -> Message:
        kind, data = self.frame()
        assert kind in (TEXT, BINARY)
        return parse(data)


def test_a_browser_is_reached_over_its_connection() -> None:
    """Sections 5.2 and 7: neither its Via nor its Contact leads anywhere else."""
    with Agent("ws") as agent, WebSocketPeer(agent.address("WS")) as peer:
        assert peer.status == "HTTP/1.1 101 Switching Protocols"
        assert "sec-websocket-protocol: sip" in peer.fields
        assert f"sec-websocket-accept: {ACCEPT}".lower() in peer.fields
        peer.send(peer.request("INVITE", call_id="one"))
        call = agent.wait(events.CallReceived)
        agent.answer(call.resource)
        ok = peer.response(200)
        assert ok.contacts[0].uri.transport == "WS"
        peer.send(peer.request("ACK", call_id="one", to_tag=ok.to.tag))
        agent.wait(events.CallConfirmed)
        agent.hangup(call.resource)
        bye = peer.expect("BYE")
        assert bye.uri_text == peer.uri()
        assert bye.via.transport == "WS"
        peer.reply(bye, 200)
        agent.wait(events.CallEnded)


def test_a_contact_is_called_over_its_connection() -> None:
    """A registered browser, as a registrar's application calls it; gone when it is gone."""
    with Agent("ws") as agent:
        with WebSocketPeer(agent.address("WS")) as peer:
            peer.send(peer.request("OPTIONS"))
            peer.response(200)
            token = agent.invite(peer.uri(), wait_for=WaitFor.FINAL)
            invite = peer.expect("INVITE")
            peer.reply(invite, 486)
            peer.expect("ACK")
            assert agent.failure(token).status == 486
            contact = peer.uri()
        agent.wait(events.CallEnded)
        failure = agent.failure(agent.invite(contact, wait_for=WaitFor.FINAL))
        assert failure.status == 0


@pytest.mark.parametrize("subprotocol", ["", "chat", "SIPS, xmpp"])
def test_without_the_subprotocol(subprotocol: str) -> None:
    """Section 4.2: 400, and the connection ends."""
    with (
        Agent("ws") as agent,
        WebSocketPeer(agent.address("WS"), subprotocol=subprotocol) as peer,
    ):
        assert peer.status.startswith("HTTP/1.1 400")
        while peer.socket.recv(4096):
            pass


def test_messages_in_pieces_and_in_binary() -> None:
    with Agent("ws") as agent, WebSocketPeer(agent.address("WS")) as peer:
        data = peer.request("OPTIONS")
        peer.socket.sendall(
            frame(TEXT, data[:30], last=False)
            + frame(PING, b"between")
            + frame(0, data[30:60], last=False)
            + frame(0, data[60:])
        )
        assert peer.frame() == (PONG, b"between")
        peer.response(200)
        peer.socket.sendall(frame(BINARY, peer.request("OPTIONS", content_length=False)))
        peer.response(200)
        whole = frame(TEXT, peer.request("OPTIONS"))
        for octet in whole:
            peer.socket.sendall(bytes((octet,)))
        peer.response(200)


def test_empty_lines_are_answered() -> None:
    """RFC 5626 section 3.5.1."""
    with Agent("ws") as agent, WebSocketPeer(agent.address("WS")) as peer:
        peer.send(b"\r\n\r\n")
        assert peer.frame() == (TEXT, b"\r\n")
        peer.send(b"\r\n")
        peer.ping()


def test_a_message_too_large() -> None:
    with Agent("ws") as agent, WebSocketPeer(agent.address("WS")) as peer:
        peer.socket.sendall(frame(TEXT, b"x" * 200_000))
        kind, data = peer.frame()
        assert (kind, data[:2]) == (CLOSE, struct.pack("!H", 1009))


def test_goodbye() -> None:
    with Agent("ws") as agent, WebSocketPeer(agent.address("WS")) as peer:
        peer.socket.sendall(frame(CLOSE, struct.pack("!H", 1000)))
        assert peer.frame() == (CLOSE, struct.pack("!H", 1000))
        assert peer.socket.recv(100) == b""


@pytest.mark.parametrize(
    "junk",
    [
        b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/WS x\r\n\r\n",
        b"\x16\x03\x01\x00" * 50,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_handshake(junk: bytes) -> None:
    with (
        Agent("ws", limits=StreamLimits(connect=0.5)) as agent,
        socket.create_connection(agent.address("WS"), PATIENCE) as stranger,
        WebSocketPeer(agent.address("WS")) as peer,
    ):
        stranger.sendall(junk)
        peer.ping()
        while stranger.recv(1000):
            pass
        peer.ping()


def test_an_unmasked_frame_breaks_the_protocol() -> None:
    """RFC 6455 section 5.1."""
    with Agent("ws") as agent, WebSocketPeer(agent.address("WS")) as peer:
        peer.socket.sendall(frame(TEXT, peer.request("OPTIONS"), masked=False))
        while peer.socket.recv(4096):
            pass


def test_a_bad_message_costs_only_itself() -> None:
    with Agent("ws") as agent, WebSocketPeer(agent.address("WS")) as peer:
        peer.send(peer.request("OPTIONS").replace(b"Max-Forwards: 70", b"Max-Forwards: x"))
        peer.response(400)
        peer.send(b"\xc3\xa9 no message")
        peer.ping()


def answering(agent: Agent, event: events.Event) -> None:
    if isinstance(event, events.CallReceived):
        agent.answer(event.resource)


@pytest.mark.parametrize("transport", ["WS", "WSS"])
def test_a_call_between_two(tmp_path: Path, transport: str) -> None:
    """Our client's handshake, and one of its messages a WebSocket message."""
    authority = Authority(tmp_path)
    kind = transport.lower()
    with (
        Agent(kind, tls=authority.files(), on_event=answering) as callee,
        Agent(kind, tls=authority.files()) as caller,
    ):
        callee.engine.set_tracing(True)
        uri = callee.uri(transport)
        if transport == "WSS":
            # RFC 7118 section 5.4: sips says that there is TLS.
            uri = uri.replace("sip:", "sips:").replace("=wss", "=ws")
        caller.result(caller.invite(uri, wait_for=WaitFor.FINAL))
        callee.wait(events.CallConfirmed)
        callee.hangup(callee.wait(events.CallReceived).resource)
        caller.wait(events.CallEnded)
        invite = callee.wait_traced(1)[0].message
        assert isinstance(invite, Request)
        assert invite.via.transport == transport
        assert ";transport=ws>" in (invite.headers.get("Contact") or "")


def test_one_value_for_both(tmp_path: Path) -> None:
    """RFC 7118 section 5.4: "ws" leads over the connection under TLS where such a one stands."""
    authority = Authority(tmp_path)
    with (
        Agent("wss", tls=authority.files(), on_event=answering) as callee,
        Agent("ws", "wss", tls=authority.files()) as caller,
    ):
        callee.engine.set_tracing(True)
        for value in ("wss", "ws"):
            uri = callee.uri("WSS").replace("=wss", f"={value}")
            caller.result(caller.invite(uri, wait_for=WaitFor.FINAL))
        traced = [each.message for each in callee.wait_traced(4)]
        invites = [each for each in traced if isinstance(each, Request) and each.method == "INVITE"]
        assert [each.via.transport for each in invites] == ["WSS", "WSS"]


def test_a_server_that_speaks_no_sip() -> None:
    with TcpHost() as host, Agent("ws") as caller:
        token = caller.invite(host.uri().replace("=tcp", "=ws"), wait_for=WaitFor.FINAL)
        sock, _ = host.socket.accept()
        with sock:
            sock.settimeout(PATIENCE)
            request = b""
            while b"\r\n\r\n" not in request:
                request += sock.recv(4096)
            assert b"Sec-WebSocket-Protocol: sip\r\n" in request
            sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            assert "refused with 404" in caller.failure(token).detail


def test_a_contact_at_somebody_elses_host_diverts_nothing() -> None:
    """Only names that nobody has are reached over the connection that they came by."""
    with (
        Agent("ws", "tcp") as agent,
        TcpHost() as host,
        WebSocketPeer(agent.address("WS")) as peer,
    ):
        contact = f"sip:peer@{host.host}:{host.port};transport=ws"
        peer.send(peer.request("OPTIONS").replace(peer.uri().encode(), contact.encode()))
        peer.response(200)
        agent.invite(host.uri())
        with host.accept() as other:
            other.reply(other.expect("INVITE"), 486)
            other.expect("ACK")
