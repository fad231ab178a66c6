"""The plots of a report, as SVG. Each is None where there is nothing to draw."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import leather
from hdrh.histogram import HdrHistogram

from picosip_server.cli_load.report import Point, Report, Spread
from picosip_server.cli_load.words import span_text

_WIDTH, _HEIGHT = 860, 280
_COLORS = ["#1f6fb4", "#d9822b", "#2e8b57", "#8e5bb5", "#999999"]
_GRAY, _RED, _DASHES = "#999999", "#c62828", "4 4"
_PERCENTS = (0.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 99.999)

_FINE = [
    100 - 100 * 10**-decade * part
    for decade in range(6)
    for part in (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15)
][1:]
"""Evenly enough along the axis of percentiles."""

_Line = tuple[str, list[tuple[float, float]], str, str]
"""Name, points, colour, dashes ("" for none)."""


def rates(report: Report) -> str | None:
    """What was asked for, what began, and what became of it."""
    points = report.series
    lines = [
        _over_time("succeeded", points, lambda one: one.success_rate, _COLORS[2]),
        _over_time("failed", points, lambda one: one.failure_rate, _RED),
        _over_time("begun", points, lambda one: one.start_rate, _COLORS[0]),
        _over_time("target", points, lambda one: one.target_rate or None, _GRAY, _DASHES),
    ]
    return _time_chart(report, lines)


def active(report: Report) -> str | None:
    """How many lived, and how many waited for their turn."""
    points = report.series
    lines = [_over_time("active", points, lambda one: one.active, _COLORS[0])]
    if any(one.waiting for one in points):
        lines.append(_over_time("waiting", points, lambda one: one.waiting, _COLORS[1]))
    return _time_chart(report, lines)


def setup(report: Report) -> str | None:
    """Percentiles of each interval."""
    lines = [
        _over_time(f"{percent} %", report.series, _milliseconds(percent), color)
        for percent, color in zip(("50", "90", "99"), _COLORS, strict=False)
    ]
    return _time_chart(report, lines)


def distribution(report: Report, before: Report | None) -> str | None:
    """All times by percentile, the last ones drawn apart; dashed those of an earlier report."""
    lines: list[_Line] = []
    for one, suffix, dashes in ((report, "", ""), (before, " before", _DASHES)):
        if one is None:
            continue
        times = {
            "setup": one.setup,
            "post-dial delay": one.post_dial_delay,
            "teardown": one.teardown,
        }
        lines += [
            (name + suffix, _by_percentile(spread), color, dashes)
            for (name, spread), color in zip(times.items(), _COLORS, strict=False)
        ]
    places = [place for _, points, _, _ in lines for place, _ in points]
    if not places:
        return None
    ticks = [one for one in _PERCENTS if _place(one) <= max(places) + 1e-9]
    return _chart(lines, [_place(one) for one in ticks], lambda _, index: f"{ticks[index]:g} %")


def _milliseconds(percent: str) -> Callable[[Point], float | None]:
    def value(point: Point) -> float | None:
        found = point.setup.at(percent)
        return None if found is None else found * 1e3

    return value


def _over_time(
    name: str,
    points: Sequence[Point],
    value: Callable[[Point], float | None],
    color: str,
    dashes: str = "",
) -> _Line:
    found = [(one.time, value(one)) for one in points]
    return name, [(time, float(y)) for time, y in found if y is not None], color, dashes


def _time_chart(report: Report, lines: list[_Line]) -> str | None:
    end = max((one.time for one in report.series), default=0.0)
    every = _round_step(end / 8)
    ticks = [every * index for index in range(int(end / every) + 1)] if end else [0.0]
    return _chart(lines, ticks, lambda value, _: _tick(float(value)))


def _tick(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 60 else span_text(seconds)


def _round_step(least: float) -> float:
    """The next of 1, 2, 5, 10, 15, 30 seconds and so on that is not below it."""
    for one in (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800):
        if one >= least:
            return one
    return math.ceil(least / 3600) * 3600


def _chart(
    lines: list[_Line], ticks: Sequence[float], tick_text: Callable[[float, int], str]
) -> str | None:
    drawn = [line for line in lines if line[1]]
    if not drawn:
        return None
    _use_theme()
    chart = leather.Chart()
    for name, points, color, dashes in drawn:
        if len(points) == 1:
            # A line of one point is invisible.
            chart.add_dots(points, name=name, fill_color=color)
        else:
            chart.add_line(points, name=name, stroke_color=color, stroke_dasharray=dashes or None)
    xs = [x for _, points, _, _ in drawn for x, _ in points]
    top = max(y for _, points, _, _ in drawn for _, y in points)
    chart.add_x_scale(min(0.0, *xs), max(*xs, *ticks, 1e-9))
    chart.add_y_scale(0.0, top * 1.05 or 1.0)
    chart.add_x_axis(ticks=list(ticks), tick_formatter=lambda x, index, _: tick_text(x, index))
    chart.add_y_axis(tick_formatter=lambda y, *_: f"{float(y):,g}")
    return str(chart.to_svg(width=_WIDTH, height=_HEIGHT))


def _use_theme() -> None:
    """Leather's look is that of its module: there is no other way to set it."""
    theme = leather.theme
    theme.background_color = "none"
    theme.margin = 0.025
    for part in ("title", "legend", "axis_title", "tick"):
        setattr(theme, f"{part}_font_family", "system-ui, sans-serif")
    for part in ("legend", "tick"):
        setattr(theme, f"{part}_font_size", 12)
    theme.label_color = theme.legend_color = "#666"


def _by_percentile(spread: Spread) -> list[tuple[float, float]]:
    """Place and milliseconds, from the histogram where there is one."""
    if not spread.count:
        return []
    found = dict(spread.percentiles)
    if spread.hdr:
        # Further out there is less than one of them.
        percents = [one for one in _FINE if spread.count * (100 - one) >= 100]
        histogram = HdrHistogram.decode(spread.hdr)
        found = {
            percent: value / 1e6
            for percent, value in histogram.get_percentile_to_value_dict(percents).items()
        }
    points = sorted((float(percent), value) for percent, value in found.items())
    return [(_place(percent), value * 1e3) for percent, value in [(0.0, spread.min), *points]]


def _place(percent: float) -> float:
    """Each nine as wide as the one before it."""
    return -math.log10(1 - percent / 100)
