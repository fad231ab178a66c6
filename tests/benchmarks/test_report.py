"""The report: medians over rounds, what is missing, tables, JSON and pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from benchmarks.contenders import ALL, Contender, Role
from benchmarks.contenders.base import Pair
from benchmarks.figures import Spread
from benchmarks.measure import Result
from benchmarks.plots import write_plots
from benchmarks.report import COLUMNS, Entry, Report

MACHINE = {
    "cpu": "A processor",
    "cores": 2,
    "memory_gib": 4.0,
    "system": "Linux",
    "kernel": "6.1",
    "versions": {"python": "CPython 3.11.7", "sipp": "3.6.1"},
}


def contender(name: str) -> Contender:
    (found,) = (one for one in ALL if one.name == name)
    return found


def result(rate: int, server: float, p99: float, octets: float | None = 6000) -> Result:
    return Result(
        highest=rate,
        cpu=Pair(server=server, application=0.5),
        setup=Spread(count=10, p50=1.0, p90=2.0, p99=p99, max=p99),
        held=100,
        held_memory=None if octets is None else Pair(server=octets, application=100),
    )


def report() -> Report:
    return Report(
        machine=MACHINE,
        options={"rounds": 3},
        entries=[
            Entry(
                contender("picosip-unary-uas"),
                results=[result(900, 0.4, 9), result(1000, 0.6, 30), result(800, 0.5, 12, None)],
            ),
            Entry(contender("sippy-uas"), missing="sippy is not installed"),
            Entry(contender("sipp-uac"), results=[result(5000, 0.05, 1)]),
            Entry(contender("baresip-uac"), results=[Result(why="3 of 4 calls failed | so")]),
        ],
    )


def test_each_figure_is_the_median_of_the_rounds_that_have_it() -> None:
    figures = report().entries[0].figures()
    assert list(figures) == list(COLUMNS)
    assert list(figures.values()) == [900, 0.5, 0.5, 1.0, 12, 6.0, 0.1]


def test_who_has_no_application_has_no_figures_for_it() -> None:
    figures = report().entries[2].figures()
    assert figures["CPU ms/call, application"] is None
    assert figures["kB/held call, application"] is None


def test_the_markdown_has_a_row_for_each_with_or_without_figures() -> None:
    lines = report().as_markdown().splitlines()
    assert lines[0] == (
        "A processor, 2 cores, 4.0 GiB, Linux 6.1; python CPython 3.11.7, sipp 3.6.1."
    )
    assert "| picoSIP, unary RPCs | 900 | 0.50 | 0.50 | 1.0 | 12.0 | 6.0 | 0.1 |" in lines
    assert "| sippy (in process) | sippy is not installed |  |  |  |  |  |  |" in lines
    assert "| SIPp (the limit) | 5,000 | 0.05 | - | 1.0 | 1.0 | 6.0 | - |" in lines
    assert "| baresip, ctrl_tcp | 3 of 4 calls failed / so |  |  |  |  |  |  |" in lines


def test_the_table_for_the_terminal_fits_into_eighty_columns() -> None:
    output = io.StringIO()
    console = Console(file=output, width=80)
    for role in Role:
        console.print(report().as_table(role))
    text = output.getvalue()
    assert "picoSIP, unary RPCs │     900 │   0.50 + 0.50 │ 1.0 / 12.0 │     6.0 + 0.1 │" in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_who_has_no_figures_is_told_with_the_reason() -> None:
    assert report().without_figures() == [
        "sippy-uas: sippy is not installed",
        "baresip-uac: 3 of 4 calls failed | so",
    ]


def test_the_json_has_the_rounds_and_the_medians(tmp_path: Path) -> None:
    report().write(tmp_path)
    written = json.loads((tmp_path / "bench.json").read_text())
    first = written["contenders"][0]
    assert first["name"] == "picosip-unary-uas"
    assert first["role"] == "UAS"
    assert first["median"]["clean calls/s"] == 900
    assert [one["highest"] for one in first["rounds"]] == [900, 1000, 800]
    assert written["contenders"][1]["missing"] == "sippy is not installed"
    assert written["machine"] == MACHINE
    assert (tmp_path / "bench.md").read_text() == report().as_markdown()


def test_pictures_are_drawn_of_what_has_figures(tmp_path: Path) -> None:
    written = {path.name for path in write_plots(report(), tmp_path)}
    assert written == {
        f"{role}-{what}.svg"
        for role in ("uas", "uac")
        for what in ("rate", "cpu", "setup", "memory")
    }
    assert "picoSIP, unary RPCs" in (tmp_path / "uas-rate.svg").read_text()
    assert "sippy" not in (tmp_path / "uas-rate.svg").read_text()
