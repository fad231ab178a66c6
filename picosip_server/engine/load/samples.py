"""How often each of very many times was measured."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

MICROSECONDS = 1_000_000
LONGEST = 3600 * MICROSECONDS
"""What takes longer is counted as that long."""
_BITS = 10
_STEPS = 1 << _BITS
"""In an octave: three decimal digits, as an HdrHistogram of that precision has them."""


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
            counts = self._octaves[octave] = array("Q", bytes(8 * _STEPS))
        counts[value if octave == 0 else (value >> octave - 1) - _STEPS] += 1

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
                pairs = zip(counts, earlier, strict=True)
                # Less than before is what is left when a part of the load is not known any more.
                found._octaves[octave] = array("Q", [max(0, now - then) for now, then in pairs])
        return found

    def items(self) -> Iterator[tuple[int, int]]:
        """Each time in microseconds, the shortest first, and how often it was measured."""
        for octave, counts in sorted(self._octaves.items()):
            for step, count in enumerate(counts):
                if count:
                    yield (step if octave == 0 else step + _STEPS << octave - 1), count

    def copy(self) -> Samples:
        """Those of now."""
        copy = Samples()
        copy._octaves = {octave: counts[:] for octave, counts in self._octaves.items()}
        return copy
