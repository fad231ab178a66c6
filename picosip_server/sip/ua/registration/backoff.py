"""How long to wait after a registration failed (RFC 5626 section 4.5)."""

from __future__ import annotations

LONGEST = 1800.0
"""Seconds: ``max-time``."""
BASE_ALL_FAILED = 30.0
"""Seconds: ``base-time`` where no flow is left."""
BASE_SOME_LEFT = 90.0
"""Seconds: ``base-time`` where at least one flow works."""
_DOUBLINGS = 6
"""More of them make no difference: the longest wait is reached."""


def retry_delay(failures: int, fraction: float, *, others_work: bool) -> float:
    """Seconds to wait after so many failures in a row; ``fraction`` is a random number in [0, 1).

    Between half of the upper bound and all of it, so that many who failed together spread out.
    """
    base = BASE_SOME_LEFT if others_work else BASE_ALL_FAILED
    bound: float = min(LONGEST, base * 2 ** min(failures, _DOUBLINGS))
    return bound * (0.5 + 0.5 * fraction)
