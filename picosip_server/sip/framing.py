"""Messages out of a stream of octets (RFC 3261 section 18.3, RFC 5626 section 3.5.1)."""

from __future__ import annotations

import enum
import re

from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import number
from picosip_server.sip.parse import DEFAULT_LIMITS, Limits, salvage


class KeepAlive(enum.Enum):
    """Empty lines between messages."""

    PING = "ping"
    """CRLF CRLF: the peer wants a PONG back."""
    PONG = "pong"
    """A single CRLF."""


PING = b"\r\n\r\n"
"""What a ping is on the wire."""

Frame = bytes | KeepAlive

_EMPTY_LINE = b"\r\n\r\n"
_unfold = re.compile(rb"(?<![ \t])[ \t]*+\r\n[ \t]++").sub
_lengths = re.compile(
    rb"\r\n(?:[Cc][Oo][Nn][Tt][Ee][Nn][Tt]-[Ll][Ee][Nn][Gg][Tt][Hh]|[Ll])[ \t]*+:([^\r\n]*+)"
).findall


class StreamFramer:
    """Cuts the octets of one connection into messages.

    Messages come out the same however the octets were cut on their way. A CRLF that
    ends the octets at hand is reported as PONG at once and, should its second half
    follow, as PING then.
    """

    __slots__ = ("_awaited", "_buffer", "_half_ping", "_limits", "_searched", "fault")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._searched = 0
        self._half_ping = False
        self._awaited = 0
        self.fault: ParseError | None = None
        """Why the stream cannot be framed any more; set once and for all."""

    @property
    def pending(self) -> int:
        """Octets of a message that is not complete yet."""
        return len(self._buffer)

    def await_pong(self) -> None:
        """A ping went out: the next single CRLF answers it, and is no half of a ping.

        Or else the second of two answers in a row would be taken for the peer's own ping.
        """
        self._awaited += 1

    def feed(self, data: bytes) -> list[Frame]:
        """Takes octets in, gives back what they complete.

        Raises ParseError when the stream cannot be framed any more. Messages that were
        complete before are returned first; then ``fault`` is set and the next call raises.
        """
        if self.fault is not None:
            raise self.fault
        self._buffer += data
        frames: list[Frame] = []
        try:
            while self._buffer:
                frame = self._keep_alive() or self._message()
                if frame is None:
                    break
                frames.append(frame)
        except ParseError as error:
            self.fault = error
            self._buffer.clear()
            if not frames:
                raise
        return frames

    def _keep_alive(self) -> KeepAlive | None:
        buffer = self._buffer
        if not buffer.startswith(b"\r\n"):
            if buffer != b"\r":
                self._half_ping = False
            return None
        if self._half_ping:
            del buffer[:2]
            self._half_ping = False
            return KeepAlive.PING
        if buffer.startswith(PING):
            del buffer[:4]
            return KeepAlive.PING
        del buffer[:2]
        if self._awaited:
            self._awaited -= 1
        else:
            self._half_ping = True
        return KeepAlive.PONG

    def _message(self) -> bytes | None:
        buffer = self._buffer
        limits = self._limits
        end = buffer.find(_EMPTY_LINE, self._searched)
        if end < 0:
            if len(buffer) > limits.header_octets + len(_EMPTY_LINE):
                raise self._broken("header section too large", 513)
            self._searched = max(0, len(buffer) - len(_EMPTY_LINE) + 1)
            return None
        self._searched = end
        if end > limits.header_octets:
            raise self._broken("header section too large", 513)
        size = end + len(_EMPTY_LINE) + self._content_length(end)
        if size > limits.message_octets:
            raise self._broken("message too large", 413)
        if len(buffer) < size:
            return None
        frame = bytes(buffer[:size])
        del buffer[:size]
        self._searched = 0
        return frame

    def _content_length(self, end: int) -> int:
        head = bytes(self._buffer[:end])
        if b"\r\n " in head or b"\r\n\t" in head:
            head = _unfold(b" ", head)
        values = _lengths(head)
        # 20.14: mandatory on streams. With two of them the next message begins nowhere.
        if len(values) != 1:
            raise self._broken("Content-Length missing or repeated")
        try:
            return number(values[0].decode("latin-1").strip(" \t"), 2**31)
        except ParseError as error:
            raise self._broken(f"Content-Length: {error}") from error

    def _broken(self, detail: str, status: int = 400) -> ParseError:
        return ParseError(detail, status, request=salvage(bytes(self._buffer), self._limits))
