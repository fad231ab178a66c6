"""All stream connections of the server: accepted, opened, found again, closed (RFC 3261 18.1.1,
18.2.2)."""

from __future__ import annotations

import errno
import os
import selectors
import socket
from collections.abc import Callable, Iterable

import structlog

from picosip_server.engine.complaints import Complaints
from picosip_server.engine.network import Sender, Source, Unreachable
from picosip_server.engine.transport.idle import IdleWatch
from picosip_server.engine.transport.layers import (
    Framing,
    LayerError,
    Plain,
    Security,
    SipFraming,
)
from picosip_server.engine.transport.listeners import Listeners
from picosip_server.engine.transport.peers import (
    Peer,
    cannot_connect,
    peer_of,
    peer_of_connection,
)
from picosip_server.engine.transport.race import Races
from picosip_server.engine.transport.stream import (
    BATCH,
    DEFAULT_LIMITS,
    StreamConnection,
    StreamLimits,
    prepare,
)
from picosip_server.engine.transport.tls import Tls, TlsContexts
from picosip_server.engine.transport.websocket import WebSocketFraming
from picosip_server.sip.errors import ParseError
from picosip_server.sip.hop import SECURE, WEBSOCKET, Hop, bracketed

_log = structlog.get_logger("picosip.engine")


class Connections:
    """Belongs to the thread that owns the sockets.

    ``deliver`` gets whole messages, ``fault`` streams that broke, ``failed`` senders whose
    messages could not leave, with the number of the connection; ``closed`` and ``pong`` get the
    numbers of connections that ended, or brought the answer to a keep-alive; ``admits`` says
    whose connections are taken. ``idle`` gets the numbers of those that nothing went over for
    ``idle_timeout`` seconds (0: never), and has ``end_idle`` called for those that nobody needs.
    ``after`` has something done so many seconds later.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        listeners: Listeners,
        *,
        deliver: Callable[[bytes, Source], None],
        fault: Callable[[ParseError, Source], None],
        failed: Callable[[Sender, str, int], None],
        closed: Callable[[int], None],
        pong: Callable[[int], None],
        clock: Callable[[], float],
        admits: Callable[[str], bool] = lambda host: True,
        idle: Callable[[frozenset[int]], None] = lambda flows: None,
        idle_timeout: float = 0.0,
        after: Callable[[float, Callable[[float], None]], None] = lambda delay, work: None,
        limits: StreamLimits = DEFAULT_LIMITS,
        tls: TlsContexts | None = None,
    ) -> None:
        self._tls = tls
        self._selector = selector
        self._listeners = listeners
        self._deliver = deliver
        self._fault = fault
        self._failed = failed
        self._closed = closed
        self._pong = pong
        self._clock = clock
        self._admits = admits
        self._idle = IdleWatch(idle_timeout, idle)
        self._limits = limits
        self._complaints = Complaints()
        self.races = Races(self, after)
        self._by_number: dict[int, StreamConnection] = {}
        self._by_peer: dict[Peer, StreamConnection] = {}
        self._by_address: dict[tuple[str, str, int], StreamConnection] = {}
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
                self._accepted(accepted, peer[:2], listener)
            except (OSError, LayerError) as error:
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
            connection = self._reaching(hop)
        if connection is None or connection.closing:
            connection = self._connect(hop)
        connection.send(data, sender)

    def _reaching(self, hop: Hop) -> StreamConnection | None:
        """The connection to an address, whose peer is the domain that is sought.

        Where the address itself is sought, as in a Contact, it is whoever has come from there
        or has proved there to be some domain: certificates seldom name addresses, and a phone
        that connected to us listens nowhere (RFC 5923 section 8).
        """
        connection = self._by_peer.get(peer_of(hop))
        if connection is None and hop.domain in ("", hop.host):
            return self._by_address.get((hop.transport, hop.host, hop.port))
        return connection

    # As the track of races.

    def reaches(self, hop: Hop) -> bool:
        """Whether a connection to this address stands."""
        connection = self._reaching(hop)
        return connection is not None and connection.ready and not connection.closing

    def open(self, hop: Hop) -> int:
        """Begins a connection, and names it. Raises Unreachable."""
        return self._connect(hop).number

    def ready(self, number: int) -> bool:
        """Whether messages pass over this one."""
        connection = self._by_number.get(number)
        return connection is not None and connection.ready

    def drop_unused(self, number: int) -> None:
        """Closes one that did not come about in time, where nobody waits for it."""
        connection = self._by_number.get(number)
        if connection is not None and connection.unused:
            self.closed(connection, "another address answered first")

    def expire(self, now: float) -> None:
        """Gives up connections that keep us waiting, and takes renewed certificates. To be called
        about once a second."""
        if self._tls is not None:
            self._tls.refresh()
        for connection in list(self._by_number.values()):
            why = connection.overdue(now)
            if why:
                self.closed(connection, why)
        self._idle.look_over(self._by_number.values(), now)
        for key in self._paused:
            self._selector.register(key.fileobj, key.events, key.data)
        self._paused.clear()

    def end_idle(self, flows: Iterable[int]) -> None:
        """Nobody needs these; they are closed unless something went over them meanwhile."""
        for number in flows:
            connection = self._by_number.get(number)
            if connection is not None and self._idle.still(connection):
                self.closed(connection, "idle, and needed by nobody")

    def read_certificates(self) -> None:
        """Takes certificates that were renewed, changed or not as far as their files tell."""
        if self._tls is not None:
            self._tls.read()

    def close(self) -> None:
        """Closes all."""
        for connection in list(self._by_number.values()):
            self._drop(connection)

    def hop(self, flow: int) -> Hop | None:
        """The way over a connection that stands; None where it is gone. From any thread."""
        connection = self._by_number.get(flow)
        if connection is None or connection.closing:
            return None
        source = self._source(connection)
        return Hop(
            transport=source.transport,
            host=source.host,
            port=source.port,
            local_host=source.local_host,
            local_port=source.local_port,
            listener=source.listener,
            flow=flow,
        )

    def standing(self, transport: str, host: str, port: int) -> Hop | None:
        """The way over the connection to an address; None where none stands. From any thread."""
        connection = self._by_address.get((transport, host, port))
        return None if connection is None else self.hop(connection.number)

    def _accepted(self, sock: socket.socket, peer: tuple[str, int], listener: int) -> None:
        transport = self._listeners.transport(listener)
        security: Security = Plain()
        if transport in SECURE:
            assert self._tls is not None and self._tls.server is not None, "checked at the start"
            security = Tls(self._tls.server, server=True)
        framing = WebSocketFraming(server=True) if transport in WEBSOCKET else SipFraming()
        self._add(
            sock,
            peer,
            listener,
            connected=True,
            transport=transport,
            security=security,
            framing=framing,
        )

    def _layers(self, hop: Hop) -> tuple[Security, Framing]:
        domain = hop.domain or hop.host
        security: Security = Plain()
        if hop.transport in SECURE:
            assert self._tls is not None, "there is a listener of this transport"
            security = Tls(self._tls.client, server=False, domain=domain)
        if hop.transport in WEBSOCKET:
            host = f"{bracketed(domain)}:{hop.port}"
            return security, WebSocketFraming(server=False, host=host)
        return security, SipFraming()

    def _connect(self, hop: Hop) -> StreamConnection:
        if len(self._by_number) >= self._limits.connections:
            raise Unreachable(f"this server has {self._limits.connections} connections, its most")
        family = socket.AF_INET6 if ":" in hop.host else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise cannot_connect(hop, error.strerror or str(error)) from None
        try:
            prepare(sock)
            # 18.1.1: where the connection breaks, the peer opens one to the address that it
            # came from and the port in the Via. So it is to come from where we listen.
            sock.bind((self._listeners.source(hop.listener), 0))
            problem = sock.connect_ex((hop.host, hop.port))
            if problem not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
                raise OSError(problem, os.strerror(problem))
            security, framing = self._layers(hop)
            connection = self._add(
                sock,
                (hop.host, hop.port),
                hop.listener,
                connected=problem == 0,
                transport=hop.transport,
                domain=hop.domain or hop.host,
                security=security,
                framing=framing,
            )
            if connection.connected:
                connection.begin()
            return connection
        except LayerError as error:
            sock.close()
            raise cannot_connect(hop, str(error)) from None
        except (OSError, OverflowError) as error:
            sock.close()
            reason = error.strerror if isinstance(error, OSError) else None
            raise cannot_connect(hop, reason or str(error)) from None

    def _add(
        self,
        sock: socket.socket,
        peer: tuple[str, int],
        listener: int,
        *,
        connected: bool,
        transport: str,
        security: Security,
        framing: Framing,
        domain: str = "",
    ) -> StreamConnection:
        self._count += 1
        connection = StreamConnection(
            self._count,
            sock,
            peer,
            self,
            listener=listener,
            connected=connected,
            clock=self._clock,
            limits=self._limits,
            transport=transport,
            domain=domain,
            security=security,
            framing=framing,
        )
        events = selectors.EVENT_READ if connected else selectors.EVENT_WRITE
        self._selector.register(sock, events, self._watcher(connection))
        self._by_number[connection.number] = connection
        self._by_peer[peer_of_connection(connection)] = connection
        self._by_address[transport, *peer] = connection
        return connection

    def _watcher(self, connection: StreamConnection) -> Callable[[int], None]:
        def ready(mask: int) -> None:
            # It may have been closed since the selector reported it.
            if mask & selectors.EVENT_WRITE and connection.number in self._by_number:
                connection.writable()
            if mask & selectors.EVENT_READ and connection.number in self._by_number:
                connection.readable()

        return ready

    # As the owner of connections.

    def arrived(self, connection: StreamConnection, data: bytes) -> None:
        """A whole message."""
        self._deliver(data, self._source(connection))

    def ponged(self, connection: StreamConnection) -> None:
        """A single CRLF (RFC 5626 section 3.5.1)."""
        self._pong(connection.number)

    def stands(self, connection: StreamConnection) -> None:
        """A connection that was opened here is ready."""
        self.races.stands(connection.number)

    def broken(self, connection: StreamConnection, error: ParseError) -> None:
        """The stream lost its frame (18.3); ``_fault`` may answer before it closes."""
        self._fault(error, self._source(connection))

    def closed(self, connection: StreamConnection, detail: str) -> None:
        """The connection ends: whose messages had not left are told."""
        if connection.number not in self._by_number:
            return
        self._drop(connection)
        host, port = connection.peer
        transport = connection.transport
        _log.debug("connection closed", transport=transport, peer=host, port=port, detail=detail)
        self._closed(connection.number)
        what = "connection to" if connection.ready else "cannot connect to"
        told = f"{what} {host} port {port}/{transport}: {detail}"
        self.races.closed(connection.number, told)
        for sender in connection.senders:
            self._failed(sender, told, connection.number)

    def wants(self, connection: StreamConnection, *, write: bool) -> None:
        """Watches for room to write only while something waits."""
        if connection.number not in self._by_number:
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
        key = self._selector.get_key(connection.socket)
        if key.events != events:
            self._selector.modify(connection.socket, events, key.data)

    def _drop(self, connection: StreamConnection) -> None:
        del self._by_number[connection.number]
        key = peer_of_connection(connection)
        if self._by_peer.get(key) is connection:
            del self._by_peer[key]
        address = (connection.transport, *connection.peer)
        if self._by_address.get(address) is connection:
            del self._by_address[address]
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def _source(self, connection: StreamConnection) -> Source:
        host, port = connection.peer
        local_host, local_port = self._listeners.local(
            connection.listener, host, own=connection.local[0]
        )
        return Source(
            transport=connection.transport,
            host=host,
            port=port,
            local_host=local_host,
            local_port=local_port,
            listener=connection.listener,
            flow=connection.number,
        )

    def _complain(self, peer: str, reason: str) -> None:
        self._complaints.about(peer, self._clock(), "tcp connection refused", reason=reason)
