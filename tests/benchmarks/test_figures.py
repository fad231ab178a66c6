"""Percentiles, medians and slopes."""

from __future__ import annotations

import pytest

from benchmarks.figures import Spread, median, percentile, slope


def test_percentiles_are_values_that_were_measured() -> None:
    times = [float(n) for n in range(1, 101)]
    assert Spread.of(reversed(times)) == Spread(count=100, p50=50, p90=90, p99=99, max=100)


@pytest.mark.parametrize(
    ("values", "quantile", "expected"),
    [([7.0], 0.5, 7.0), ([7.0], 0.0, 7.0), ([1.0, 2.0], 0.5, 1.0), ([1.0, 2.0, 3.0], 0.99, 3.0)],
)
def test_percentiles_of_few(values: list[float], quantile: float, expected: float) -> None:
    assert percentile(values, quantile) == expected


def test_nothing_has_no_percentiles() -> None:
    assert Spread.of([]) is None


def test_the_median_leaves_out_what_was_not_measured() -> None:
    assert median([3.0, None, 1.0, 2.0]) == 2.0
    assert median([1.0, 4.0]) == 2.5
    assert median([None, None]) is None
    assert median([]) is None


def test_slope_of_a_line_and_of_too_little() -> None:
    assert slope([(0.0, 5.0), (1.0, 7.0), (2.0, 9.0)]) == pytest.approx(2.0)
    assert slope([(3.0, 5.0), (3.0, 9.0)]) == 0.0
    assert slope([]) == 0.0
