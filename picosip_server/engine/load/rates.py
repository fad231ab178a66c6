"""How many begin by when: rates over time, and the times that they lead to.

Times are seconds from the load's beginning. An *amount* is how many have become due; it need
not be whole.
"""

from __future__ import annotations

import math
from typing import Protocol


class Rate(Protocol):
    """A rate that may change with time."""

    def at(self, elapsed: float) -> float:
        """The rate at a time, a second."""

    def time_of(self, amount: float) -> float:
        """When so many have become due; infinity: never."""


class ConstantRate:
    """The same all the time."""

    def __init__(self, rate: float) -> None:
        self._rate = rate

    def at(self, elapsed: float) -> float:
        """See ``Rate.at``."""
        return self._rate

    def time_of(self, amount: float) -> float:
        """See ``Rate.time_of``."""
        return amount / self._rate if self._rate else _never(amount)


class RampRate:
    """From one rate to another in a time, and constant from then on."""

    def __init__(self, first: float, last: float, duration: float) -> None:
        self._first = first
        self._last = last
        self._duration = duration
        self._slope = (last - first) / duration
        self._whole = (first + last) / 2 * duration
        """The amount at the end of the ramp."""

    def at(self, elapsed: float) -> float:
        """See ``Rate.at``."""
        return self._first + self._slope * min(elapsed, self._duration)

    def time_of(self, amount: float) -> float:
        """See ``Rate.time_of``."""
        if amount >= self._whole:
            beyond = amount - self._whole
            return self._duration + (beyond / self._last if self._last else _never(beyond))
        # amount = first * t + slope / 2 * t**2, solved so that no slope is too small.
        root = math.sqrt(max(0.0, self._first**2 + 2 * self._slope * amount))
        return 2 * amount / (self._first + root) if amount else 0.0


class StepRate:
    """A rate that rises by ``step`` each time that ``every`` has passed, up to ``most``."""

    def __init__(self, first: float, step: float, every: float, most: float = math.inf) -> None:
        self._first = first
        self._step = step
        self._every = every
        self._most = most

    def at(self, elapsed: float) -> float:
        """See ``Rate.at``."""
        return self._of(int(elapsed / self._every))

    def time_of(self, amount: float) -> float:
        """See ``Rate.time_of``."""
        if not amount:
            return 0.0
        number = self._number_of(amount)
        beyond = amount - self._by(number)
        rate = self._of(number)
        return number * self._every + (beyond / rate if rate else _never(beyond))

    def _of(self, number: int) -> float:
        return min(self._first + number * self._step, self._most)

    @property
    def _risen(self) -> int:
        """The first step that has the greatest rate."""
        if not self._step or self._first >= self._most:
            return 0
        return math.ceil((self._most - self._first) / self._step)

    def _by(self, number: int) -> float:
        """The amount at the beginning of a step."""
        rising = min(number, self._risen) if self._most < math.inf else number
        amount = rising * self._first + self._step * rising * (rising - 1) / 2
        return (amount + (number - rising) * self._of(number)) * self._every

    def _number_of(self, amount: float) -> int:
        """The step at whose beginning there were fewer, and at whose end there are no fewer."""
        low, high = 0, 1
        while self._by(high) < amount and self._of(high):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._by(middle) < amount else (low, middle)
        return low


def _never(amount: float) -> float:
    return math.inf if amount > 0 else 0.0
