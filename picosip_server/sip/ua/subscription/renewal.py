"""When to subscribe again after a subscription has ended: RFC 6665 section 4.1.3."""

from __future__ import annotations

from picosip_server.sip.message import Response
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.subscription.header import seconds_of

BASE = 30.0
"""Seconds; doubled with each failure in a row it bounds the wait (as RFC 5626 section 4.5)."""
LONGEST = 1800.0
DOUBLINGS = 6
SETTLED = 30.0
"""A subscription that lasted so long in seconds may be renewed at once."""

_FINAL = frozenset(("rejected", "noresource", "invariant"))
_AT_ONCE = frozenset(("deactivated", "timeout"))
_PASSING = frozenset((408, 480, 500, 502, 503, 504))
"""Responses that may be others later."""


class Renewal:
    """Counts how often in a row it came to nothing. All times are seconds."""

    __slots__ = ("_began", "_context", "_failures")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._failures = 0
        self._began = 0.0

    def began(self, now: float) -> None:
        """A subscription stands."""
        self._began = now

    def after(self, reason: str, retry_after: float | None, now: float) -> float | None:
        """How long to wait after an end with this reason; None: do not subscribe again."""
        if reason in _FINAL:
            return None
        if now - self._began >= SETTLED:
            self._failures = 0
        if reason in _AT_ONCE:
            # The first time at once; a notifier that ends every subscription is not flooded.
            self._failures += 1
            return 0.0 if self._failures == 1 else self._spread()
        self._failures += 1
        return max(self._spread(), retry_after or 0.0)

    def after_failure(self, response: Response | None) -> float | None:
        """How long to wait after a SUBSCRIBE that failed; None: it would fail again."""
        if response is not None and response.status not in _PASSING:
            return None
        self._failures += 1
        least = seconds_of(response, "Retry-After") if response is not None else None
        return max(self._spread(), least or 0.0)

    def _spread(self) -> float:
        longest = min(LONGEST, BASE * 2 ** min(self._failures, DOUBLINGS))
        return float(longest * (0.5 + 0.5 * self._context.identity.fraction()))
