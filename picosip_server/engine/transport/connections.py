"""All TCP connections of the server: accepted, opened, found again, closed (18.1.1, 18.2.2)."""

from __future__ import annotations

import errno
import os
import selectors
import socket
from collections.abc import Callable

import structlog

from picosip_server.engine.complaints import Complaints
from picosip_server.engine.network import Sender, Source, Unreachable
from picosip_server.engine.transport.listeners import Listeners
from picosip_server.engine.transport.tcp import (
    BATCH,
    DEFAULT_LIMITS,
    StreamLimits,
    TcpConnection,
    prepare,
)
from picosip_server.sip.errors import ParseError
from picosip_server.sip.hop import Hop

_log = structlog.get_logger("picosip.engine")


class Connections:
    """Belongs to the thread that owns the sockets.

    ``deliver`` gets whole messages, ``fault`` streams that broke, ``failed`` senders whose
    messages could not leave; ``closed`` and ``pong`` get the numbers of connections that
    ended, or brought the answer to a keep-alive; ``admits`` says whose connections are taken.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        listeners: Listeners,
        *,
        deliver: Callable[[bytes, Source], None],
        fault: Callable[[ParseError, Source], None],
        failed: Callable[[Sender, str], None],
        closed: Callable[[int], None],
        pong: Callable[[int], None],
        clock: Callable[[], float],
        admits: Callable[[str], bool] = lambda host: True,
        limits: StreamLimits = DEFAULT_LIMITS,
    ) -> None:
        self._selector = selector
        self._listeners = listeners
        self._deliver = deliver
        self._fault = fault
        self._failed = failed
        self._closed = closed
        self._pong = pong
        self._clock = clock
        self._admits = admits
        self._limits = limits
        self._complaints = Complaints()
        self._by_number: dict[int, TcpConnection] = {}
        self._by_peer: dict[tuple[str, int], TcpConnection] = {}
        self._paused: list[selectors.SelectorKey] = []
        self._count = 0

    def accept(self, listener: int, sock: socket.socket) -> None:
        """Takes in whoever knocks, a batch at most."""
        for _ in range(BATCH):
            try:
                accepted, peer = sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                # Out of descriptors. Whoever knocks would wake us on and on: we do not listen
                # until we look connections over.
                _log.warning("tcp accept failed", error=str(error))
                self._paused.append(self._selector.unregister(sock))
                return
            if not self._admits(peer[0]):
                accepted.close()
                continue
            if len(self._by_number) >= self._limits.connections:
                accepted.close()
                self._complain(peer[0], "too many connections")
                continue
            try:
                prepare(accepted)
                self._add(accepted, peer[:2], listener, connected=True)
            except OSError as error:
                # Some systems say here that the peer is gone already.
                accepted.close()
                self._complain(peer[0], str(error))

    def send(self, hop: Hop, data: bytes, sender: Sender | None) -> None:
        """Sends over the flow, else over a connection to the address, else over a new one.

        Raises:
            Unreachable: no connection can even be begun.
        """
        connection = self._by_number.get(hop.flow)
        if connection is None or connection.closing:
            connection = self._by_peer.get((hop.host, hop.port))
        if connection is None or connection.closing:
            connection = self._connect(hop)
        connection.send(data, sender)

    def expire(self, now: float) -> None:
        """Gives up connections that keep us waiting. To be called about once a second."""
        for connection in list(self._by_number.values()):
            why = connection.overdue(now)
            if why:
                self.closed(connection, why)
        for key in self._paused:
            self._selector.register(key.fileobj, key.events, key.data)
        self._paused.clear()

    def close(self) -> None:
        """Closes all."""
        for connection in list(self._by_number.values()):
            self._drop(connection)

    def _connect(self, hop: Hop) -> TcpConnection:
        if len(self._by_number) >= self._limits.connections:
            raise Unreachable(f"this server has {self._limits.connections} connections, its most")
        family = socket.AF_INET6 if ":" in hop.host else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise _cannot_connect(hop, error.strerror or str(error)) from None
        try:
            prepare(sock)
            # 18.1.1: where the connection breaks, the peer opens one to the address that it
            # came from and the port in the Via. So it is to come from where we listen.
            sock.bind((self._listeners.source(hop.listener), 0))
            problem = sock.connect_ex((hop.host, hop.port))
            if problem not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
                raise OSError(problem, os.strerror(problem))
            return self._add(sock, (hop.host, hop.port), hop.listener, connected=problem == 0)
        except (OSError, OverflowError) as error:
            sock.close()
            reason = error.strerror if isinstance(error, OSError) else None
            raise _cannot_connect(hop, reason or str(error)) from None

    def _add(
        self, sock: socket.socket, peer: tuple[str, int], listener: int, *, connected: bool
    ) -> TcpConnection:
        self._count += 1
        connection = TcpConnection(
            self._count,
            sock,
            peer,
            self,
            listener=listener,
            connected=connected,
            clock=self._clock,
            limits=self._limits,
        )
        events = selectors.EVENT_READ if connected else selectors.EVENT_WRITE
        self._selector.register(sock, events, self._watcher(connection))
        self._by_number[connection.number] = connection
        self._by_peer[peer] = connection
        return connection

    def _watcher(self, connection: TcpConnection) -> Callable[[int], None]:
        def ready(mask: int) -> None:
            # It may have been closed since the selector reported it.
            if mask & selectors.EVENT_WRITE and connection.number in self._by_number:
                connection.writable()
            if mask & selectors.EVENT_READ and connection.number in self._by_number:
                connection.readable()

        return ready

    # As the owner of connections.

    def arrived(self, connection: TcpConnection, data: bytes) -> None:
        """A whole message."""
        self._deliver(data, self._source(connection))

    def ponged(self, connection: TcpConnection) -> None:
        """A single CRLF (RFC 5626 section 3.5.1)."""
        self._pong(connection.number)

    def broken(self, connection: TcpConnection, error: ParseError) -> None:
        """The stream lost its frame (18.3); ``_fault`` may answer before it closes."""
        self._fault(error, self._source(connection))

    def closed(self, connection: TcpConnection, detail: str) -> None:
        """The connection ends: whose messages had not left are told."""
        if connection.number not in self._by_number:
            return
        self._drop(connection)
        host, port = connection.peer
        _log.debug("tcp closed", peer=host, port=port, detail=detail)
        self._closed(connection.number)
        what = "connection to" if connection.connected else "cannot connect to"
        for sender in connection.senders:
            self._failed(sender, f"{what} {host} port {port}/TCP: {detail}")

    def wants(self, connection: TcpConnection, *, write: bool) -> None:
        """Watches for room to write only while something waits."""
        if connection.number not in self._by_number:
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
        key = self._selector.get_key(connection.socket)
        if key.events != events:
            self._selector.modify(connection.socket, events, key.data)

    def _drop(self, connection: TcpConnection) -> None:
        del self._by_number[connection.number]
        if self._by_peer.get(connection.peer) is connection:
            del self._by_peer[connection.peer]
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def _source(self, connection: TcpConnection) -> Source:
        host, port = connection.peer
        local_host, local_port = self._listeners.local(
            connection.listener, host, own=connection.local[0]
        )
        return Source(
            transport="TCP",
            host=host,
            port=port,
            local_host=local_host,
            local_port=local_port,
            listener=connection.listener,
            flow=connection.number,
        )

    def _complain(self, peer: str, reason: str) -> None:
        self._complaints.about(peer, self._clock(), "tcp connection refused", reason=reason)


def _cannot_connect(hop: Hop, reason: str) -> Unreachable:
    return Unreachable(f"cannot connect to {hop.host} port {hop.port}/TCP: {reason}")
