"""Many registrations of one engine, spread over time: no burst, and no hour that is fuller."""

from __future__ import annotations

from collections import defaultdict

BUCKET = 10.0
"""Seconds that count as one moment when refreshes are planned."""
FEW = 4
"""Refreshes at one moment that are no crowd."""
TRIES = 16
"""Moments looked at before the emptiest of them is taken."""


class Pacing:
    """Shared by the registrations of one worker.

    ``rate`` bounds how many REGISTERs begin in a second; 0: no bound. The refreshes planned
    are counted, so that further ones go where there are few.
    """

    def __init__(self, rate: float = 0.0) -> None:
        self._rate = rate
        self._next = 0.0
        self._planned: dict[int, int] = defaultdict(int)

    def turn(self, now: float) -> float:
        """Takes the next free turn to send a REGISTER, and says when it is: now, or later."""
        if not self._rate:
            return now
        turn = max(now, self._next)
        self._next = turn + 1.0 / self._rate
        return turn

    def plan(self, usual: float, window: tuple[float, float], fraction: float) -> float:
        """When to refresh: ``usual``, unless there is a crowd and ``window`` has room.

        All are times; ``fraction`` is a random number in [0, 1). What is planned is to be
        taken back by ``done``, whether it came to pass or not.
        """
        first, last = window
        best = usual
        fewest = self._load(usual)
        if fewest > FEW:
            step = (last - first) / TRIES
            for index in range(TRIES):
                moment = first + (index + fraction) * step
                load = self._load(moment)
                if load < fewest:
                    best, fewest = moment, load
        self._planned[self._bucket(best)] += 1
        return best

    def done(self, planned: float) -> None:
        """A refresh is not planned for this time any more."""
        bucket = self._bucket(planned)
        left = self._planned[bucket] - 1
        if left > 0:
            self._planned[bucket] = left
        else:
            self._planned.pop(bucket)

    def _load(self, moment: float) -> int:
        return self._planned.get(self._bucket(moment), 0)

    @staticmethod
    def _bucket(moment: float) -> int:
        return int(moment // BUCKET)
