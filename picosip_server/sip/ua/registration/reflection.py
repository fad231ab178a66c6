"""The address that the far side of a NAT sees: RFC 3581 section 4."""

from __future__ import annotations

import ipaddress

from picosip_server.sip.errors import RemoteProtocolError
from picosip_server.sip.hop import Hop, Seen
from picosip_server.sip.message import Response


def reflection(response: Response, hop: Hop) -> Seen | None:
    """Where the next hop saw our request come from, if it says so and that can be an address.

    ``hop`` is the one that the request went by.
    """
    try:
        via = response.via
    except RemoteProtocolError:
        return None
    host = via.received or via.host
    port = via.rport
    if port is None or not port or not _is_address(host):
        return None
    if hop.reliable and host == hop.local_host:
        # A connection comes from a port of its own; where nothing translates addresses, the
        # port that we listen on is the one to be called at.
        port = hop.local_port
    return Seen(transport=hop.transport, listener=hop.listener, host=host, port=port)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
