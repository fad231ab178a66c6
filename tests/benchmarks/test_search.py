"""The search for the highest rate that goes well."""

from __future__ import annotations

import pytest

from benchmarks.search import highest


class Machine:
    """Goes well up to a limit, and notes what was tried."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.tried: list[int] = []

    def __call__(self, rate: int) -> bool:
        self.tried.append(rate)
        return rate <= self.limit


@pytest.mark.parametrize("limit", [10, 57, 399, 400, 401, 1234, 8000])
@pytest.mark.parametrize("first", [10, 400, 5000])
def test_it_comes_as_close_as_it_is_asked(limit: int, first: int) -> None:
    machine = Machine(limit)
    found = highest(machine, first, precision=0.05)
    assert found <= limit
    assert found * 1.05 >= limit or limit - found <= 1
    assert len(machine.tried) == len(set(machine.tried)), "a rate was tried twice"
    assert len(machine.tried) <= 20


def test_it_rises_from_a_good_rate_and_then_halves() -> None:
    machine = Machine(500)
    assert highest(machine, 400, precision=0.1) == 477
    assert machine.tried == [400, 640, 506, 450, 477]


def test_it_falls_from_a_bad_rate() -> None:
    machine = Machine(100)
    highest(machine, 400, precision=0.25)
    assert machine.tried[:4] == [400, 250, 156, 97]


def test_nothing_goes_well() -> None:
    machine = Machine(0)
    assert highest(machine, 40, floor=5) == 0
    assert machine.tried[-1] == 5


def test_it_stops_at_the_ceiling() -> None:
    machine = Machine(10**9)
    assert highest(machine, 400, ceiling=1000) == 1000
    assert machine.tried == [400, 640, 1000]


def test_a_first_rate_out_of_bounds_is_brought_into_them() -> None:
    machine = Machine(10**9)
    assert highest(machine, 5000, ceiling=1000) == 1000
    assert machine.tried == [1000]


def test_the_best_rate_so_far_will_do_when_time_is_up() -> None:
    machine = Machine(1000)
    assert highest(machine, 2000, enough=lambda: True) == 781
    assert machine.tried == [2000, 1250, 781], "it went on without a rate that goes well"
