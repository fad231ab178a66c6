"""By what a connection is found again."""

from __future__ import annotations

from picosip_server.engine.network import Unreachable
from picosip_server.engine.transport.stream import StreamConnection
from picosip_server.sip.hop import SECURE, Hop

Peer = tuple[str, str, int, str]
"""Transport, address, port, and for TLS the domain that the peer has proved to be."""


def cannot_connect(hop: Hop, reason: str) -> Unreachable:
    """The failure to open a connection."""
    return Unreachable(f"cannot connect to {hop.host} port {hop.port}/{hop.transport}: {reason}")


def peer_of(hop: Hop) -> Peer:
    """Whom a hop leads to."""
    # RFC 5923: what one domain has proved is no proof of another at the same address.
    domain = hop.domain or hop.host
    return hop.transport, hop.host, hop.port, domain.lower() if hop.transport in SECURE else ""


def peer_of_connection(connection: StreamConnection) -> Peer:
    """Whom a connection leads to."""
    domain = connection.domain.lower() if connection.transport in SECURE else ""
    return connection.transport, *connection.peer, domain
