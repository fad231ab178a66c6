"""How large a session description may be."""

from __future__ import annotations

from picosip_server.frozen import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds while parsing; what is beyond is refused."""

    octets: int = 65_535
    lines: int = 10_000
    media: int = 1_000
