"""When each one of a load is due."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from picosip_server.engine.load.arrivals import Arrivals, Profile, due_times
from picosip_server.engine.load.distributions import Constant, Exponential, Mix, Normal, Uniform
from picosip_server.engine.load.rates import ConstantRate, RampRate


def times(arrivals: Arrivals, most: int = 1000) -> list[float]:
    found = []
    while arrivals.next is not None and len(found) < most:
        found.append(arrivals.next)
        arrivals.take()
    return found


def test_evenly_from_the_first_moment_on() -> None:
    profile = Profile(rate=ConstantRate(4), count=5)
    assert list(due_times(profile, Random(1))) == [0, 0.25, 0.5, 0.75, 1.0]


def test_the_count_or_the_duration_ends_it() -> None:
    assert len(list(due_times(Profile(rate=ConstantRate(10), duration=2), Random(1)))) == 20
    both = Profile(rate=ConstantRate(10), duration=2, count=7)
    assert len(list(due_times(both, Random(1)))) == 7
    # A rate that has come to nothing brings no more.
    assert len(list(due_times(Profile(rate=RampRate(10, 0, 2)), Random(1)))) == 11


def test_poisson_arrivals_are_random_and_on_average_at_the_rate() -> None:
    profile = Profile(rate=ConstantRate(100), count=20_000, poisson=True)
    found = list(due_times(profile, Random(7)))
    assert found == sorted(found)
    assert found == list(due_times(profile, Random(7)))
    assert found[-1] == pytest.approx(200, rel=0.03)
    gaps = [after - before for before, after in itertools.pairwise(found)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    # As exponential times have it.
    assert deviation == pytest.approx(mean, rel=0.05)


def test_workers_share_one_sequence() -> None:
    profile = Profile(rate=ConstantRate(100), count=100, poisson=True)
    whole = times(Arrivals(profile, Random(3)))
    parts = [times(Arrivals(profile, Random(3), worker=each, workers=3)) for each in range(3)]
    assert [whole[each::3] for each in range(3)] == parts


def test_an_end_is_an_end() -> None:
    arrivals = Arrivals(Profile(rate=ConstantRate(1)), Random(1))
    assert times(arrivals, 3) == [0, 1, 2]
    arrivals.end()
    assert arrivals.next is None


def test_distributions() -> None:
    random = Random(5)
    assert Constant(1.5).draw(random) == 1.5
    uniform = [Uniform(1, 3).draw(random) for _ in range(5000)]
    assert min(uniform) >= 1 and max(uniform) <= 3
    assert sum(uniform) / 5000 == pytest.approx(2, rel=0.03)
    exponential = [Exponential(4).draw(random) for _ in range(20_000)]
    assert sum(exponential) / 20_000 == pytest.approx(4, rel=0.03)
    normal = [Normal(1, 1).draw(random) for _ in range(5000)]
    # What would be below zero is zero: 16 in 100.
    assert min(normal) == 0
    assert sum(each == 0 for each in normal) / 5000 == pytest.approx(0.16, abs=0.02)


def test_a_mix_follows_its_weights() -> None:
    random = Random(2)
    mix = Mix((3.0, 1.0))
    drawn = [mix.draw(random) for _ in range(8000)]
    assert drawn.count(1) / 8000 == pytest.approx(0.25, abs=0.02)
    assert Mix((0.1,)).draw(random) == 0
