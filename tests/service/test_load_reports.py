"""What is reported of the times that a load measured."""

from __future__ import annotations

import random

from hdrh.histogram import HdrHistogram

from picosip_server.engine.load.figures import LoadFigures
from picosip_server.engine.load.samples import LONGEST, MICROSECONDS, Samples
from picosip_server.service.convert import load_reports


def measured(*microseconds: int) -> Samples:
    made = Samples()
    for each in microseconds:
        made.note(each / MICROSECONDS)
    return made


def test_the_histogram_is_that_of_the_same_times_recorded_one_by_one() -> None:
    chance = random.Random(3)
    times = [0, 1, 1023, 1024, 2047, 2048, LONGEST]
    times += [round(chance.lognormvariate(8, 2)) for _ in range(2000)]
    found = load_reports.histogram(measured(*times))
    assert found is not None
    recorded = HdrHistogram(1, LONGEST, 3)
    for time in times:
        recorded.record_value(time)
    read = HdrHistogram.decode(found.hdr)
    assert read.equals(recorded)
    assert read.total_count == found.count == len(times)
    assert found.max.ToMicroseconds() == read.get_max_value()
    for one in found.quantiles:
        assert one.value.ToMicroseconds() == read.get_value_at_percentile(100 * one.quantile)


def test_an_interval_has_the_figures_of_its_own_times() -> None:
    before = LoadFigures(elapsed=1.0, started=2, setup=measured(1000, 1000))
    after = LoadFigures(elapsed=3.0, started=6, setup=measured(1000, 1000, 500, 700))
    found = load_reports.interval(before, after)
    assert (found.start_rate, found.setup.count, found.setup.hdr) == (2.0, 2, "")
    assert found.setup.min.ToMicroseconds() == 500
    assert found.setup.mean.ToMicroseconds() == 600
    assert found.setup.max.ToMicroseconds() == 700
    assert not load_reports.interval(after, after).HasField("setup")
