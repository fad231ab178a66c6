"""One connection of a stream transport: TCP, TLS, WS or WSS. A bounded queue out."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from picosip_server.engine.network import Sender
from picosip_server.engine.transport.layers import (
    Framing,
    LayerError,
    Plain,
    Reply,
    Security,
    SipFraming,
)
from picosip_server.frozen import dataclass
from picosip_server.sip.errors import ParseError
from picosip_server.sip.framing import PING, KeepAlive

BATCH = 16
"""Connections accepted before others get their turn."""
READS = 2
CHUNK = 16384
"""What is read of a connection before others, and datagrams, get their turn: some 80 messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """What peers on streams may cost us. Times are seconds."""

    connect: float = 10.0
    """Until a connection stands, with its handshakes. Shorter than timer B, so that another hop
    can be tried."""
    patience: float = 32.0
    """Until a message that has begun is whole, and until a peer takes some of what waits."""
    linger: float = 2.0
    """Until a connection is closed whose peer was told that it is faulty."""
    queued: int = 4 * 1024 * 1024
    """Octets that wait for a slow peer before the connection is given up."""
    connections: int = 20_000


DEFAULT_LIMITS: Final = StreamLimits()


class Owner(Protocol):
    """Who keeps the connections."""

    def arrived(self, connection: StreamConnection, data: bytes) -> None:
        """A whole message came."""

    def ponged(self, connection: StreamConnection) -> None:
        """A single CRLF came: the answer to a keep-alive, if one was sent."""

    def broken(self, connection: StreamConnection, error: ParseError) -> None:
        """The stream cannot be framed any more; the connection closes after the answer."""

    def closed(self, connection: StreamConnection, detail: str) -> None:
        """The connection is to be closed, or is already."""

    def stands(self, connection: StreamConnection) -> None:
        """Messages pass from now on."""

    def wants(self, connection: StreamConnection, *, write: bool) -> None:
        """What the loop is to watch for."""


class StreamConnection:
    """``number`` is unique among all connections of the server and names the flow."""

    __slots__ = (
        "_clock",
        "_framing",
        "_limits",
        "_out",
        "_owner",
        "_queued",
        "_read_due",
        "_ready_due",
        "_security",
        "_waiting",
        "_write_due",
        "closing",
        "connected",
        "domain",
        "listener",
        "local",
        "number",
        "peer",
        "socket",
        "transport",
        "used",
    )

    def __init__(
        self,
        number: int,
        sock: socket.socket,
        peer: tuple[str, int],
        owner: Owner,
        *,
        listener: int,
        connected: bool,
        clock: Callable[[], float],
        limits: StreamLimits = DEFAULT_LIMITS,
        transport: str = "TCP",
        domain: str = "",
        security: Security | None = None,
        framing: Framing | None = None,
    ) -> None:
        self.number = number
        self.socket = sock
        self.peer = peer
        self.listener = listener
        self.connected = connected
        self.transport = transport
        self.domain = domain
        """Whom we connected to, as its certificate says; empty where the peer connected."""
        self.closing = False
        """Takes and brings no messages any more; only what waits goes out."""
        self.local: tuple[str, int] = sock.getsockname()[:2] if connected else ("", 0)
        self.used = clock()
        """When octets went or came last."""
        self._owner = owner
        self._clock = clock
        self._limits = limits
        self._security: Security = security or Plain()
        self._framing: Framing = framing or SipFraming()
        self._waiting: list[tuple[bytes, Sender | None]] = []
        """Messages before the handshakes are done."""
        self._out: deque[tuple[bytes, Sender | None]] = deque()
        """Octets for the socket."""
        self._queued = 0
        self._read_due: float | None = None
        self._write_due: float | None = None
        self._ready_due: float | None = None if self.ready else clock() + limits.connect

    @property
    def ready(self) -> bool:
        """Whether messages pass: it stands, and its handshakes are done."""
        return self.connected and self._security.ready and self._framing.ready

    @property
    def unused(self) -> bool:
        """Whether nobody waits for it to stand."""
        return not self._waiting

    @property
    def senders(self) -> list[Sender]:
        """Whose messages have not left yet."""
        return [sender for _, sender in (*self._out, *self._waiting) if sender is not None]

    def begin(self) -> None:
        """Says what the layers have to say first, once the connection stands."""
        self._guarded(self._security.begin)
        self._secured()
        self._advance()

    def _secured(self) -> None:
        if self._security.ready and self.socket.fileno() >= 0:
            self._guarded(lambda: self._security.seal(self._framing.begin()))

    def overdue(self, now: float) -> str:
        """Why the connection is to be given up now; empty: it is not."""
        if self._read_due is not None and self._read_due <= now:
            return "closed as faulty" if self.closing else "timed out in the midst of a message"
        if self._ready_due is not None and self._ready_due <= now:
            return "timed out without an answer"
        if self._write_due is not None and self._write_due <= now:
            return "the peer reads nothing"
        return ""

    def send(self, data: bytes, sender: Sender | None) -> None:
        """Sends now what can be sent, and the rest as the peer takes it."""
        self.used = self._clock()
        if data == PING:
            self._framing.await_pong()
        if self.ready:
            self._guarded(lambda: self._security.seal(self._framing.wrap(data)), sender)
            return
        self._waiting.append((data, sender))
        self._queued += len(data)
        self._check_room()

    def _guarded(self, make: Callable[[], bytes], sender: Sender | None = None) -> None:
        """Puts the octets of a layer on their way; a layer that fails ends the connection."""
        try:
            data = make()
        except LayerError as error:
            self._fail(error)
            return
        if data:
            self._out.append((data, sender))
            self._queued += len(data)
            if self._check_room() and self.connected and len(self._out) == 1:
                self.flush()

    def _check_room(self) -> bool:
        if self._queued > self._limits.queued:
            self._owner.closed(self, "the peer does not read what is sent to it")
            return False
        return True

    def _fail(self, error: LayerError) -> None:
        words = self._security.last_words()
        if words and self.connected and not self._out and self.socket.fileno() >= 0:
            try:
                self.socket.send(words)
            except OSError as problem:
                self._owner.closed(self, f"{error}; {problem.strerror or problem}")
                return
        self._owner.closed(self, str(error))

    def _advance(self) -> None:
        """Goes on with what waited for a layer to become ready."""
        if self._ready_due is None or self.socket.fileno() < 0:
            return
        if self.ready:
            self._ready_due = None
            self._owner.stands(self)
            waiting, self._waiting = self._waiting, []
            for data, sender in waiting:
                self._queued -= len(data)
                self.send(data, sender)

    def flush(self) -> None:
        """Writes what waits."""
        progress = False
        while self._out:
            data, sender = self._out[0]
            try:
                sent = self.socket.send(data)
            except BlockingIOError:
                break
            except OSError as error:
                self._owner.closed(self, error.strerror or str(error))
                return
            progress = True
            self._queued -= sent
            if sent < len(data):
                self._out[0] = (data[sent:], sender)
                break
            self._out.popleft()
        if not self._out:
            self._write_due = None
            if self.closing and not self._say_end():
                return
        elif progress or self._write_due is None:
            self._write_due = self._clock() + self._limits.patience
        self._owner.wants(self, write=bool(self._out))

    def writable(self) -> None:
        """The loop says that the socket takes octets, or that connecting ended."""
        if not self.connected:
            problem = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if problem:
                self._owner.closed(self, os.strerror(problem))
                return
            self.connected = True
            self.local = self.socket.getsockname()[:2]
            self.begin()
            if self.socket.fileno() < 0:
                return
        self.flush()

    def readable(self) -> None:
        """The loop says that octets came."""
        for _ in range(READS):
            try:
                data = self.socket.recv(CHUNK)
            except BlockingIOError:
                return
            except OSError as error:
                self._owner.closed(self, error.strerror or str(error))
                return
            if not data:
                self._owner.closed(self, "closed by the peer")
                return
            self.used = self._clock()
            if not self.closing:
                self._take(data)
            if self.socket.fileno() < 0:
                # What it brought had it closed.
                return

    def _take(self, data: bytes) -> None:
        was_ready = self._security.ready
        try:
            plain, reply = self._security.open(data)
        except LayerError as error:
            self._fail(error)
            return
        self._guarded(lambda: reply)
        if not was_ready:
            self._secured()
        if plain and self.socket.fileno() >= 0:
            self._read(plain)
        self._advance()

    def _read(self, plain: bytes) -> None:
        whole = False
        fault = None
        try:
            for frame in self._framing.feed(plain):
                if isinstance(frame, bytes):
                    whole = True
                    self._owner.arrived(self, frame)
                elif isinstance(frame, Reply):
                    self._guarded(partial(self._security.seal, frame.data))
                elif frame is KeepAlive.PING:
                    # RFC 5626 section 3.5.1
                    self.send(b"\r\n", None)
                else:
                    self._owner.ponged(self)
        except ParseError as error:
            fault = error
        except LayerError as failure:
            # By a name of its own: to mypyc a variable has one type.
            self._fail(failure)
            return
        fault = fault or self._framing.fault
        if fault is not None:
            self._owner.broken(self, fault)
            self._close_gently()
        elif self._framing.closing:
            self._close_gently()
        elif not self._framing.pending:
            self._read_due = None
        elif whole or self._read_due is None:
            # A busy peer's segments nearly always end within a message: each gets its own time.
            self._read_due = self._clock() + self._limits.patience

    def _close_gently(self) -> None:
        """Closes once the peer has the answer.

        Were the socket closed with octets unread, the system would reset the connection, and
        the peer might lose the answer: so our end is closed, and what comes is thrown away.
        """
        self.closing = True
        self._read_due = self._clock() + self._limits.linger
        if self.connected and self.socket.fileno() >= 0:
            self.flush()

    def _say_end(self) -> bool:
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._owner.closed(self, error.strerror or str(error))
            return False
        return True


def open_listener(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        OSError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # A restarted server binds again while old connections are in TIME_WAIT.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind((host, port))
        sock.listen(1024)
    except OSError:
        sock.close()
        raise
    return sock


def prepare(sock: socket.socket) -> None:
    """Options of every connection: no Nagle delay, and the system finds dead peers."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
