"""What a load ends when it begins nothing more: one after the other, not all in one moment."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator

from picosip_server.engine.load.part import Session

SLOWEST = 100.0
"""How many are ended in a second at least."""


class Departures:
    """A queue whose members leave at a rate, once it is open."""

    def __init__(self) -> None:
        self._waiting: deque[Session] = deque()
        self._rate = math.inf
        self._next: float | None = None
        """When the next one may leave; None: it is not open."""

    def add(self, session: Session, now: float) -> None:
        """One that stays until the queue is open."""
        self._waiting.append(session)
        if self._next is not None:
            self._next = max(self._next, now)

    def open(self, now: float, rate: float = math.inf, more: Iterable[Session] = ()) -> None:
        """From now on they leave, these too, so many in a second."""
        self._waiting.extend(more)
        self._rate = max(rate, SLOWEST)
        self._next = now

    @property
    def next(self) -> float | None:
        """When there is something to do."""
        return self._next if self._waiting else None

    def due(self, now: float, tick: float, most: int) -> Iterator[Session]:
        """Those whose turn it is, ``most`` of them; looked at once each ``tick``."""
        for _ in range(min(most, len(self._waiting))):
            if self._next is None or self._next > now:
                return
            # What was missed in the last tick is made good, and no more.
            self._next = max(self._next, now - tick) + 1 / self._rate
            yield self._waiting.popleft()
