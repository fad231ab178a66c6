"""How long something lasts, drawn anew each time. Seconds."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same."""

    value: float

    def draw(self, random: Random) -> float:
        """The next one."""
        return self.value


@dataclass(frozen=True, slots=True)
class Uniform:
    """Each between two as likely."""

    least: float
    most: float

    def draw(self, random: Random) -> float:
        """The next one."""
        return random.uniform(self.least, self.most)


@dataclass(frozen=True, slots=True)
class Exponential:
    """As telephone calls last, on average ``mean``."""

    mean: float

    def draw(self, random: Random) -> float:
        """The next one."""
        return random.expovariate(1.0 / self.mean)


@dataclass(frozen=True, slots=True)
class Normal:
    """Around a mean, cut off at zero."""

    mean: float
    deviation: float

    def draw(self, random: Random) -> float:
        """The next one."""
        return max(0.0, random.gauss(self.mean, self.deviation))


Distribution = Constant | Uniform | Exponential | Normal


class Mix:
    """Draws indexes with given weights."""

    def __init__(self, weights: tuple[float, ...]) -> None:
        self._weights = weights
        self._indexes = range(len(weights))

    def draw(self, random: Random) -> int:
        """The next one."""
        if len(self._weights) == 1:
            return 0
        return random.choices(self._indexes, self._weights)[0]
