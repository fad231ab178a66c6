"""The command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from benchmarks import interrupts
from benchmarks.compare import chosen, compare
from benchmarks.contenders import ALL, Role
from benchmarks.contenders.base import ROOT
from benchmarks.more import more
from benchmarks.options import Options
from benchmarks.process import end_all
from benchmarks.publish import publish
from benchmarks.smoke import smoke

RESULTS = ROOT / "benchmarks" / "results"
ROUGH_RESULTS = ROOT / "build" / "bench-results"

app = typer.Typer(
    add_completion=False,
    rich_markup_mode="markdown",
)
console = Console()

Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="WORD",
        help="Only contenders with this in their name, such as `uas` or `picosip`; repeatable. "
        "`list` shows the names.",
    ),
]
Quick = Annotated[
    bool,
    typer.Option("--quick", help="Short steps, one round: to see that it works, not to publish."),
]
Output = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Where the report goes: benchmarks/results, or with --quick build/bench-results.",
    ),
]


def output_folder(output: Path | None, quick: bool) -> Path:
    """Where reports go."""
    return output or (ROUGH_RESULTS if quick else RESULTS)


@app.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    only: Only = None,
    quick: Quick = False,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="How often each is measured, in shuffled order; medians count."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.5, help="Length of one step (10, quick: 2).")
    ] = None,
    held: Annotated[
        int | None,
        typer.Option(min=10, help="Calls held while memory is measured (5000, quick: 300)."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="About how long all of it may take: searches end earlier, and less exactly "
            "(no bound, quick: 7).",
        ),
    ] = None,
    output: Output = None,
) -> None:
    """Measures **picoSIP and its peers** in one run, SIPp being the other side of each call
    (INVITE 180 200 ACK BYE 200 over UDP on the loopback interface).

    For each contender it finds the **highest clean rate**: no call failed, nothing was sent twice
    on either side, and the rate was kept for the length of a step. A rate is given up when it went
    wrong twice. At half that rate it takes the **setup times**, at the highest the **CPU time per
    call** of the SIP server and of the application apart from each other, and then the
    **memory** that held calls take.

    Without a command it does this, and writes bench.json, bench.md and pictures. A full run takes
    about an hour and a half; `--quick` seven minutes; `--minutes` says how long. Ctrl-C ends it
    early, with a report of what was measured until then. Let nothing else run on the machine.

    Examples:

    - `python -m benchmarks --quick --only picosip`
    - `python -m benchmarks --only uas --rounds 5 --seconds 10`
    """
    if context.invoked_subcommand is not None:
        return
    options = Options.quick() if quick else Options()
    options = replace(
        options,
        rounds=rounds or options.rounds,
        seconds=seconds or options.seconds,
        held=held or options.held,
        minutes=minutes or options.minutes,
    )
    contenders = chosen(only or ())
    if not contenders:
        raise typer.BadParameter("no contender has that in its name", param_hint="--only")
    folder = output_folder(output, quick)
    report = compare(contenders, options, folder, console)
    for role in Role:
        if report.of(role):
            console.print(report.as_table(role))
    for line in report.without_figures():
        console.print(f"[red]{escape(line)}[/]")
    console.print(f"written to {folder}")
    if report.interrupted:
        console.print("[red]interrupted: not all rounds of all contenders are in it[/]")
        raise typer.Exit(130)


@app.command("list")
def list_contenders() -> None:
    """Shows the contenders, and what is missing of them."""
    for contender in ALL:
        state = contender.missing() or "ready"
        console.print(f"{contender.name:>20}  {contender.role.value:7}  {contender.title}: {state}")


@app.command("smoke")
def run_smoke(only: Only = None) -> None:
    """Has every contender complete fifty calls. No figure is judged; status 1 if one does not,
    or is not installed."""
    bad = smoke(chosen(only or ()), console)
    if bad:
        console.print(f"[red]not all calls completed: {', '.join(bad)}[/]")
        raise typer.Exit(1)


@app.command("publish")
def run_publish(
    folder: Annotated[Path, typer.Argument(help="Where the report of the run is.")] = RESULTS,
) -> None:
    """Puts the tables of the last full run into README.md and docs/performance.md."""
    tables = folder / "bench.md"
    if not tables.exists():
        raise typer.BadParameter(f"there is no {tables}: run make bench first")
    for page in publish(tables.read_text()):
        console.print(f"written to {page}")


app.registered_commands += more.registered_commands


def main() -> None:
    """Runs the program."""
    interrupts.take()
    try:
        app(prog_name="python -m benchmarks")
    finally:
        interrupts.ignore()
        end_all()
