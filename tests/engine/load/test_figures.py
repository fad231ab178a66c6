"""What a load measures, and the sum over its parts."""

from __future__ import annotations

import random

import pytest
from hdrh.histogram import HdrHistogram

from picosip_server.engine.load.figures import LoadFigures, total
from picosip_server.engine.load.samples import LONGEST, MICROSECONDS, Samples, longest, shortest


def samples(*seconds: float) -> Samples:
    made = Samples()
    for each in seconds:
        made.note(each)
    return made


def items(measured: Samples) -> list[tuple[int, int]]:
    """Each time in microseconds, the shortest first, and how often it was measured."""
    return [
        (shortest(octave, step), count)
        for octave, counts in measured.octaves()
        for step, count in enumerate(counts)
        if count
    ]


@pytest.mark.parametrize(
    ("seconds", "microseconds"),
    [
        (-1.0, 0),
        (0.0, 0),
        (0.000_002, 2),
        # Exact up to eleven bits.
        (0.001_023, 1023),
        (0.001_024, 1024),
        (0.002_047, 2047),
        (0.002_049, 2048),
        (0.002_050, 2050),
        (1.0, 999_936),
        (5000.0, LONGEST >> 21 << 21),
    ],
)
def test_times_keep_three_digits(seconds: float, microseconds: int) -> None:
    assert items(samples(seconds)) == [(microseconds, 1)]


def test_each_time_counts_once_and_the_shortest_comes_first() -> None:
    values = random.Random(1).choices([1, 700, 1500, 1501, 30_000, 30_016, 2_000_000], k=500)
    found = items(samples(*(value / MICROSECONDS for value in values)))
    assert [count for _, count in found] == [values.count(each) for each in sorted(set(values))]
    assert found == sorted(found)


def test_what_is_new_is_told_from_what_was_known() -> None:
    measured = samples(0.001, 0.001, 2.0)
    before = measured.copy()
    assert items(measured.since(before)) == []
    measured.note(0.001)
    measured.note(0.5)
    assert items(measured.since(before)) == [(1000, 1), (499_968, 1)]
    assert items(measured.since(Samples())) == items(measured)
    assert items(before.since(measured)) == []
    # One that has been forgotten, of several.
    assert items(samples(0.001, 0.5).since(samples(0.001, 0.001, 2.0))) == [(499_968, 1)]
    # Neither changes the other.
    measured.since(Samples()).note(0.001)
    assert [count for _, count in items(measured)] == [3, 1, 1]


def test_parts_add_up() -> None:
    one, two = LoadFigures(started=3, elapsed=1.0), LoadFigures(started=4, elapsed=2.0)
    one.setup.note(0.001)
    two.setup.note(0.001)
    two.setup.note(0.002)
    one.responses[200] = 3
    two.responses[200], two.responses[486] = 1, 3
    two.failures["486"] = 3
    two.stopping = True
    whole = total([one, two])
    assert (whole.started, whole.elapsed, whole.stopping) == (7, 2.0, False)
    assert items(whole.setup) == [(1000, 2), (2000, 1)]
    assert items(one.setup) == [(1000, 1)]
    assert whole.responses == {200: 4, 486: 3}
    assert whole.failures == {"486": 3}


def test_a_copy_stays_as_it_is() -> None:
    figures = LoadFigures()
    figures.setup.note(0.001)
    copy = figures.copy()
    figures.setup.note(0.001)
    assert items(copy.setup) == [(1000, 1)]
    assert items(copy.counts().setup) == []


def test_a_summary_says_the_same_as_an_hdr_histogram() -> None:
    """What others make of the same times, with three digits."""
    chance = random.Random(7)
    parts = (0.01, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0)
    for number in (1, 2, 3, 10, 999, 5000):
        times = [round(chance.lognormvariate(8, 3)) for _ in range(number)]
        other = HdrHistogram(1, LONGEST, 3)
        for time in times:
            other.record_value(min(time, LONGEST))
        found = samples(*(time / MICROSECONDS for time in times)).summary(parts)
        assert found is not None
        assert found.count == other.total_count
        assert (found.min, found.max) == (other.get_min_value(), other.get_max_value())
        assert found.quantiles == tuple(other.get_value_at_percentile(100 * p) for p in parts)
        # Ours takes the shortest time of each step, theirs the middle.
        assert found.mean == pytest.approx(other.get_mean_value(), rel=0.001)


def test_nothing_has_no_summary() -> None:
    measured = samples(0.001)
    assert Samples().summary((0.5,)) is None
    assert measured.since(measured.copy()).summary((0.5,)) is None


def test_a_step_ends_where_the_next_begins() -> None:
    for octave in range(5):
        for step in (0, 1, 1022):
            assert longest(octave, step) + 1 == shortest(octave, step + 1)
        if octave:
            assert longest(octave, 1023) + 1 == shortest(octave + 1, 0)
