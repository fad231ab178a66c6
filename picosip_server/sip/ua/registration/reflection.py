"""The address that the far side of a NAT sees: RFC 3581 section 4."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from picosip_server.sip.address import Address
from picosip_server.sip.hop import Hop, Seen
from picosip_server.sip.message import Response


class Reflection:
    """What one binding knows of its own address, and of contacts that were wrong."""

    __slots__ = ("_again", "seen", "stale")

    def __init__(self) -> None:
        self.seen: Seen | None = None
        self.stale: tuple[str, ...] = ()
        """Contacts that the registrar is to forget."""
        self._again = False
        """The REGISTER under way is one for another address."""

    def dress(self, hop: Hop) -> Hop:
        """The hop with the address that is seen beyond it."""
        seen = self.seen
        if seen is not None and (seen.transport, seen.listener) == (hop.transport, hop.listener):
            return replace(hop, seen=seen)
        return hop

    def learn(self, response: Response, hop: Hop, registered: tuple[Address, ...]) -> bool:
        """Takes in a 2xx to a REGISTER that went by ``hop``.

        True: another address than the one registered leads here; register again.
        """
        again, self._again = self._again, False
        self.stale = ()
        found = _seen(response, hop)
        if found is None:
            return False
        own = (found.host, found.port) == (hop.local_host, hop.local_port)
        seen = None if own else found
        if seen == self.seen:
            return False
        self.seen = seen
        # 10.2.2: the binding that leads nowhere goes with the same request.
        self.stale = tuple(str(Address(uri=each.uri)) for each in registered)
        # A NAT that maps each request anew: once more with the next refresh, or for ever.
        self._again = not again
        return self._again


def _seen(response: Response, hop: Hop) -> Seen | None:
    """Where the next hop saw our request come from, if it says so and that can be an address."""
    via = response.via
    host = via.received or via.host
    port = via.rport
    if not port or not _is_address(host):
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
