"""Which nonce counts were used already (RFC 7616 section 3.4, nc, and section 5.5)."""

from __future__ import annotations

import heapq

from picosip_server.frozen import dataclass
from picosip_server.sip.auth.nonce import Nonce

_WINDOW = 64
_WINDOW_MASK = (1 << _WINDOW) - 1


@dataclass(slots=True, kw_only=True)
class _Counts:
    highest: int
    seen: int = 1
    """Bit n: ``highest - n`` was used."""


class ReplayGuard:
    """Remembers the counts of nonces that were used with success, and only of those.

    Counts may come out of order by up to 64. At ``max_nonces`` the nonce issued
    longest ago is forgotten, and with it every nonce issued no later: none of
    these is accepted again, so that forgetting opens no door.
    """

    def __init__(self, *, lifetime: float, max_nonces: int) -> None:
        self._lifetime = lifetime
        self._max_nonces = max_nonces
        self._counts: dict[bytes, _Counts] = {}
        self._by_age: list[Nonce] = []
        self._floor: int | None = None

    def __len__(self) -> int:
        return len(self._counts)

    def use(self, nonce: Nonce, count: int, now: float) -> bool:
        """Marks ``count`` used; False where it was, or where that is no longer known."""
        if self._floor is not None and nonce.issued <= self._floor:
            return False
        known = self._counts.get(nonce.identity)
        if known is not None:
            return _mark(known, count)
        self._counts[nonce.identity] = _Counts(highest=count)
        heapq.heappush(self._by_age, nonce)
        self._shed(now)
        return True

    def _shed(self, now: float) -> None:
        while self._by_age:
            oldest = self._by_age[0]
            if oldest.age(now) <= self._lifetime and len(self._counts) <= self._max_nonces:
                return
            heapq.heappop(self._by_age)
            del self._counts[oldest.identity]
            self._floor = oldest.issued


def _mark(known: _Counts, count: int) -> bool:
    ahead = count - known.highest
    if ahead > 0:
        # A shift by a count from the wire would be as large as the peer likes.
        moved = known.seen << ahead if ahead < _WINDOW else 0
        known.highest, known.seen = count, (moved | 1) & _WINDOW_MASK
        return True
    bit = 1 << -ahead if -ahead < _WINDOW else 0
    if not bit or known.seen & bit:
        return False
    known.seen |= bit
    return True
