"""The report as one HTML page with plots, which fetches nothing from anywhere."""

from __future__ import annotations

import json
from collections.abc import Sequence

import jinja2
from markupsafe import Markup

from picosip_server.cli_load import plots
from picosip_server.cli_load.report import Report
from picosip_server.cli_load.summary import change_text, figure_text, rows

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("picosip_server.cli_load", "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def html_text(report: Report, before: Report | None = None) -> str:
    """The page. ``before``: an earlier report, drawn beside this one."""
    charts: Sequence[tuple[str, str | None]] = (
        ("Rate, a second", plots.rates(report)),
        ("Active", plots.active(report)),
        ("Setup over time, ms", plots.setup(report)),
        ("How times are spread, ms", plots.distribution(report, before)),
    )
    return _TEMPLATES.get_template("report.html").render(
        report=report,
        rows=rows(report),
        differences=[
            (
                one,
                figure_text(one.before, one.unit),
                figure_text(one.now, one.unit),
                change_text(one),
            )
            for one in (report.comparison.differences if report.comparison else ())
        ],
        # Drawn by a library that escapes what it writes.
        charts=[(title, Markup(svg)) for title, svg in charts if svg is not None],
        scenario=json.dumps(report.scenario, indent=2, ensure_ascii=False),
    )
