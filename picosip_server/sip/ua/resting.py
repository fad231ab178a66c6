"""Servers that asked for rest: a 503 with Retry-After, RFC 3261 section 21.5.4."""

from __future__ import annotations

import math

from picosip_server.sip.hop import Hop

MOST = 10_000
"""Servers remembered; beyond that the one that asked first is forgotten."""
LONGEST = 3600.0
"""Seconds for which anybody is believed: a slip of theirs is not to last for days."""


class Resting:
    """Until when they are to be left alone. A server is an address and a port: by another
    transport it would say the same."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: dict[tuple[str, int], float] = {}

    def note(self, hop: Hop, seconds: float, now: float) -> None:
        """The server at this hop wants no request for so long."""
        address = (hop.host, hop.port)
        self._until.pop(address, None)
        if len(self._until) >= MOST:
            del self._until[next(iter(self._until))]
        self._until[address] = now + min(seconds, LONGEST)

    def awake(self, hops: tuple[Hop, ...], now: float) -> tuple[tuple[Hop, ...], str]:
        """The hops that may be used, and why others may not; empty: all may."""
        if not self._until:
            return hops, ""
        awake: list[Hop] = []
        detail = ""
        for hop in hops:
            left = self._left((hop.host, hop.port), now)
            if left > 0.0:
                detail = (
                    f"{hop.host} port {hop.port} said 503, and wants no requests for another "
                    f"{math.ceil(left)} s"
                )
            else:
                awake.append(hop)
        return tuple(awake), detail

    def _left(self, address: tuple[str, int], now: float) -> float:
        until = self._until.get(address)
        if until is None:
            return 0.0
        if until <= now:
            del self._until[address]
        return until - now
