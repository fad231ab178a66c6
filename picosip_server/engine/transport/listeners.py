"""The addresses that this server listens on, and which of them speaks to a peer."""

from __future__ import annotations

import ipaddress
import socket

from picosip_server.engine.config import ListenerSpec
from picosip_server.engine.network import Unreachable
from picosip_server.sip.hop import DEFAULT_PORT, Hop

MOST_REMEMBERED = 10_000


class Listeners:
    """Built once the sockets are bound; asked from all workers."""

    def __init__(
        self, specs: tuple[ListenerSpec, ...], advertise_host: str, advertise_port: int
    ) -> None:
        self._specs = specs
        self._advertise_host = advertise_host
        self._advertise_port = advertise_port
        self._local: dict[str, str] = {}

    def hop(self, host: str, port: int, transport: str, *, listener: int = -1) -> Hop:
        """The hop to an IP address.

        Port 0 means the transport's default, an empty transport UDP where there is a
        listener for it (RFC 3263 section 4.1: UDP for a SIP URI with a numeric host).

        Raises:
            Unreachable: no listener of ours has this transport and address family.
        """
        wanted = (transport,) if transport else ("UDP", "TCP")
        version = ipaddress.ip_address(host.partition("%")[0]).version
        for kind in wanted:
            for index, spec in enumerate(self._specs):
                if listener not in (-1, index):
                    continue
                if spec.transport == kind and _version(spec.host) == version:
                    local_host, local_port = self.local(index, host)
                    return Hop(
                        transport=kind,
                        host=host,
                        port=port or DEFAULT_PORT[kind],
                        local_host=local_host,
                        local_port=local_port,
                        listener=index,
                    )
        kinds = " or ".join(wanted)
        raise Unreachable(
            f"this server has no {kinds} listener for IPv{version}, which {host} needs: add one "
            f"with --sip"
        )

    def local(self, index: int, peer: str) -> tuple[str, int]:
        """What Via and Contact show to a peer: the advertised address, else the bound one,
        else (bound to all) the address that the system would send from."""
        spec = self._specs[index]
        host = self._advertise_host or spec.host
        if not self._advertise_host and ipaddress.ip_address(spec.host).is_unspecified:
            host = self._towards(peer)
        return host, self._advertise_port or spec.port

    def _towards(self, peer: str) -> str:
        known = self._local.get(peer)
        if known is not None:
            return known
        family = socket.AF_INET6 if ":" in peer else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                # Connecting a datagram socket sends nothing; it only chooses a route.
                probe.connect((peer, 9))
                own: str = probe.getsockname()[0]
            except OSError as error:
                raise Unreachable(f"no route to {peer}: {error.strerror or error}") from None
        if len(self._local) >= MOST_REMEMBERED:
            self._local.clear()
        self._local[peer] = own
        return own


def _version(host: str) -> int:
    return ipaddress.ip_address(host.partition("%")[0]).version
