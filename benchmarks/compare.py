"""The main run: all contenders in turn, in several rounds."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks import machine
from benchmarks.contenders import ALL, Contender
from benchmarks.live import Live
from benchmarks.measure import measure
from benchmarks.options import Options
from benchmarks.plots import write_plots
from benchmarks.report import Entry, Report


def chosen(words: Sequence[str]) -> list[Contender]:
    """Those whose name has one of the words in it; all without any."""
    return [one for one in ALL if not words or any(word in one.name for word in words)]


def compare(
    contenders: Iterable[Contender], options: Options, folder: Path, console: Console
) -> Report:
    """Measures them and writes the report, again after each so that nothing measured is lost.

    With Ctrl-C it ends early: the report then has what was measured until then, and says so.
    """
    report = Report(
        machine=machine.describe(),
        options=asdict(options),
        entries=[Entry(contender, contender.missing()) for contender in contenders],
    )
    for entry in report.entries:
        if entry.missing:
            console.print(f"[red]{entry.contender.name} is left out: {entry.missing}[/]")
    present = [entry for entry in report.entries if not entry.missing]
    try:
        _measure_all(present, report, options, folder, console)
    except KeyboardInterrupt:
        report.interrupted = True
    report.write(folder)
    write_plots(report, folder)
    return report


def _measure_all(
    present: list[Entry], report: Report, options: Options, folder: Path, console: Console
) -> None:
    turns = options.rounds * len(present)
    share = options.search_seconds(max(1, turns))
    with (
        tempfile.TemporaryDirectory(prefix="picosip-bench-") as scratch,
        Live(console, turns) as live,
    ):
        for number in range(1, options.rounds + 1):
            # Nobody is always the first, or always comes after the same one.
            for entry in random.sample(present, len(present)):
                live.begin(entry.contender, number, options.rounds)
                place = Path(scratch) / f"{entry.contender.name}-{number}"
                place.mkdir()
                first = entry.contender.first
                if entry.results and entry.results[-1].highest:
                    first = entry.results[-1].highest
                entry.results.append(measure(entry.contender, place, options, first, live, share))
                report.write(folder)
                live.end()
