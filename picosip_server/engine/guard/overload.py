"""How much of the new work is to be refused while a worker is behind."""

from __future__ import annotations

from typing import Final

BURST: Final = 1.0
"""Seconds for which work must have waited too long all the time before any is refused: a burst
passes by itself."""
HOPELESS: Final = 4.0
"""At so many times the delay that is allowed, nobody waits to see whether it does."""
CALM: Final = 2.0
"""Seconds for which nothing must have been refused before a burst is let pass again."""
UPDATE: Final = 0.02
"""Seconds after which the part is made anew."""
LONGEST_UNIT: Final = 0.2
"""Seconds. The gains are for as much delay as is allowed, but for no more than this: delays grow
as fast where more is allowed."""
BY_CHANGE: Final = 0.3
"""The part that is added when the delay rises by a unit."""
BY_EXCESS: Final = 0.3
"""The part that is added in a second for which the delay is a unit too long."""
LITTLE: Final = 0.2
"""A part that is nothing while the delay is short: it comes of its going up and down."""


class Throttle:
    """Keeps the delay at what is allowed by refusing a part of what is new.

    A controller as that of PIE (RFC 8033 section 4): it goes by how long work had waited when
    its turn came, and by whether that rises or falls. So about as much is taken as can be done.
    To refuse all of it until the delay has gone, and then none, would have the peers wait, and
    the server after that. ``target`` is seconds; 0: nothing is ever refused.
    """

    def __init__(self, target: float) -> None:
        self._target = target
        self._unit = min(target, LONGEST_UNIT)
        self._part = 0.0
        self._longest = 0.0
        """Of the delays since the last update."""
        self._delay = 0.0
        """The longest before the last update."""
        self._updated = 0.0
        self._above_since: float | None = None
        self._on = False
        self._refused = 0.0
        """When there was reason to refuse for the last time."""

    @property
    def part(self) -> float:
        """The part of what is new that is to be refused, 0 to 1."""
        return self._part if self._on else 0.0

    def is_due(self, delay: float, now: float) -> bool:
        """Whether such a delay is judged at once."""
        if not self._target:
            return False
        return delay >= HOPELESS * self._target or now - self._updated >= UPDATE

    def observe(self, delay: float, now: float) -> None:
        """Notes the longest that anything of the last round had waited, in seconds."""
        target = self._target
        if delay > self._longest:
            self._longest = delay
        if not self.is_due(delay, now):
            return
        delay, self._longest = self._longest, 0.0
        # Whoever slept for long has seen nothing meanwhile.
        elapsed = min(now - self._updated, 1.0)
        change, excess = delay - self._delay, delay - target
        part = self._part + (BY_CHANGE * change + BY_EXCESS * excess * elapsed) / self._unit
        self._part = min(1.0, max(0.0, part))
        self._delay, self._updated = delay, now
        self._switch(now)

    def _switch(self, now: float) -> None:
        delay, target = self._delay, self._target
        short = delay < target / 2
        if short and self._part < LITTLE:
            self._part = 0.0
        elif self._part and not short:
            self._refused = now
        if delay < target:
            self._above_since = None
        elif self._above_since is None:
            self._above_since = now
        if self._on:
            self._on = now - self._refused < CALM
        elif self._above_since is not None:
            self._on = delay >= HOPELESS * target or now - self._above_since >= BURST


class Pressure:
    """Whoever takes the outputs of all workers says here that it is behind."""

    def __init__(self) -> None:
        self.on = False
