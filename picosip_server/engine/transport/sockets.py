"""The sockets of the server, and each worker's way to them."""

from __future__ import annotations

import errno
import re
import selectors
import socket
from collections.abc import Callable
from functools import partial

from picosip_server.engine.config import EngineConfig, ListenerSpec
from picosip_server.engine.core import Core
from picosip_server.engine.guard.guard import Guard
from picosip_server.engine.guard.peek import begins_something
from picosip_server.engine.identity import worker_for
from picosip_server.engine.network import Sender, Source, Unreachable
from picosip_server.engine.transport.connections import Connections
from picosip_server.engine.transport.dns_client import DnsClient
from picosip_server.engine.transport.idle import ask_needed
from picosip_server.engine.transport.listeners import Listeners
from picosip_server.engine.transport.race import Done
from picosip_server.engine.transport.resolver import Resolver
from picosip_server.engine.transport.stream import DEFAULT_LIMITS, StreamLimits, open_listener
from picosip_server.engine.transport.tls import TlsContexts
from picosip_server.engine.transport.udp import UdpSocket
from picosip_server.engine.worker import Worker
from picosip_server.sip import stun
from picosip_server.sip.errors import ParseError
from picosip_server.sip.hop import DEFAULT_PORT, SECURE, WEBSOCKET, Hop
from picosip_server.sip.stun import looks_like_stun

MOST_CONTACTS = 100_000
"""Contacts that connections are remembered for."""
MOST_SOURCES = 4096
"""Peers of a second whose addresses are kept for each UDP socket."""
MOST_WAITING = 10_000
"""Messages that may wait for a busy worker before further ones are dropped, as a network does."""

# Possessive throughout: it is tried on whatever the network brings. A fold may stand before
# the value (7.3.1), and the value has no spaces.
_call_id = re.compile(
    rb"\r\n(?:call-id|i)[ \t]*+:[ \t]*+(?:\r\n[ \t]++)*+([^ \t\r\n]*+)", re.IGNORECASE
).search


class Sockets:
    """Bound in the constructor, owned by the first worker from ``attach`` on.

    Raises:
        OSError: a listener's address cannot be bound; those bound before are closed.
    """

    def __init__(self, config: EngineConfig, limits: StreamLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._idle_timeout = config.idle_timeout
        self.guard = Guard(config.guard)
        self._tls = self._tls_contexts(config)
        self._udp: dict[int, UdpSocket] = {}
        self._tcp: dict[int, socket.socket] = {}
        self._workers: list[Worker] = []
        self._connections: Connections | None = None
        self._resolver: Resolver | None = None
        self._contacts: dict[tuple[str, int], int] = {}
        """Which connection leads to a Contact that no name server knows; oldest first."""
        self._sources: list[dict[tuple[str, int], Source]] = []
        """Who was heard of on each UDP socket in this second: finding out again with each
        datagram costs more than reading it."""
        self.dropped = 0
        """Messages that found their worker too busy."""
        self.stun_dropped = 0
        """STUN messages that were malformed, or whose answer could not be sent."""
        self.denied = 0
        """Datagrams and connections that the lists of networks keep out."""
        try:
            self.bound = tuple(
                self._bind(index, spec) for index, spec in enumerate(config.listeners)
            )
            self.listeners = Listeners(self.bound, config.advertise_host, config.advertise_port)
            self._resolver = Resolver(
                DnsClient(config.dns_servers, config.dns_timeout), self.listeners.offered
            )
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _tls_contexts(config: EngineConfig) -> TlsContexts | None:
        if not any(spec.transport in SECURE for spec in config.listeners):
            return None
        contexts = TlsContexts(config.tls)
        if contexts.server is None:
            raise OSError(errno.ENOENT, "TLS and WSS listeners need a certificate and its key")
        return contexts

    def _bind(self, index: int, spec: ListenerSpec) -> ListenerSpec:
        try:
            if spec.transport == "UDP":
                self._udp[index] = UdpSocket(spec)
                return self._udp[index].bound
            self._tcp[index] = open_listener(spec.host, spec.port)
            port = self._tcp[index].getsockname()[1]
            return ListenerSpec(transport=spec.transport, host=spec.host, port=port)
        except OSError as error:
            where = f"{spec.transport.lower()}:{spec.host}:{spec.port}"
            raise OSError(error.errno, f"cannot listen on {where}: {error.strerror}") from None

    def attach(self, workers: list[Worker]) -> None:
        """Has the first worker watch the sockets, before it starts."""
        self._workers = workers
        first = workers[0]
        self._connections = connections = Connections(
            first.selector,
            self.listeners,
            # RFC 7118 section 5.3: a WebSocket message has its own end, as a datagram has.
            deliver=lambda data, source: self._deliver(
                data, source, stream=source.transport not in WEBSOCKET
            ),
            fault=self._fault,
            failed=self._failed,
            closed=lambda flow: self._tell(lambda core, now: core.flow_closed(flow, now)),
            pong=lambda flow: self._tell(lambda core, now: core.pong(flow, now)),
            admits=self._admits,
            idle=lambda flows: ask_needed(workers, flows, connections.end_idle),
            idle_timeout=self._idle_timeout,
            after=first.after,
            clock=lambda: first.now,
            limits=self._limits,
            tls=self._tls,
        )
        first.on_idle = self._look_over
        for index, udp in self._udp.items():
            first.selector.register(udp.socket, selectors.EVENT_READ, self._udp_reader(index, udp))
        for index, listener in self._tcp.items():
            accept = self._acceptor(connections, index, listener)
            first.selector.register(listener, selectors.EVENT_READ, accept)
        self.resolver.start()

    def _look_over(self, now: float) -> None:
        assert self._connections is not None, "attached before"
        self._connections.expire(now)
        self.listeners.forget()
        for sources in self._sources:
            # The way to a peer may be another one by now.
            sources.clear()

    @property
    def resolver(self) -> Resolver:
        """Who looks up names."""
        assert self._resolver is not None, "made in the constructor"
        return self._resolver

    def _admits(self, host: str) -> bool:
        """Whether the lists of networks let an address in; if not, that is counted."""
        admitted = self.guard.admits(host)
        if not admitted:
            self.denied += 1
        return admitted

    @property
    def lost(self) -> int:
        """Datagrams that the system had no room for, where it tells."""
        return sum(udp.lost for udp in self._udp.values())

    def _udp_reader(self, index: int, udp: UdpSocket) -> Callable[[int], None]:
        sources: dict[tuple[str, int], Source] = {}
        self._sources.append(sources)

        def take(data: bytes, host: str, port: int) -> None:
            if len(data) <= 4 and not data.strip(b"\r\n\0"):
                # Keep-alives of NATed peers: empty lines or nothing at all.
                return
            source = sources.get((host, port))
            if source is None:
                if not self._admits(host):
                    return
                try:
                    local_host, local_port = self.listeners.local(index, host)
                except Unreachable:
                    # There is no way back to the sender.
                    return
                source = Source("UDP", host, port, local_host, local_port, index)
                if len(sources) < MOST_SOURCES:
                    sources[host, port] = source
            if looks_like_stun(data):
                self._stun(data, index, udp, host, port)
                return
            self._deliver(data, source)

        def undelivered(quote: bytes, detail: str) -> None:
            self._tell(lambda core, now: core.undelivered(quote, detail, now))

        def read(mask: int) -> None:
            udp.read(take, undelivered)

        return read

    def _stun(self, data: bytes, index: int, udp: UdpSocket, host: str, port: int) -> None:
        """RFC 5626 section 8: a STUN server on each UDP port, and answers to our own requests."""
        try:
            message = stun.parse(data)
        except ParseError:
            # RFC 5389 section 7.3: what is malformed is dropped in silence.
            self.stun_dropped += 1
            return
        if message.kind is stun.Kind.REQUEST:
            try:
                udp.send(stun.answer(message, host, port), host, port)
            except Unreachable:
                # As if the network had lost it: the client asks again.
                self.stun_dropped += 1
        elif message.kind is not stun.Kind.INDICATION:
            source = Source("UDP", host, port, "", 0, index)
            self._tell(lambda core, now: core.stun(message, source, now))

    def _tell(self, what: Callable[[Core, float], None]) -> None:
        """Tells all workers: each keeps flows of its own. Posted, as the cores may be busy."""
        for worker in self._workers:
            worker.post(partial(_on_core, worker, what))

    def _acceptor(
        self, connections: Connections, index: int, listener: socket.socket
    ) -> Callable[[int], None]:
        def accept(mask: int) -> None:
            connections.accept(index, listener)

        return accept

    def _deliver(self, data: bytes, source: Source, *, stream: bool = False) -> None:
        first = worker = self._workers[0]
        if len(self._workers) > 1:
            found = _call_id(data)
            call_id = found.group(1).decode("utf-8", "surrogateescape") if found else ""
            worker = self._workers[worker_for(call_id, len(self._workers))]
        if not stream:
            if not worker.arrive(data, source, first.now):
                self.dropped += 1
            return
        if worker is not first:
            # What goes on has room of its own.
            most = MOST_WAITING if begins_something(data) else 2 * MOST_WAITING
            if worker.backlog < most:
                worker.post(lambda now: worker.core.receive(data, source, now, stream=stream))
            else:
                self.dropped += 1
            return
        # Guarded one by one: those that came in the same segment are not to be lost with it.
        first.guard(first.core.receive, data, source, first.now, stream=stream)

    def _fault(self, error: ParseError, source: Source) -> None:
        first = self._workers[0]
        first.guard(first.core.faulty, error, source, first.now)

    def _failed(self, sender: Sender, detail: str, flow: int) -> None:
        worker = self._workers[sender.worker]
        # Posted even to ourselves: the core may be in the midst of something.
        worker.post(lambda now: worker.core.failed(sender, detail, now, flow=flow))

    def flow_hop(self, host: str, port: int) -> Hop | None:
        """The way to a Contact that was learnt, while its connection stands."""
        flow = self._contacts.get((host.lower(), port))
        if flow is None or self._connections is None:
            return None
        return self._connections.hop(flow)

    def secure_hop(self, host: str, port: int) -> Hop | None:
        """The way to a WebSocket that stands under TLS.

        RFC 7118 section 5.4: there is one value for both, so that the Record-Route of a proxy
        says ws where it is reached by WSS.
        """
        if self._connections is None:
            return None
        return self._connections.standing("WSS", host, port or DEFAULT_PORT["WSS"])

    def learn(self, host: str, port: int, flow: int) -> None:
        """A Contact that only the connection it came over leads to (RFC 7118 section 5.2)."""
        contacts = self._contacts
        key = (host.lower(), port)
        contacts.pop(key, None)
        while len(contacts) >= MOST_CONTACTS:
            contacts.pop(next(iter(contacts)), None)
        contacts[key] = flow

    def udp(self, listener: int) -> UdpSocket:
        """The socket of a UDP listener. Any thread may send by it."""
        return self._udp[listener]

    def send_tcp(self, hop: Hop, data: bytes, sender: Sender | None) -> None:
        """Sends over a connection, from the first worker's thread.

        Raises:
            Unreachable: no connection can be begun.
        """
        assert self._connections is not None, "nothing is sent before attach"
        self._connections.send(hop, data, sender)

    def race(self, hops: tuple[Hop, Hop], done: Done) -> None:
        """Finds which of two addresses answers first, from the first worker's thread."""
        assert self._connections is not None, "nobody looks for anything before attach"
        self._connections.races.run(hops, done)

    def read_certificates(self) -> None:
        """Reads the certificates of TLS again, from the first worker's thread."""
        assert self._connections is not None, "there is no worker before attach"
        self._connections.read_certificates()

    def close(self) -> None:
        """Closes everything; the workers have stopped."""
        for udp in self._udp.values():
            udp.close()
        for listener in self._tcp.values():
            listener.close()
        if self._connections is not None:
            self._connections.close()
        if self._resolver is not None:
            self._resolver.close()


def _on_core(worker: Worker, what: Callable[[Core, float], None], now: float) -> None:
    what(worker.core, now)
