"""How long and how exactly is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """For each contender and round."""

    seconds: float = 10.0
    """Length of a step."""
    precision: float = 0.05
    """How close the search comes to the highest rate."""
    held: int = 5_000
    """Calls that are up when memory is measured."""
    rounds: int = 3
    ceiling: int = 20_000
    """Calls a second beyond which nobody looks."""
    tries: int = 2
    """A rate is given up when it went wrong so often: the machine may have had a bad moment."""
    minutes: float | None = None
    """What all of it may take: each measurement has the same share, and ends its search in time."""

    def search_seconds(self, measurements: int) -> float | None:
        """How long each of so many may search, for the rest of its share to suffice for what comes
        after that: two steps, and a new start. None: as long as it takes."""
        if self.minutes is None:
            return None
        return max(0.0, self.minutes * 60 / measurements - 2 * self.seconds - 8.0)

    @classmethod
    def quick(cls) -> Options:
        """To see that all works; the figures are rough."""
        return cls(seconds=2.0, precision=0.25, held=300, rounds=1, tries=1, minutes=7.0)
