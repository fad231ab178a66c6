"""When a worker is so far behind that new work is to be refused, and which."""

from __future__ import annotations

SUSTAINED = 1.0
"""Seconds for which work has waited too long before that counts, and for which it has not before
that is over: a burst passes by itself."""
HOPELESS = 4.0
"""At so many times the delay that is allowed, nobody waits for it to be sustained."""
PART = 0.5
"""The part of the delay that is allowed at which it begins to count, so that it stays below."""


class OverloadDetector:
    """Decides by how long work had waited when its turn came.

    As in CoDel (RFC 8289) it is the standing queue that counts: the delay must have been
    above half of the target all the time for a while. Then what is new is refused if it has
    waited for longer than that, and taken if it has not: so the queue keeps that length, the
    worker always has something to do, and takes as many as it can serve. To refuse all for a
    while and then to take all would leave it idle in between, or with more than it can serve.
    ``target`` is seconds; 0: never overloaded.
    """

    def __init__(self, target: float) -> None:
        self._target = target
        self._limit = target * PART
        self._above_since: float | None = None
        self._last = 0.0
        """When the delay was last above the limit."""
        self._delay = 0.0
        self.on = False
        """Whether there is overload; what has not waited for long is still taken."""

    def observe(self, delay: float, now: float) -> None:
        """Notes the longest that anything of the last round had waited, in seconds."""
        target = self._target
        if not target:
            return
        self._delay = delay
        if delay < self._limit:
            self._above_since = None
            if now - self._last >= SUSTAINED:
                self.on = False
            return
        self._last = now
        if self._above_since is None:
            self._above_since = now
        if delay >= target * HOPELESS or now - self._above_since >= SUSTAINED:
            self.on = True

    @property
    def overloaded(self) -> bool:
        """Whether what is new is refused that waited for as long as the last round's."""
        return self.on and self._delay >= self._limit

    def refuses(self, waited: float) -> bool:
        """Whether what is new is refused after so many seconds.

        Where all the rest is late, new work is not taken though it came just now.
        """
        return self.on and (waited >= self._limit or self._delay >= self._target)


class Pressure:
    """Whoever takes the outputs of all workers says here that it is behind."""

    def __init__(self) -> None:
        self.on = False
