"""SIP over WebSocket: RFC 7118, over the WebSocket protocol of ``wsproto``."""

from __future__ import annotations

from collections.abc import Iterator

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from picosip_server.engine.transport.layers import Incoming, LayerError, Reply
from picosip_server.sip.errors import ParseError
from picosip_server.sip.framing import KeepAlive
from picosip_server.sip.parse import DEFAULT_LIMITS

SUBPROTOCOL = "sip"
_REFUSAL = b"This is SIP over WebSocket: ask for Sec-WebSocket-Protocol: sip (RFC 7118).\n"


class WebSocketFraming:
    """One SIP message a WebSocket message (section 5.2), for either end of the handshake.

    ``host`` is whom a client of ours speaks to, as in the Host header.
    """

    fault: ParseError | None = None

    def __init__(self, *, server: bool, host: str = "") -> None:
        self._ws = WSConnection(ConnectionType.SERVER if server else ConnectionType.CLIENT)
        self._server = server
        self._host = host
        self._parts: list[bytes] = []
        self._size = 0
        self.ready = False
        self.closing = False

    @property
    def pending(self) -> int:
        """Octets of a message whose last frame has not come."""
        return self._size

    def begin(self) -> bytes:
        """A client asks first (section 4.1)."""
        if self._server:
            return b""
        return self._ws.send(Request(host=self._host, target="/", subprotocols=[SUBPROTOCOL]))

    def wrap(self, message: bytes) -> bytes:
        """A SIP message as one binary message: its octets need not be UTF-8."""
        try:
            text = message.decode()
        except UnicodeDecodeError:
            return self._ws.send(BytesMessage(data=message))
        # Browsers hand text over as text.
        return self._ws.send(TextMessage(data=text))

    def await_pong(self) -> None:
        """A message says by itself what it is."""

    def feed(self, data: bytes) -> Iterator[Incoming]:
        """Messages, keep-alives, and what the protocol itself has to answer."""
        try:
            self._ws.receive_data(data)
            for event in self._ws.events():
                if isinstance(event, TextMessage | BytesMessage):
                    yield from self._message(event)
                else:
                    yield from self._control(event)
        except RemoteProtocolError as error:
            if error.event_hint is not None and self._ws.state is not ConnectionState.CLOSED:
                yield Reply(self._ws.send(error.event_hint))
            raise LayerError(f"WebSocket: {error}") from error
        except LocalProtocolError as failure:
            raise LayerError(f"WebSocket: {failure}") from failure

    def _control(self, event: object) -> Iterator[Incoming]:
        if isinstance(event, Request):
            yield Reply(self._answer(event))
        elif isinstance(event, AcceptConnection):
            if event.subprotocol != SUBPROTOCOL:
                # Section 4.2: a server that does not name it does not speak it.
                raise LayerError("the WebSocket server does not speak SIP (RFC 7118)")
            self.ready = True
        elif isinstance(event, RejectConnection):
            raise LayerError(f"the WebSocket server refused with {event.status_code}")
        elif isinstance(event, Ping):
            yield Reply(self._ws.send(event.response()))
        elif isinstance(event, CloseConnection):
            self.closing = True
            if self._ws.state is ConnectionState.REMOTE_CLOSING:
                yield Reply(self._ws.send(event.response()))

    def _answer(self, request: Request) -> bytes:
        if SUBPROTOCOL in request.subprotocols:
            self.ready = True
            return self._ws.send(AcceptConnection(subprotocol=SUBPROTOCOL))
        self.closing = True
        headers = [
            (b"Content-Type", b"text/plain"),
            (b"Content-Length", str(len(_REFUSAL)).encode()),
        ]
        rejection = RejectConnection(status_code=400, headers=headers, has_body=True)
        return self._ws.send(rejection) + self._ws.send(RejectData(data=_REFUSAL))

    def _message(self, event: TextMessage | BytesMessage) -> Iterator[Incoming]:
        data = event.data
        piece = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else bytes(data)
        self._parts.append(piece)
        self._size += len(piece)
        if self._size > DEFAULT_LIMITS.message_octets:
            yield Reply(self._ws.send(CloseConnection(code=1009, reason="message too large")))
            raise LayerError("a WebSocket message larger than a SIP message may be")
        if not event.message_finished:
            return
        whole = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        if not whole.strip(b"\r\n"):
            # RFC 5626 section 3.5.1, in a message of its own.
            yield KeepAlive.PING if len(whole) > 2 else KeepAlive.PONG
        else:
            yield whole
