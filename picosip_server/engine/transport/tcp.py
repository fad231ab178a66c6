"""One TCP connection: framing in, a bounded queue out."""

from __future__ import annotations

import errno
import socket
from typing import Protocol

from picosip_server.engine.network import Sender
from picosip_server.sip.errors import ParseError
from picosip_server.sip.framing import KeepAlive, StreamFramer

MOST_QUEUED = 4 * 1024 * 1024
"""Octets that wait for a slow peer before the connection is given up."""
PATIENCE = 32.0
"""Seconds to connect, and seconds that a message may take to arrive whole."""
BATCH = 16
"""Reads before other connections get their turn."""


class Owner(Protocol):
    """Who keeps the connections."""

    def arrived(self, connection: TcpConnection, data: bytes) -> None:
        """A whole message came."""

    def broken(self, connection: TcpConnection, error: ParseError) -> None:
        """The stream cannot be framed any more; the connection closes after the answer."""

    def closed(self, connection: TcpConnection, detail: str) -> None:
        """The connection is gone."""

    def wants(self, connection: TcpConnection, *, write: bool) -> None:
        """What the loop is to watch for."""


class TcpConnection:
    """``number`` is unique among all connections of the server and names the flow."""

    __slots__ = (
        "_closing",
        "_framer",
        "_owner",
        "_queue",
        "_queued",
        "_senders",
        "connected",
        "deadline",
        "listener",
        "local",
        "number",
        "peer",
        "socket",
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
        now: float,
    ) -> None:
        self.number = number
        self.socket = sock
        self.peer = peer
        self.listener = listener
        self.connected = connected
        self.local: tuple[str, int] = sock.getsockname()[:2] if connected else ("", 0)
        self.deadline: float | None = None if connected else now + PATIENCE
        """When the connection is given up: it does not connect, or a message stays unfinished."""
        self._owner = owner
        self._framer = StreamFramer()
        self._queue: list[bytes] = []
        self._queued = 0
        self._senders: list[Sender] = []
        self._closing = False

    @property
    def senders(self) -> list[Sender]:
        """Whose messages have not left yet."""
        return self._senders

    def send(self, data: bytes, sender: Sender | None) -> None:
        """Sends now what can be sent, and the rest as the peer takes it."""
        self._queue.append(data)
        self._queued += len(data)
        if sender is not None:
            self._senders.append(sender)
        if self._queued > MOST_QUEUED:
            self._owner.closed(self, "the peer does not read what is sent to it")
        elif self.connected and len(self._queue) == 1:
            self.flush()

    def flush(self) -> None:
        """Writes what waits."""
        while self._queue:
            head = self._queue[0]
            try:
                sent = self.socket.send(head)
            except BlockingIOError:
                break
            except OSError as error:
                self._owner.closed(self, error.strerror or str(error))
                return
            self._queued -= sent
            if sent < len(head):
                self._queue[0] = head[sent:]
                break
            self._queue.pop(0)
        if not self._queue:
            self._senders.clear()
            if self._closing:
                self._owner.closed(self, "closed after an answer to a faulty stream")
                return
        self._owner.wants(self, write=bool(self._queue))

    def writable(self) -> None:
        """The loop says that the socket takes octets, or that connecting ended."""
        if not self.connected:
            problem = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if problem:
                self._owner.closed(self, errno.errorcode.get(problem, str(problem)))
                return
            self.connected = True
            self.deadline = None
            self.local = self.socket.getsockname()[:2]
        self.flush()

    def readable(self, now: float) -> None:
        """The loop says that octets came."""
        for _ in range(BATCH):
            if self._closing:
                return
            try:
                data = self.socket.recv(65536)
            except BlockingIOError:
                return
            except OSError as error:
                self._owner.closed(self, error.strerror or str(error))
                return
            if not data:
                self._owner.closed(self, "closed by the peer")
                return
            if not self._take(data, now):
                return

    def _take(self, data: bytes, now: float) -> bool:
        fault = None
        try:
            for frame in self._framer.feed(data):
                if isinstance(frame, bytes):
                    self._owner.arrived(self, frame)
                elif frame is KeepAlive.PING:
                    # RFC 5626 section 3.5.1, RFC 3261 section 7.5.
                    self.send(b"\r\n", None)
        except ParseError as error:
            fault = error
        fault = fault or self._framer.fault
        if fault is not None:
            self._owner.broken(self, fault)
            self._closing = True
            self.flush()
            return False
        if not self._framer.pending:
            self.deadline = None
        elif self.deadline is None:
            self.deadline = now + PATIENCE
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
