"""The end of a load, for people: figures, thresholds, comparison."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from picosip_server.cli_load.report import Comparison, Difference, Report, Threshold
from picosip_server.cli_load.view import percentiles_text
from picosip_server.cli_load.words import counts_text, rate_text, span_text, time_text


def print_summary(console: Console, report: Report) -> None:
    """All of a report that is worth a line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan")
    table.add_column(overflow="fold")
    for name, text in rows(report):
        table.add_row(name, escape(text))
    console.print(table)
    _print_thresholds(console, report.thresholds)
    if report.comparison is not None:
        _print_comparison(console, report.comparison)


def rows(report: Report) -> list[tuple[str, str]]:
    """Name and text of each figure."""
    found = [
        (report.kind, f"{report.started:,} in {span_text(report.elapsed)}"),
        ("outcome", f"ok {report.succeeded:,}, failed {report.failed:,}"),
        ("rate", rate_text(report.rate)),
        ("active", f"at most {report.peak_active:,}"),
    ]
    found += [
        (name, percentiles_text(spread))
        for name, spread in (
            ("setup", report.setup),
            ("post-dial delay", report.post_dial_delay),
            ("teardown", report.teardown),
        )
        if spread.count
    ]
    if report.responses:
        found.append(("responses", counts_text(report.responses)))
    if report.failures:
        found.append(("failures", counts_text(report.failures)))
    found.append(
        (
            "retransmissions",
            f"sent {report.retransmissions_sent:,}, received {report.retransmissions_received:,}",
        )
    )
    if not report.complete:
        found.append(("incomplete", "it was not followed to its end"))
    return found


def _print_thresholds(console: Console, thresholds: list[Threshold]) -> None:
    if not thresholds:
        return
    table = Table.grid(padding=(0, 2))
    for one in thresholds:
        table.add_row(
            "[green]ok[/]" if one.ok else "[bold red]failed[/]",
            one.name,
            escape(f"{one.value}, limit {one.limit}"),
        )
    console.print()
    console.print(table)


def _print_comparison(console: Console, comparison: Comparison) -> None:
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    table.add_column("")
    for heading in ("before", "now", "change"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for one in comparison.differences:
        table.add_row(
            one.name,
            figure_text(one.before, one.unit),
            figure_text(one.now, one.unit),
            change_text(one),
            "[bold red]worse[/]" if one.worse else "",
        )
    console.print()
    console.print(
        f"compared with {comparison.report} of {comparison.start_time:%Y-%m-%d %H:%M:%S} UTC",
        markup=False,
        highlight=False,
    )
    console.print(table)


def figure_text(value: float | None, unit: str) -> str:
    """A figure of a comparison."""
    if value is None:
        return "-"
    match unit:
        case "s":
            return time_text(value)
        case "/s":
            return rate_text(value)
        case "%":
            return f"{value * 100:.4g} %"
    return f"{value:g}"


def change_text(difference: Difference) -> str:
    """How much more or less it is."""
    if difference.change is None:
        return "-" if None in (difference.before, difference.now) else "from 0"
    return f"{difference.change * 100:+.1f} %"
