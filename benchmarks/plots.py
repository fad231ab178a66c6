"""The same figures as pictures (SVG)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import leather

from benchmarks.contenders.base import Role
from benchmarks.report import COLUMNS, Entry, Report

_WIDTH, _ROW = 800, 46

Point = tuple[float, float]


def write_plots(report: Report, folder: Path) -> list[Path]:
    """A bar chart for each side and figure that is there; gives their files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for role in Role:
        entries = [entry for entry in report.of(role) if entry.results and not entry.why]
        for what, columns in {
            "rate": (COLUMNS[0],),
            "cpu": (COLUMNS[1], COLUMNS[2]),
            "setup": (COLUMNS[4],),
            "memory": (COLUMNS[5], COLUMNS[6]),
        }.items():
            bars = [(_sum(entry, columns), entry.contender.title) for entry in entries]
            bars = [bar for bar in bars if bar[0] is not None]
            if not bars:
                continue
            path = folder / f"{role.name.lower()}-{what}.svg"
            title = columns[0] if len(columns) == 1 else columns[0].replace("server", "all")
            chart = leather.Chart(f"{title} ({'UAS' if role is Role.UAS else 'UAC'})")
            chart.add_bars(bars[::-1])
            chart.to_svg(str(path), width=_WIDTH, height=120 + _ROW * len(bars))
            written.append(path)
    return written


def _sum(entry: Entry, columns: Sequence[str]) -> float | None:
    figures = entry.figures()
    values = [figures[column] for column in columns]
    known = [value for value in values if value is not None]
    return round(sum(known), 3) if known else None


def write_lines(path: Path, title: str, unit: str, series: dict[str, Sequence[Point]]) -> None:
    """Lines over seconds."""
    chart = leather.Chart(title)
    for name, points in series.items():
        if points:
            chart.add_line(list(points), name=name)
    chart.add_x_axis(name="seconds")
    chart.add_y_axis(name=unit)
    chart.to_svg(str(path), width=_WIDTH, height=400)
