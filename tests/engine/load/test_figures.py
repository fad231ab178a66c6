"""What a load measures, and the sum over its parts."""

from __future__ import annotations

import pytest

from picosip_server.engine.load.figures import LONGEST, LoadFigures, note, rounded, total


@pytest.mark.parametrize(
    ("seconds", "microseconds"),
    [
        (-1.0, 0),
        (0.0, 0),
        (0.000_002, 2),
        # Exact up to eleven bits.
        (0.002_047, 2047),
        (0.002_049, 2048),
        (1.0, 999_936),
        (5000.0, LONGEST >> 21 << 21),
    ],
)
def test_times_keep_three_digits(seconds: float, microseconds: int) -> None:
    assert rounded(seconds) == microseconds


def test_parts_add_up() -> None:
    one, two = LoadFigures(started=3, elapsed=1.0), LoadFigures(started=4, elapsed=2.0)
    note(one.setup, 0.001)
    note(two.setup, 0.001)
    note(two.setup, 0.002)
    one.responses[200] = 3
    two.responses[200], two.responses[486] = 1, 3
    two.failures["486"] = 3
    two.stopping = True
    whole = total([one, two])
    assert (whole.started, whole.elapsed, whole.stopping) == (7, 2.0, False)
    assert whole.setup == {1000: 2, 2000: 1}
    assert whole.responses == {200: 4, 486: 3}
    assert whole.failures == {"486": 3}


def test_a_copy_stays_as_it_is() -> None:
    figures = LoadFigures()
    note(figures.setup, 0.001)
    copy = figures.copy()
    note(figures.setup, 0.001)
    assert (copy.setup, copy.counts().setup) == ({1000: 1}, {})
