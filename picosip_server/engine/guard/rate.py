"""A token bucket: so many at once, then so many each second."""

from __future__ import annotations


class TokenBucket:
    """Begins full. ``rate`` is tokens a second, ``burst`` what it holds; ``now`` is seconds."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._at: float | None = None

    def wait(self, now: float) -> float:
        """Seconds until there is a token; 0: there is one."""
        self._fill(now)
        return 0.0 if self._tokens >= 1.0 else (1.0 - self._tokens) / self._rate

    def take(self, now: float) -> float:
        """Takes a token where there is one; as ``wait``."""
        wait = self.wait(now)
        if not wait:
            self._tokens -= 1.0
        return wait

    def _fill(self, now: float) -> None:
        if self._at is not None and now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now if self._at is None else max(now, self._at)
