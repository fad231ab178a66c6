"""How much of the new work is to be refused while a worker is behind."""

from __future__ import annotations

BURST = 1.0
"""Seconds for which work must have waited too long all the time before any is refused: a burst
passes by itself."""
HOPELESS = 4.0
"""At so many times the delay that is allowed, nobody waits to see whether it does."""
CALM = 2.0
"""Seconds for which nothing must have been refused before a burst is let pass again."""
UPDATE = 0.02
"""Seconds after which the part is made anew."""
BY_CHANGE = 0.3
"""The part that is added when the delay rises by as much as is allowed."""
BY_EXCESS = 0.3
"""The part that is added in a second for which the delay is twice what is allowed."""


class Throttle:
    """Keeps the delay at what is allowed by refusing a part of what is new.

    A controller as that of PIE (RFC 8033 section 4.2): it goes by how long work had waited when
    its turn came, and by whether that rises or falls. So about as much is taken as can be done.
    To refuse all of it until the delay has gone, and then none, would have the peers wait, and
    the server after that. ``target`` is seconds; 0: nothing is ever refused.
    """

    def __init__(self, target: float) -> None:
        self._target = target
        self._part = 0.0
        self._longest = 0.0
        """Of the delays since the last update."""
        self._excess = -1.0
        """By how much the delay was above the target at the last update, in targets."""
        self._updated = 0.0
        self._above_since: float | None = None
        self._on = False
        self._refused = 0.0
        """When the part was last above 0."""

    @property
    def part(self) -> float:
        """The part of what is new that is to be refused, 0 to 1."""
        return self._part if self._on else 0.0

    def observe(self, delay: float, now: float) -> None:
        """Notes the longest that anything of the last round had waited, in seconds."""
        if delay > self._longest:
            self._longest = delay
        if now - self._updated < UPDATE or not self._target:
            return
        # Whoever slept for long has seen nothing meanwhile.
        elapsed = min(now - self._updated, 1.0)
        excess = self._longest / self._target - 1.0
        part = self._part + BY_CHANGE * (excess - self._excess) + BY_EXCESS * excess * elapsed
        self._part = min(1.0, max(0.0, part))
        self._excess, self._updated, self._longest = excess, now, 0.0
        self._switch(now)

    def _switch(self, now: float) -> None:
        if self._excess < 0.0:
            self._above_since = None
        elif self._above_since is None:
            self._above_since = now
        if self._part:
            self._refused = now
        if self._on:
            self._on = now - self._refused < CALM
        elif self._above_since is not None:
            self._on = self._excess >= HOPELESS - 1.0 or now - self._above_since >= BURST


class Pressure:
    """Whoever takes the outputs of all workers says here that it is behind."""

    def __init__(self) -> None:
        self.on = False
