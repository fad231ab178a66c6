"""When so many have become due, at rates that change."""

from __future__ import annotations

import math

import pytest

from picosip_server.engine.load.rates import ConstantRate, RampRate, Rate, StepRate


@pytest.mark.parametrize(
    ("rate", "times"),
    [
        (ConstantRate(10), {0: 0, 1: 0.1, 25: 2.5}),
        # Five in the two seconds of the ramp, and two and a half a second after it.
        (RampRate(2.5, 2.5, 2), {0: 0, 5: 2, 10: 4}),
        # The area below the ramp: t**2 * 10 / 4.
        (RampRate(0, 10, 2), {0: 0, 2.5: 1, 10: 2, 20: 3}),
        (RampRate(10, 0, 2), {7.5: 1, 10: 2, 10.5: math.inf}),
        # 10 in the first second, 20 in the next, then 30 each.
        (StepRate(10, 10, 1, 30), {0: 0, 5: 0.5, 10: 1, 11: 1.05, 30: 2, 60: 3, 90: 4, 91.5: 4.05}),
        # None in the first second, then 2, 4, 6.
        (StepRate(0, 2, 1), {0: 0, 1: 1.5, 2: 2, 6: 3, 12: 4, 1_000_000: 1000.5005}),
        (StepRate(5, 5, 10, 5), {50: 10, 500: 100}),
    ],
)
def test_amounts_become_due(rate: Rate, times: dict[float, float]) -> None:
    assert {amount: rate.time_of(amount) for amount in times} == pytest.approx(times)


@pytest.mark.parametrize(
    ("rate", "seen"),
    [
        (ConstantRate(10), {0: 10, 99: 10}),
        (RampRate(0, 10, 2), {0: 0, 1: 5, 2: 10, 3: 10}),
        (StepRate(10, 10, 2, 25), {0: 10, 1.9: 10, 2: 20, 4: 25, 6: 25}),
    ],
)
def test_the_rate_at_a_time(rate: Rate, seen: dict[float, float]) -> None:
    assert {elapsed: rate.at(elapsed) for elapsed in seen} == seen
