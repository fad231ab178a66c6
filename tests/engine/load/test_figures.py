"""What a load measures, and the sum over its parts."""

from __future__ import annotations

import random

import pytest

from picosip_server.engine.load.figures import LoadFigures, total
from picosip_server.engine.load.samples import LONGEST, MICROSECONDS, Samples


def samples(*seconds: float) -> Samples:
    made = Samples()
    for each in seconds:
        made.note(each)
    return made


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
    assert list(samples(seconds).items()) == [(microseconds, 1)]


def test_each_time_counts_once_and_the_shortest_comes_first() -> None:
    values = random.Random(1).choices([1, 700, 1500, 1501, 30_000, 30_016, 2_000_000], k=500)
    found = list(samples(*(value / MICROSECONDS for value in values)).items())
    assert [count for _, count in found] == [values.count(each) for each in sorted(set(values))]
    assert found == sorted(found)


def test_what_is_new_is_told_from_what_was_known() -> None:
    measured = samples(0.001, 0.001, 2.0)
    before = measured.copy()
    assert list(measured.since(before).items()) == []
    measured.note(0.001)
    measured.note(0.5)
    assert list(measured.since(before).items()) == [(1000, 1), (499_968, 1)]
    assert list(measured.since(Samples()).items()) == list(measured.items())
    assert list(before.since(measured).items()) == []
    # Neither changes the other.
    measured.since(Samples()).note(0.001)
    assert [count for _, count in measured.items()] == [3, 1, 1]


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
    assert list(whole.setup.items()) == [(1000, 2), (2000, 1)]
    assert list(one.setup.items()) == [(1000, 1)]
    assert whole.responses == {200: 4, 486: 3}
    assert whole.failures == {"486": 3}


def test_a_copy_stays_as_it_is() -> None:
    figures = LoadFigures()
    figures.setup.note(0.001)
    copy = figures.copy()
    figures.setup.note(0.001)
    assert list(copy.setup.items()) == [(1000, 1)]
    assert list(copy.counts().setup.items()) == []
