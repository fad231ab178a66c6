"""One worker's way to the sockets, and to the addresses of names."""

from __future__ import annotations

from collections.abc import Callable

from picosip_server.engine.network import Sender, Ticket, Unreachable
from picosip_server.engine.transport.numeric import numeric
from picosip_server.engine.transport.race import rival
from picosip_server.engine.transport.sockets import Sockets
from picosip_server.engine.transport.udp import UdpSocket
from picosip_server.engine.worker import Worker
from picosip_server.sip.hop import DEFAULT_PORT, Hop, Target
from picosip_server.sip.locating import Candidate


class WorkerNetwork:
    """One worker's ``Network``.

    Datagrams leave at the end of a turn, together: to send one wakes up whoever waits for it, on a
    processor that may be asleep, and the next one finds him awake.
    """

    def __init__(self, sockets: Sockets, worker: Worker, first: Worker) -> None:
        self._sockets = sockets
        self._worker = worker
        self._first = first
        self._leaving: list[tuple[UdpSocket, Hop, bytes, Sender | None]] = []
        worker.on_end = self._send_all

    def send(self, hop: Hop, data: bytes, sender: Sender | None) -> None:
        """See ``Network.send``."""
        if hop.transport == "UDP":
            self._leaving.append((self._sockets.udp(hop.listener), hop, data, sender))
        elif self._worker is self._first:
            self._sockets.send_tcp(hop, data, sender)
        else:
            self._first.post(lambda now: self._hand_over(hop, data, sender))

    def _send_all(self, now: float) -> None:
        # What fails may have something else sent instead.
        while self._leaving:
            leaving, self._leaving = self._leaving, []
            for udp, hop, data, sender in leaving:
                try:
                    udp.send(data, hop.host, hop.port)
                except Unreachable as error:
                    self._worker.guard(self._worker.core.failed, sender, str(error), now)

    def _hand_over(self, hop: Hop, data: bytes, sender: Sender | None) -> None:
        try:
            self._sockets.send_tcp(hop, data, sender)
        except Unreachable as error:
            if sender is not None:
                detail = str(error)
                self._worker.post(lambda now: self._worker.core.failed(sender, detail, now))

    def locate(self, target: Target, ticket: Ticket) -> tuple[Hop, ...] | None:
        """See ``Network.locate``."""
        if target.transport and target.transport not in DEFAULT_PORT:
            raise Unreachable(f"the transport {target.transport} is not offered by this server")
        # A maddr or next hop may carry an IPv6 address in brackets.
        host = target.host.strip("[]")
        learnt = self._sockets.flow_hop(host, target.port)
        if learnt is None and target.transport == "WS":
            learnt = self._sockets.secure_hop(host, target.port)
        if learnt is not None:
            return (learnt,)
        if numeric(host) is None:
            if target.transport and target.transport not in self._sockets.listeners.offered:
                raise Unreachable(
                    f"this server has no {target.transport} listener: add one with --sip"
                )
            self._resolve(target, ticket)
            return None
        return (self._hop(host, target.port, target.transport, target),)

    def _hop(self, address: str, port: int, transport: str, target: Target) -> Hop:
        return self._sockets.listeners.hop(
            address,
            port,
            transport,
            # RFC 5922 section 7.1: whatever SRV records say, the certificate must name the
            # domain that was asked for.
            domain=target.domain or target.host,
            secure=target.secure,
        )

    def learn(self, host: str, port: int, flow: int) -> None:
        """See ``Network.learn``."""
        self._sockets.learn(host, port, flow)

    def _resolve(self, target: Target, ticket: Ticket) -> None:
        worker = self._worker

        def lost(detail: str) -> None:
            worker.post(lambda now: worker.core.not_located(ticket, detail, now))

        def found(candidates: tuple[Candidate, ...]) -> None:
            ways: dict[Candidate, Hop] = {}
            detail = ""
            for each in candidates:
                try:
                    ways[each] = self._hop(each.host, each.port, each.transport, target)
                except Unreachable as error:
                    detail = str(error)
            if not ways:
                lost(detail)
                return
            hops = tuple(ways.values())
            index = rival(tuple(ways))
            if index is None:
                located(hops)
            else:
                self._race(hops, index, located, lost)

        def located(hops: tuple[Hop, ...]) -> None:
            worker.post(lambda now: worker.core.located(ticket, hops, now))

        self._sockets.resolver.resolve(target, found=found, lost=lost)

    def _race(
        self,
        hops: tuple[Hop, ...],
        index: int,
        located: Callable[[tuple[Hop, ...]], None],
        lost: Callable[[str], None],
    ) -> None:
        """Whichever of the first hop and the other one answers first comes first."""
        others = (*hops[1:index], *hops[index + 1 :])

        def done(order: tuple[Hop, ...], detail: str) -> None:
            if order or others:
                located((*order, *others))
            else:
                lost(detail)

        self._first.post(lambda now: self._sockets.race((hops[0], hops[index]), done))
