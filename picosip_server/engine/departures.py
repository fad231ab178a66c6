"""Very many that are to end: one after the other, not all in one moment."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

TICK = 0.001
"""Seconds between looks at whose turn it is: those of one tick go together."""
BATCH = 16
"""How many go in a tick at most: then messages have their turn, the answers among them."""
SLOWEST = 100.0
"""How many are ended in a second at least."""
MOST_LEAVING = 500
"""How many may be on their way out before others begin to leave: a far end that gets all at once
loses some, and what is lost is sent again until it is given up."""
PATIENCE = 2.0
"""Seconds after which one that has not left counts no longer: others need not wait for a far end
that does not answer. Twice as many may leave each time that nobody at all has."""


class Departures(Generic[T]):
    """A queue whose members leave at a rate, once it is open."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[T, None] = OrderedDict()
        """A plain dict looks for its first key past all that were removed."""
        self._rate = math.inf
        self._next: float | None = None
        """When the next one may leave; None: it is not open."""
        self._leaving: dict[T, float] = {}
        """Since when each is on its way out; the first one first."""
        self._most = MOST_LEAVING
        self._out = 0
        """How many have left since it was looked at the last time."""
        self._look = 0.0
        """When that is done again."""

    def add(self, one: T, now: float) -> None:
        """One that stays until the queue is open."""
        self._waiting[one] = None
        if self._next is not None:
            self._next = max(self._next, now)

    def open(self, now: float, rate: float = math.inf, more: Iterable[T] = ()) -> None:
        """From now on they leave, these too, so many in a second."""
        self._waiting.update(dict.fromkeys(more))
        self._rate = max(rate, SLOWEST)
        self._next = now

    @property
    def next(self) -> float | None:
        """When there is something to do."""
        if not self._waiting or self._next is None:
            return None
        if len(self._leaving) < self._most:
            return self._next
        return max(self._next, next(iter(self._leaving.values())) + PATIENCE)

    def left(self, one: T) -> bool:
        """It is out, or has ended by itself while it waited. Whether another one had to wait for
        that."""
        self._waiting.pop(one, None)
        waited = bool(self._waiting) and len(self._leaving) >= self._most
        if self._leaving.pop(one, None) is None:
            return False
        self._out += 1
        return waited

    def due(self, now: float, most: int = BATCH) -> Iterator[T]:
        """Those whose turn it is, ``most`` of them; looked at once each tick."""
        leaving = self._leaving
        self._look_out(now)
        # As ``next`` adds it up: rounded otherwise, it would be due and never be done.
        while leaving and leaving[first := next(iter(leaving))] + PATIENCE <= now:
            del leaving[first]
        for _ in range(min(most, len(self._waiting), self._most - len(leaving))):
            if self._next is None or self._next > now:
                return
            # What was missed in the last tick is made good, and no more.
            self._next = max(self._next, now - TICK) + 1 / self._rate
            one, _ = self._waiting.popitem(last=False)
            if one not in leaving:
                leaving[one] = now
                yield one

    def _look_out(self, now: float) -> None:
        """Where nobody has answered for so long, more may leave: there is nobody to overrun."""
        if now < self._look:
            return
        if self._leaving:
            self._most = MOST_LEAVING if self._out else 2 * self._most
        self._out = 0
        self._look = now + PATIENCE
