"""Every contender completes a few calls: no figure is judged."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from benchmarks.contenders import Contender
from benchmarks.course import FAULTS
from benchmarks.measure import explain
from benchmarks.steps import Plan, run_step

_PLAN = Plan(rate=50, calls=50)


def smoke(contenders: Iterable[Contender], console: Console) -> list[str]:
    """The names of those that did not, or are not installed."""
    bad = []
    for contender in contenders:
        why = contender.missing() or _fault(contender)
        console.print(
            f"{contender.name:>20}  "
            + (f"[red]{escape(why)}[/]" if why else f"[green]{_PLAN.calls} calls completed[/]")
        )
        if why:
            bad.append(contender.name)
    return bad


def _fault(contender: Contender) -> str:
    with tempfile.TemporaryDirectory(prefix="picosip-bench-") as scratch:
        try:
            with contender.start(Path(scratch) / "contender") as running:
                step = run_step(running, _PLAN, Path(scratch))
        except FAULTS as error:
            return str(error)
    return "" if step.succeeded == _PLAN.calls and not step.failed else explain(step)
