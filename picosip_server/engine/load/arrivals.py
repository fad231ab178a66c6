"""When each one of a load is due."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from picosip_server.engine.load.rates import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How many begin, for how long, and at which rate. Times are seconds."""

    rate: Rate
    count: int = 0
    """In all; 0: as many as ``duration`` takes."""
    duration: float = math.inf
    max_concurrent: int = 0
    """0: no cap."""
    poisson: bool = False
    """At random, on average at the rate; else evenly."""


def due_times(profile: Profile, random: Random) -> Iterator[float]:
    """The times of all, in order, from the beginning of the load on."""
    number = 0
    # The first one begins at once if they come evenly.
    amount = random.expovariate(1.0) if profile.poisson else 0.0
    while not profile.count or number < profile.count:
        time = profile.rate.time_of(amount)
        if time >= profile.duration or time == math.inf:
            return
        yield time
        number += 1
        amount = amount + random.expovariate(1.0) if profile.poisson else float(number)


class Arrivals:
    """The part of one worker among several: each takes every so manieth.

    All of them draw the same numbers, so that together they are one sequence.
    """

    def __init__(
        self, profile: Profile, random: Random, *, worker: int = 0, workers: int = 1
    ) -> None:
        self._times = due_times(profile, random)
        self._worker = worker
        self._workers = workers
        self._next_number = 0
        self._next = self._draw()

    def _draw(self) -> float | None:
        for time in self._times:
            number = self._next_number
            self._next_number += 1
            if number % self._workers == self._worker:
                return time
        return None

    @property
    def next(self) -> float | None:
        """When the next one is due; None: there are no more."""
        return self._next

    def take(self) -> None:
        """The next one was taken into account."""
        self._next = self._draw()

    def end(self) -> None:
        """There are no more from now on."""
        self._next = None
