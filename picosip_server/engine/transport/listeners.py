"""The addresses that this server listens on, and which of them speaks to a peer."""

from __future__ import annotations

import ipaddress
import socket
import time

from picosip_server.engine.config import ListenerSpec
from picosip_server.engine.network import Unreachable
from picosip_server.engine.transport.numeric import numeric
from picosip_server.sip.hop import DEFAULT_PORT, Hop

MOST_REMEMBERED = 10_000
REMEMBERED_FOR = 30.0
"""Seconds for which a route is taken to stay as it is."""


class Listeners:
    """Built once the sockets are bound; asked from all workers."""

    def __init__(
        self, specs: tuple[ListenerSpec, ...], advertise_host: str, advertise_port: int
    ) -> None:
        self._specs = specs
        addresses = [ipaddress.ip_address(spec.host) for spec in specs]
        self._versions = [address.version for address in addresses]
        self._wild = [address.is_unspecified for address in addresses]
        self._advertise_host = advertise_host
        self._advertise_port = advertise_port
        self._routes: dict[str, tuple[float, str]] = {}
        self._hops: dict[tuple[str, int, str, str, bool], Hop] = {}
        """Those asked for since ``forget``: three for each call to the same peer."""
        self.offered = {
            transport: frozenset(
                version
                for spec, version in zip(specs, self._versions, strict=True)
                if spec.transport == transport
            )
            for transport in sorted({spec.transport for spec in specs})
        }
        """IP versions that each transport has a listener for."""

    def transport(self, index: int) -> str:
        """What a listener speaks."""
        return self._specs[index].transport

    def hop(
        self, host: str, port: int, transport: str, *, domain: str = "", secure: bool = False
    ) -> Hop:
        """The hop to an IP address, of that domain (whose certificate it must show over TLS).

        Port 0 means the transport's default, an empty transport UDP where there is a
        listener for it (RFC 3263 section 4.1: UDP for a SIP URI with a numeric host),
        TLS where it is to be secure.

        Raises:
            Unreachable: no listener of ours has this transport and address family.
        """
        key = (host, port, transport, domain, secure)
        hop = self._hops.get(key)
        if hop is None:
            hop = self._find(host, port, transport, domain, secure)
            if len(self._hops) < MOST_REMEMBERED:
                self._hops[key] = hop
        return hop

    def _find(self, host: str, port: int, transport: str, domain: str, secure: bool) -> Hop:
        wanted = (transport,) if transport else ("TLS",) if secure else ("UDP", "TCP")
        known = numeric(host)
        assert known is not None, "the address of a hop is numeric"
        # One spelling for each address, so that an open connection to it is found.
        host, version = known
        for kind in wanted:
            index = self._best(kind, version, host)
            if index is None:
                continue
            local_host, local_port = self.local(index, host)
            return Hop(
                transport=kind,
                host=host,
                port=port or DEFAULT_PORT[kind],
                local_host=local_host,
                local_port=local_port,
                listener=index,
                domain=domain,
                secure=secure,
            )
        kinds = " or ".join(wanted)
        raise Unreachable(
            f"this server has no {kinds} listener for IPv{version}, which {host} needs: "
            f"add one with --sip"
        )

    def forget(self) -> None:
        """The way to a peer may be another one by now."""
        self._hops.clear()

    def local(self, index: int, peer: str, *, own: str = "") -> tuple[str, int]:
        """What Via and Contact show to a peer: the advertised address, else the bound one,
        else (bound to all) ``own``, else the address that the system would send from.

        Raises:
            Unreachable: the listener is bound to all addresses, and none leads to the peer.
        """
        spec = self._specs[index]
        host = self._advertise_host or spec.host
        if not self._advertise_host and self._wild[index]:
            host = own or self._towards(peer)
        # An advertised port is the one of plain SIP: TLS and WebSocket have their own.
        advertised = self._advertise_port if spec.transport in ("UDP", "TCP") else 0
        # A zone means something on this host only (RFC 4007 section 11.2).
        return host.partition("%")[0], advertised or spec.port

    def source(self, index: int) -> str:
        """The address that a listener is bound to."""
        return self._specs[index].host

    def _best(self, transport: str, version: int, peer: str) -> int | None:
        """Of several listeners the one bound to the address that the system would send from."""
        fitting = [
            index
            for index, spec in enumerate(self._specs)
            if spec.transport == transport and self._versions[index] == version
        ]
        if len(fitting) < 2:
            return fitting[0] if fitting else None
        own = self._towards(peer)
        exact = [index for index in fitting if self._specs[index].host == own]
        wild = [index for index in fitting if self._wild[index]]
        return (exact or wild or fitting)[0]

    def _towards(self, peer: str) -> str:
        now = time.monotonic()
        known = self._routes.get(peer)
        if known is not None and known[0] > now:
            return known[1]
        family = socket.AF_INET6 if ":" in peer else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                # Connecting a datagram socket sends nothing; it only chooses a route.
                probe.connect((peer, 9))
                own: str = probe.getsockname()[0]
        except OSError as error:
            raise Unreachable(f"no route to {peer}: {error.strerror or error}") from None
        if len(self._routes) >= MOST_REMEMBERED:
            self._routes.clear()
        self._routes[peer] = (now + REMEMBERED_FOR, own)
        return own
