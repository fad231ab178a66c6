"""IP addresses as text."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from picosip_server.remembered import forgettable


@lru_cache(maxsize=8192)
def numeric(host: str) -> tuple[str, int] | None:
    """The one spelling of an IP address, and its version; None: this is none.

    The same few are asked for with each request: reading one takes as long as sending it.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return str(address), address.version


forgettable(numeric.cache_clear)
