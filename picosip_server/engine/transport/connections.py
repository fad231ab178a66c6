"""All TCP connections of the server: accepted, opened, found again, closed (18.1.1, 18.2.2)."""

from __future__ import annotations

import errno
import selectors
import socket
from collections.abc import Callable

import structlog

from picosip_server.engine.network import Sender, Source, Unreachable
from picosip_server.engine.transport.listeners import Listeners
from picosip_server.engine.transport.tcp import TcpConnection, prepare
from picosip_server.sip.errors import ParseError
from picosip_server.sip.hop import Hop

MOST_CONNECTIONS = 20_000

_log = structlog.get_logger("picosip.engine")


class Connections:
    """Belongs to the thread that owns the sockets.

    ``deliver`` gets whole messages, ``fault`` streams that broke, ``failed`` senders whose
    messages could not leave.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        listeners: Listeners,
        *,
        deliver: Callable[[bytes, Source], None],
        fault: Callable[[ParseError, Source], None],
        failed: Callable[[Sender, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._selector = selector
        self._listeners = listeners
        self._deliver = deliver
        self._fault = fault
        self._failed = failed
        self._clock = clock
        self._by_number: dict[int, TcpConnection] = {}
        self._by_peer: dict[tuple[str, int], TcpConnection] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._by_number)

    def accept(self, listener: int, sock: socket.socket) -> None:
        """Takes in whoever knocks."""
        while True:
            try:
                accepted, peer = sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Out of descriptors, or the peer is gone already: the next knock tries again.
                _log.warning("tcp accept failed", error=str(error))
                return
            if len(self._by_number) >= MOST_CONNECTIONS:
                accepted.close()
                _log.warning("tcp connection refused", peer=peer[0], limit=MOST_CONNECTIONS)
                return
            self._add(accepted, peer[:2], listener, connected=True)

    def send(self, hop: Hop, data: bytes, sender: Sender | None) -> None:
        """Sends over the flow, else over a connection to the address, else over a new one.

        Raises:
            Unreachable: no connection can even be begun.
        """
        connection = self._by_number.get(hop.flow) if hop.flow else None
        connection = connection or self._by_peer.get((hop.host, hop.port))
        if connection is None:
            connection = self._connect(hop)
        connection.send(data, sender)

    def expire(self, now: float) -> None:
        """Gives up connections that keep us waiting."""
        for connection in list(self._by_number.values()):
            if connection.deadline is not None and connection.deadline <= now:
                what = "an unfinished message" if connection.connected else "no answer"
                self.closed(connection, f"timed out with {what}")

    def close(self) -> None:
        """Closes all."""
        for connection in list(self._by_number.values()):
            self._drop(connection)

    def _connect(self, hop: Hop) -> TcpConnection:
        family = socket.AF_INET6 if ":" in hop.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        prepare(sock)
        problem = sock.connect_ex((hop.host, hop.port))
        if problem not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            sock.close()
            name = errno.errorcode.get(problem, str(problem))
            raise Unreachable(f"cannot connect to {hop.host} port {hop.port}/TCP: {name}")
        return self._add(sock, (hop.host, hop.port), hop.listener, connected=problem == 0)

    def _add(
        self, sock: socket.socket, peer: tuple[str, int], listener: int, *, connected: bool
    ) -> TcpConnection:
        prepare(sock)
        self._count += 1
        connection = TcpConnection(
            self._count,
            sock,
            peer,
            self,
            listener=listener,
            connected=connected,
            now=self._clock(),
        )
        self._by_number[connection.number] = connection
        self._by_peer[peer] = connection
        events = selectors.EVENT_READ if connected else selectors.EVENT_WRITE
        self._selector.register(sock, events, self._watcher(connection))
        return connection

    def _watcher(self, connection: TcpConnection) -> Callable[[int], None]:
        def ready(mask: int) -> None:
            if mask & selectors.EVENT_WRITE:
                connection.writable()
            if mask & selectors.EVENT_READ and connection.number in self._by_number:
                connection.readable(self._clock())

        return ready

    # As the owner of connections.

    def arrived(self, connection: TcpConnection, data: bytes) -> None:
        """A whole message."""
        self._deliver(data, self._source(connection))

    def broken(self, connection: TcpConnection, error: ParseError) -> None:
        """The stream lost its frame (18.3); ``_fault`` may answer before it closes."""
        self._fault(error, self._source(connection))

    def closed(self, connection: TcpConnection, detail: str) -> None:
        """The connection ended: whose messages had not left are told."""
        if connection.number not in self._by_number:
            return
        senders = list(connection.senders)
        connected = connection.connected
        self._drop(connection)
        host, port = connection.peer
        _log.debug("tcp closed", peer=host, port=port, detail=detail)
        what = "connection to" if connected else "cannot connect to"
        for sender in senders:
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
        local_host, local_port = self._listeners.local(connection.listener, host)
        return Source(
            transport="TCP",
            host=host,
            port=port,
            local_host=local_host,
            local_port=local_port,
            listener=connection.listener,
            flow=connection.number,
        )
