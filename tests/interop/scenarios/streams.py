"""Streams: what SIPp cannot do to a connection, done by hand (``tests/support/raw.py``)."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import grpc
import pytest
import trustme
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, RejectConnection, Request, TextMessage

from picosip.v1 import request_service_pb2 as request_pb
from tests.interop.suite import Play, scenario
from tests.support.app import App
from tests.support.failures import failure_of
from tests.support.raw import SDP, RawMessage, RawTcp, request


def options(peer: RawTcp) -> None:
    """The server answers OPTIONS on this connection."""
    peer.send(request("OPTIONS", peer))
    response = peer.receive()
    assert response is not None
    assert response.status == 200


@scenario("rfc3261-s18.3-cut-in-header-uac", file=False)
def stream_is_cut_inside_a_header(play: Play) -> None:
    """Half of an INVITE, and the connection is gone: nothing of it counts, nobody else is hurt."""
    app = play.app
    with RawTcp(play.server.tcp) as other:
        with RawTcp(play.server.tcp) as cut:
            whole = request("INVITE", cut, "Content-Type: application/sdp", body=SDP)
            cut.send(whole[: whole.index(b"Call-ID") + 4])
            # Another connection is served meanwhile.
            options(other)
        options(other)
    app.catch_up()
    assert app.of_kind("call_received") == []


@scenario("rfc3261-s18.3-pieces-uac", file=False)
def message_comes_in_pieces(play: Play) -> None:
    """A header cut in the middle of its name, and two messages in one piece."""
    assert play.app.failure is None
    with RawTcp(play.server.tcp) as peer, RawTcp(play.server.tcp) as other:
        whole = request("OPTIONS", peer)
        peer.send(whole[: whole.index(b"CSeq") + 2])
        options(other)
        peer.send(whole[whole.index(b"CSeq") + 2 :] + request("OPTIONS", peer))
        for _ in range(2):
            response = peer.receive()
            assert response is not None
            assert response.status == 200


@scenario("rfc5626-s4.4.1-crlf-keep-alive-uac", file=False)
def empty_lines_are_answered(play: Play) -> None:
    """A double CRLF gets a single one, between messages and not inside of one."""
    assert play.app.failure is None
    with RawTcp(play.server.tcp) as peer:
        for _ in range(3):
            peer.send(b"\r\n\r\n")
            assert peer.read() == b"\r\n"
        options(peer)
        # Section 7.5 of RFC 3261: empty lines before a start line are skipped.
        peer.send(b"\r\n")
        options(peer)


class Browser:
    """A WebSocket client that asks for ``subprotocols``."""

    def __init__(self, port: int, *subprotocols: str) -> None:
        self.server = ("127.0.0.1", port)
        self.host, self.port = "browser.invalid", 9
        self.socket = socket.create_connection(self.server, timeout=5.0)
        self._connection = WSConnection(ConnectionType.CLIENT)
        opening = Request(host=f"127.0.0.1:{port}", target="/", subprotocols=list(subprotocols))
        self.socket.sendall(self._connection.send(opening))
        self.opened = self._next()

    def _next(self) -> object:
        while True:
            for event in self._connection.events():
                return event
            octets = self.socket.recv(65535)
            self._connection.receive_data(octets or None)

    def send(self, octets: bytes) -> None:
        """One message."""
        self.socket.sendall(self._connection.send(TextMessage(data=octets.decode())))

    def receive(self) -> RawMessage:
        """The next message."""
        event = self._next()
        assert isinstance(event, TextMessage | BytesMessage), event
        data = event.data
        return RawMessage.read(data.encode() if isinstance(data, str) else bytes(data))

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


WS = ("--sip=ws:127.0.0.1:0",)


@scenario("rfc7118-s4.1-subprotocol-uac", file=False, flags=WS)
def subprotocol_is_sip(play: Play) -> None:
    """Agreed where it is offered, with others too; then SIP passes, each message a frame."""
    assert play.app.failure is None
    for offered in (["sip"], ["chat", "sip"]):
        with Browser(play.server.ports["ws"], *offered) as browser:
            assert isinstance(browser.opened, AcceptConnection)
            assert browser.opened.subprotocol == "sip"
            via = b"Via: SIP/2.0/WS browser.invalid;branch=z9hG4bKws"
            octets = request("OPTIONS", browser)  # type: ignore[arg-type]
            head, _, rest = octets.partition(b"Via: ")
            browser.send(head + via + b"\r\n" + rest.partition(b"\r\n")[2])
            response = browser.receive()
            assert response.status == 200
            assert response.one("Via").startswith("SIP/2.0/WS browser.invalid")


@scenario("rfc7118-s4.1-no-subprotocol-uac", file=False, flags=WS, over=["none", "chat"])
def another_subprotocol_is_refused(play: Play, offered: str) -> None:
    assert play.app.failure is None
    with Browser(play.server.ports["ws"], *([] if offered == "none" else [offered])) as browser:
        assert isinstance(browser.opened, RejectConnection)
        assert 400 <= browser.opened.status_code < 500


def trusting(home: Path, authority: trustme.CA) -> list[str]:
    """Flags of a server that speaks TLS and trusts this authority."""
    own = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(home / "ca.pem"))
    own.private_key_pem.write_to_path(str(home / "key.pem"))
    own.cert_chain_pems[0].write_to_path(str(home / "cert.pem"))
    return [
        "--sip=tls:127.0.0.1:0",
        f"--sip-tls-cert={home / 'cert.pem'}",
        f"--sip-tls-key={home / 'key.pem'}",
        f"--sip-tls-ca={home / 'ca.pem'}",
    ]


@scenario("rfc5922-s7.3-wrong-name-uas", file=False, over=["other.example.com", "127.0.0.1"])
def certificate_names_somebody(play: Play, name: str) -> None:
    """The far end's certificate, of a trusted authority, names another: no request goes there."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    flags = trusting(play.home, authority)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        play.server_with(*flags) as server,
        App(server.grpc) as app,
    ):
        uri = f"sip:far@127.0.0.1:{listener.getsockname()[1]};transport=tls"
        future = app.requests.Ping.future(request_pb.PingRequest(uri=uri), timeout=10)
        listener.settimeout(5.0)
        plain, _ = listener.accept()
        with plain:
            plain.settimeout(5.0)
            if name == "127.0.0.1":
                with context.wrap_socket(plain, server_side=True) as secured:
                    asked = RawMessage.read(secured.recv(65535))
                    assert asked.method == "OPTIONS"
                    lines = [
                        f"{field}: {value}"
                        for field in ("Via", "From", "To", "Call-ID", "CSeq")
                        for value in asked.all(field)
                    ]
                    answer = "\r\n".join(["SIP/2.0 200 OK", *lines, "Content-Length: 0", "", ""])
                    secured.sendall(answer.encode())
                    assert future.result().response.status.code == 200
                return
            received = b""
            try:
                with context.wrap_socket(plain, server_side=True) as secured:
                    received = secured.recv(65535)
            except (ssl.SSLError, ConnectionError):
                pass
            assert received == b""
        with pytest.raises(grpc.RpcError) as raised:
            future.result()
        assert failure_of(raised.value).status == 0
