"""The commands beside the main one: each measures one thing of picoSIP alone."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks import machine
from benchmarks.abreast import Version, abreast
from benchmarks.compare import chosen
from benchmarks.contenders import Role
from benchmarks.held import CallsFailed, measure_held
from benchmarks.latency import event_latency
from benchmarks.live import Live
from benchmarks.options import Options
from benchmarks.overload import compared, overload
from benchmarks.plots import write_lines
from benchmarks.process import ProcessEnded
from benchmarks.profiling import profile, py_spy
from benchmarks.soak import SoakPlan, soak
from benchmarks.steps import Plan

console = Console()
more = typer.Typer()

Output = Annotated[Path, typer.Option(metavar="FOLDER", help="Where the report goes.")]
DEFAULT = Path(__file__).with_name("results")


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for the files of a measurement."""
    with tempfile.TemporaryDirectory(prefix="picosip-bench-") as folder:
        yield Path(folder)


def write(folder: Path, name: str, report: dict[str, Any]) -> None:
    """A report with the machine's description."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    whole = {"machine": machine.describe(), **report}
    path.write_text(json.dumps(whole, indent=2, default=_plain) + "\n")
    console.print(f"written to {path}")


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(type(value).__name__)


@more.command("memory")
def run_memory(
    calls: Annotated[int, typer.Option(min=10, help="How many the one pair holds.")] = 100_000,
    few: Annotated[int, typer.Option(min=5, help="How many the other holds.")] = 1_000,
    rate: Annotated[float, typer.Option(min=1, help="Calls a second.")] = 400.0,
    output: Output = DEFAULT,
) -> None:
    """**Memory** of held calls, and **growth**: one picoSIP calls another, inside their engines.

    Two hold a few calls, two others many: resident memory for each, and what another call costs
    here and there, in turn. Then all of the many are hung up: status 1 if one was lost, or
    anything of them is left.
    """
    try:
        with scratch() as folder:
            found = measure_held(calls, min(few, calls // 2), rate, folder, tell=console.print)
    except CallsFailed as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(1) from error
    console.print(f"ended in order {found.ended}, lost {found.lost}, left over {found.left}")
    for name, (caller, callee) in {
        "base": found.base,
        "peak": found.peak,
        "after": found.after,
    }.items():
        console.print(f"{name:>7}: {caller / 2**20:.0f} and {callee / 2**20:.0f} MiB")
    write(output, "memory", asdict(found))
    if found.lost or found.left:
        raise typer.Exit(1)


@more.command("latency")
def run_latency(
    rate: Annotated[float, typer.Option(min=1, help="Calls a second.")] = 1_000.0,
    seconds: Annotated[float, typer.Option(min=1, help="For how long.")] = 10.0,
    output: Output = DEFAULT,
) -> None:
    """**Event latency**: from an INVITE's leaving SIPp to CallReceived at an application on a
    Control stream."""
    with scratch() as folder:
        step, spread = event_latency(rate, seconds, folder)
    verdict = "clean" if step.clean else "not clean"
    if spread is not None:
        console.print(
            f"{rate:g} calls/s, {verdict}: p50 {spread.p50:.1f} ms, p90 {spread.p90:.1f} ms, "
            f"p99 {spread.p99:.1f} ms, max {spread.max:.1f} ms"
        )
    write(output, "latency", {"rate": rate, "clean": step.clean, "latency": spread})


@more.command("overload")
def run_overload(
    highest: Annotated[
        float | None,
        typer.Argument(
            help="Its highest clean rate. Unless given it is looked for before and after, since "
            "the speed of machines changes."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="The contender.")] = "picosip-control-uas",
    seconds: Annotated[float, typer.Option(min=1, help="For how long.")] = 60.0,
    hold: Annotated[float, typer.Option(min=0, help="How long each call lasts, s.")] = 1.0,
    step: Annotated[float, typer.Option(min=1, help="How long a rate is to be clean, s.")] = 10.0,
    minutes: Annotated[
        float, typer.Option(min=0, help="What both searches may take together.")
    ] = 5.0,
    output: Output = DEFAULT,
) -> None:
    """**Overload**: twice the highest clean rate for a minute. How many calls are served, how many
    refused with 503, and whether one in progress is lost."""
    contenders = [one for one in chosen([name]) if one.role is Role.UAS and one.name == name]
    if not contenders:
        raise typer.BadParameter(f"no contender that answers is called {name}")
    searches: dict[str, int] = {}
    with scratch() as folder:
        if highest is None:
            options = Options(seconds=step, held=100, tries=1, minutes=minutes)
            with Live(console, 2) as live:
                both = compared(contenders[0], options, seconds, hold, folder, live)
            searches = {"before": both.before, "after": both.after}
            highest, found = both.highest, both.overloaded
            console.print(f"highest clean rate {both.before}/s before and {both.after}/s after")
        else:
            found = overload(contenders[0], 2 * highest, seconds, hold, folder)
    console.print(
        f"offered {found.offered:g}/s: {found.goodput:.0f}/s served "
        f"({100 * found.goodput / highest:.0f} % of the highest clean rate), {found.refused} of "
        f"{found.calls} refused, {found.unanswered} not answered, {found.lost} lost in progress, "
        f"{found.resent} messages sent again by SIPp"
    )
    write(
        output,
        "overload",
        {"highest": highest, **searches, "goodput": found.goodput, "overload": found},
    )


@more.command("abreast")
def run_abreast(
    trees: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=[PYTHON@]FOLDER[:FOLDER]...",
            help="Versions: each with the folders that its modules are in (none: what is "
            "installed), and the interpreter if it is another one; the first is what the others "
            "are compared with.",
        ),
    ],
    rate: Annotated[float, typer.Option(min=1, help="Calls a second.")] = 500.0,
    seconds: Annotated[float, typer.Option(min=0.5, help="For how long at a time.")] = 3.0,
    rounds: Annotated[int, typer.Option(min=1, help="How often each gets its turn.")] = 7,
    name: Annotated[str, typer.Option(help="The contender.")] = "picosip-control-uas",
) -> None:
    """**Two versions**, both up at once, get the same calls in turn: what a call costs in either.

    `git worktree add ../before COMMIT; python -m benchmarks abreast
    before=../before:../before/clients/python after=.:clients/python`

    Or two interpreters: `one= other=../other/.venv/bin/python@`
    """
    versions: dict[str, Version] = {}
    for each in trees:
        version, found, what = each.partition("=")
        if not version or not found or version in versions:
            raise typer.BadParameter(f"{each}: NAME=[PYTHON@]FOLDER is needed, each NAME once")
        versions[version] = Version.read(what)
        python = versions[version].python
        if python is not None and not python.with_name("picosip").exists():
            raise typer.BadParameter(f"{python}: no picosip is installed beside it")
    contenders = [one for one in chosen([name]) if one.name == name]
    if not contenders:
        raise typer.BadParameter(f"no contender is called {name}")
    plan = Plan(rate=rate, calls=max(1, round(rate * seconds)))
    with scratch() as folder:
        sides = abreast(contenders[0], versions, plan, rounds, folder)
    for side in sides:
        console.print(
            f"{side.name}: {side.server:.2f} + {side.application:.2f} ms of CPU a call, "
            f"{side.ratio:.2f} ({side.both:.2f} with the application) of {sides[0].name}; "
            f"{side.failed} calls failed, {side.resent} messages sent again"
        )


@more.command("profile")
def run_profile(
    name: Annotated[str, typer.Argument(help="The contender.")] = "picosip-control-uas",
    rate: Annotated[float, typer.Option(min=1, help="Calls a second.")] = 400.0,
    seconds: Annotated[float, typer.Option(min=1, help="For how long.")] = 20.0,
    looks: Annotated[int, typer.Option(min=1, help="At its stacks, a second.")] = 50,
    top: Annotated[int, typer.Option(min=0, help="How many functions are shown.")] = 40,
    output: Output = DEFAULT,
) -> None:
    """**Where the time goes** in a server: py-spy looks at it while it gets calls. It is halted for
    each look, so that less calls than otherwise are too many for it."""
    contenders = [one for one in chosen([name]) if one.name == name and name.startswith("picosip-")]
    if not contenders:
        raise typer.BadParameter(f"no contender of picoSIP's is called {name}")
    program = py_spy()
    if program is None:
        raise typer.BadParameter("py-spy is not installed: pip install py-spy")
    try:
        with scratch() as folder:
            step, found = profile(program, contenders[0], rate, seconds, looks, folder)
    except ProcessEnded as error:
        console.print(f"[red]{error}[/]", highlight=False)
        raise typer.Exit(1) from error
    console.print(
        f"{step.succeeded} of {step.plan.calls} calls at {rate:g}/s, {step.resent} messages sent "
        f"again; {found.samples} looks at what was not waiting"
    )
    for layer, share in found.layers.items():
        console.print(f"{100 * share:5.1f} %  {layer}", highlight=False)
    console.print("\nwith what it calls, by itself", highlight=False)
    for function, within, alone in found.functions[:top]:
        line = f"{100 * within:5.1f} % {100 * alone:5.1f} %  {function}"
        console.print(line, highlight=False, markup=False, no_wrap=True, overflow="ellipsis")
    write(output, "profile", {"contender": name, "rate": rate, "profile": found})


@more.command("soak")
def run_soak(
    seconds: Annotated[float, typer.Option(min=5, help="For how long.")] = 600.0,
    rate: Annotated[float, typer.Option(min=1, help="Calls a second.")] = 500.0,
    loss: Annotated[float, typer.Option(min=0, max=50, help="Messages lost, per cent.")] = 1.0,
    restart_every: Annotated[
        float, typer.Option(min=2, help="How long each application lives, s.")
    ] = 60.0,
    malformed: Annotated[float, typer.Option(min=0.1, help="Malformed messages a second.")] = 20.0,
    output: Output = DEFAULT,
) -> None:
    """A **long run**: steady calls, with packets lost, the application started anew and malformed
    traffic mixed in. Status 1 if memory keeps growing, or if a call, transaction, actor, timer,
    stream, file or thread is left at the end."""
    plan = SoakPlan(
        seconds=seconds, rate=rate, loss=loss, restart_every=restart_every, malformed=malformed
    )
    with scratch() as folder, Progress(console=console, transient=True) as progress:
        task = progress.add_task("soak", total=seconds)
        seen = soak(plan, folder, lambda passed: progress.update(task, completed=passed))
    console.print(
        f"{seen.succeeded} of {seen.calls} calls succeeded {seen.causes}, "
        f"{seen.restarts} restarts, {seen.malformed} malformed messages; memory "
        f"{seen.growth * 60 / 1024:+.0f} KiB a minute in the second half; left: {seen.after}"
    )
    write(output, "soak", seen.as_dict())
    points = [(seconds, octets / 2**20) for seconds, octets in seen.rss]
    if len(points) > 1:
        write_lines(output / "soak.svg", "resident memory", "MiB", {"server": points})
    for fault in seen.faults():
        console.print(f"[red]{fault}[/]")
    if seen.faults():
        raise typer.Exit(1)
