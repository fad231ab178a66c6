"""What stands between a socket and SIP messages: a security layer, and a framing above it.

Both are machines without I/O: octets in, octets out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from picosip_server.frozen import dataclass
from picosip_server.sip.errors import ParseError
from picosip_server.sip.framing import KeepAlive, StreamFramer


class LayerError(Exception):
    """The peer broke the layer, or is not who it should be: the connection is to be closed."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Octets that a framing has to say by itself."""

    data: bytes


Incoming = bytes | KeepAlive | Reply


class Security(Protocol):
    """Plain octets, or TLS."""

    ready: bool
    """Whether octets of the layer above can pass."""

    def begin(self) -> bytes:
        """What to say once the connection stands. Raises LayerError."""

    def open(self, data: bytes) -> tuple[bytes, bytes]:
        """What octets of the network hold for the layer above, and what to reply to them.

        Raises LayerError.
        """

    def seal(self, data: bytes) -> bytes:
        """Octets of the layer above for the network. Raises LayerError."""

    def last_words(self) -> bytes:
        """What a connection that has failed still has to say: an alert."""


class Framing(Protocol):
    """Messages out of octets, and octets out of messages."""

    ready: bool
    """Whether messages can be sent."""
    closing: bool
    """The peer has said goodbye."""

    @property
    def fault(self) -> ParseError | None:
        """Why no message can come any more."""

    @property
    def pending(self) -> int:
        """Octets of a message that is not whole yet."""

    def begin(self) -> bytes:
        """What to say once the security layer is ready."""

    def feed(self, data: bytes) -> Iterable[Incoming]:
        """What octets bring. Raises ParseError and LayerError."""

    def wrap(self, message: bytes) -> bytes:
        """A message, or a keep-alive, as octets."""

    def await_pong(self) -> None:
        """A keep-alive of ours is on its way: its answer is to come."""


class Plain:
    """No security: TCP and WS."""

    ready = True

    def begin(self) -> bytes:
        """Nothing."""
        return b""

    def open(self, data: bytes) -> tuple[bytes, bytes]:
        """As it is."""
        return data, b""

    def seal(self, data: bytes) -> bytes:
        """As it is."""
        return data

    def last_words(self) -> bytes:
        """None."""
        return b""


class SipFraming:
    """Messages one behind the other, told apart by Content-Length (RFC 3261 section 18.3)."""

    ready = True
    closing = False

    def __init__(self) -> None:
        self._framer = StreamFramer()

    @property
    def fault(self) -> ParseError | None:
        """See ``Framing``."""
        return self._framer.fault

    @property
    def pending(self) -> int:
        """See ``Framing``."""
        return self._framer.pending

    def begin(self) -> bytes:
        """Nothing."""
        return b""

    def feed(self, data: bytes) -> Iterable[Incoming]:
        """See ``Framing``."""
        return self._framer.feed(data)

    def wrap(self, message: bytes) -> bytes:
        """As it is."""
        return message

    def await_pong(self) -> None:
        """See ``Framing``."""
        self._framer.await_pong()
