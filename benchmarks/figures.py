"""Small statistics: percentiles of times, medians over rounds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How times are spread, in milliseconds."""

    count: int
    p50: float
    p90: float
    p99: float
    max: float

    @classmethod
    def of(cls, times: Iterable[float]) -> Spread | None:
        """That of ``times``; None of nothing."""
        ordered = sorted(times)
        if not ordered:
            return None
        return cls(
            count=len(ordered),
            p50=percentile(ordered, 0.50),
            p90=percentile(ordered, 0.90),
            p99=percentile(ordered, 0.99),
            max=ordered[-1],
        )


def percentile(ordered: Sequence[float], quantile: float) -> float:
    """The smallest of the ``ordered`` values that at least this share of them do not exceed."""
    return ordered[max(0, math.ceil(quantile * len(ordered)) - 1)]


def median(values: Iterable[float | None]) -> float | None:
    """The median of the values that there are; None where there are none."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How fast y rises with x: the line of least squares through (x, y). 0 for less than two."""
    if len({x for x, _ in points}) < 2:
        return 0.0
    return statistics.linear_regression(*zip(*points, strict=True)).slope
