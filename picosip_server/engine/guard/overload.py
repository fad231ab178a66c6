"""When a worker is so far behind that new work is to be refused."""

from __future__ import annotations

SUSTAINED = 1.0
"""Seconds for which work has waited too long before that counts: a burst passes by itself."""
HOPELESS = 4.0
"""At so many times the delay that is allowed, nobody waits for it to be sustained."""
RELIEF = 0.5
"""The part of the delay that is allowed at which new work is taken again."""


class OverloadDetector:
    """Decides by how long work had waited when its turn came.

    As in CoDel (RFC 8289) it is the standing queue that counts: the delay must have been
    above the target all the time for a while. ``target`` is seconds; 0: never overloaded.
    """

    def __init__(self, target: float) -> None:
        self._target = target
        self._above_since: float | None = None
        self.overloaded = False

    def observe(self, delay: float, now: float) -> None:
        """Notes the longest that anything of the last round had waited, in seconds."""
        target = self._target
        if not target:
            return
        if delay < target:
            self._above_since = None
            if delay < target * RELIEF:
                self.overloaded = False
            return
        if self._above_since is None:
            self._above_since = now
        if delay >= target * HOPELESS or now - self._above_since >= SUSTAINED:
            self.overloaded = True


class Pressure:
    """Whoever takes the outputs of all workers says here that it is behind."""

    def __init__(self) -> None:
        self.on = False
