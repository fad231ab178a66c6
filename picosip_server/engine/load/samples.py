"""How often each of very many times was measured."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from operator import mul, sub

from picosip_server.frozen import dataclass

MICROSECONDS = 1_000_000
LONGEST = 3600 * MICROSECONDS
"""What takes longer is counted as that long."""
_BITS = 10
STEPS = 1 << _BITS
"""In an octave: three decimal digits, as an HdrHistogram of that precision has them."""


def shortest(octave: int, step: int) -> int:
    """The shortest time in microseconds that is counted there."""
    return step if octave == 0 else step + STEPS << octave - 1


def longest(octave: int, step: int) -> int:
    """The longest one: what a time counted there may have been at most."""
    return step if octave == 0 else (step + STEPS + 1 << octave - 1) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What there is to say of samples; microseconds."""

    count: int
    min: int
    mean: float
    max: int
    quantiles: tuple[int, ...]


class Samples:
    """Counts by microseconds, rounded down to the precision kept.

    In arrays, one for each octave in which there is anything: a number for each time would be an
    object that stays where it came up, amid calls that go, and keeps a page of memory each.
    """

    __slots__ = ("_octaves",)

    def __init__(self) -> None:
        self._octaves: dict[int, array[int]] = {}

    def note(self, seconds: float) -> None:
        """One more time was measured."""
        value = min(int(seconds * MICROSECONDS + 0.5), LONGEST)
        if value < 0:
            value = 0
        octave = max(0, value.bit_length() - _BITS)
        counts = self._octaves.get(octave)
        if counts is None:
            counts = self._octaves[octave] = array("Q", bytes(8 * STEPS))
        counts[value if octave == 0 else (value >> octave - 1) - STEPS] += 1

    def include(self, more: Samples) -> None:
        """Those of another part of the load."""
        for octave, counts in more._octaves.items():
            own = self._octaves.get(octave)
            if own is None:
                self._octaves[octave] = counts[:]
            else:
                for step, count in enumerate(counts):
                    if count:
                        own[step] += count

    def since(self, before: Samples) -> Samples:
        """What has come up since these were a copy of it."""
        found = Samples()
        for octave, counts in self._octaves.items():
            earlier = before._octaves.get(octave)
            if earlier is None:
                found._octaves[octave] = counts[:]
            elif earlier != counts:
                found._octaves[octave] = _more(counts, earlier)
        return found

    def octaves(self) -> list[tuple[int, array[int]]]:
        """The counts of each octave in which there is anything, the shortest times first."""
        return sorted(self._octaves.items())

    def summary(self, quantiles: Sequence[float]) -> Summary | None:
        """With the times that these parts of all, from 0 to 1, did not exceed, from the smallest
        part on; None where nothing was measured."""
        whole = 0.0
        # Of each octave, how many times were no longer than those of each step.
        reached: list[tuple[int, list[int]]] = []
        for octave, counts in self.octaves():
            sums = list(accumulate(counts))
            size = sums[-1]
            if size:
                reached.append((octave, sums))
                steps = sum(map(mul, counts, range(STEPS)))
                whole += shortest(octave, 0) * size + (steps << max(0, octave - 1))
        if not reached:
            return None
        count = sum([sums[-1] for _, sums in reached])
        first, last = reached[0], reached[-1]
        # As the HdrHistogram rounds.
        found = [_reaching(reached, max(1, int(part * count + 0.5))) for part in quantiles]
        return Summary(
            count=count,
            min=shortest(first[0], bisect_left(first[1], 1)),
            mean=whole / count,
            max=longest(last[0], bisect_left(last[1], last[1][-1])),
            quantiles=tuple(found),
        )

    def copy(self) -> Samples:
        """Those of now."""
        copy = Samples()
        copy._octaves = {octave: counts[:] for octave, counts in self._octaves.items()}
        return copy


def _more(counts: array[int], earlier: array[int]) -> array[int]:
    try:
        return array("Q", map(sub, counts, earlier))
    except OverflowError:
        # Less than before is what is left when a part of the load is not known any more.
        return array("Q", [max(0, now - then) for now, then in zip(counts, earlier, strict=True)])


def _reaching(reached: list[tuple[int, list[int]]], target: int) -> int:
    for octave, sums in reached:
        if target <= sums[-1]:
            return longest(octave, bisect_left(sums, target))
        target -= sums[-1]
    raise ValueError("there are not as many")
