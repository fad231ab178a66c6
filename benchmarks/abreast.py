"""Versions of picoSIP side by side: all are up at once, and get the same calls in turn.

Where a machine changes its speed from minute to minute, this tells two versions apart and
two runs, one after the other, do not.
"""

from __future__ import annotations

import os
import random
import statistics
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders.base import Contender
from benchmarks.course import WARM_UP
from benchmarks.steps import Plan, Step, run_step


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one version came to, over all rounds."""

    name: str
    server: float
    """Milliseconds of CPU per call; the median, as are all of these."""
    application: float
    ratio: float
    """CPU of its server per call, over that of the first version in the same round."""
    both: float
    """The same with the application."""
    failed: int
    """Calls, in all rounds together."""
    resent: int
    """Messages sent or received again, in all rounds together."""


def abreast(
    contender: Contender, trees: Mapping[str, str], plan: Plan, rounds: int, folder: Path
) -> list[Side]:
    """Each tree is what PYTHONPATH is to be for that version; empty: the installed one."""
    steps: dict[str, list[Step]] = {name: [] for name in trees}
    with ExitStack() as stack:
        running = {}
        for name, path in trees.items():
            with _python_path(path):
                running[name] = stack.enter_context(contender.start(folder / name))
            run_step(running[name], WARM_UP, folder / name)
        for number in range(rounds):
            for name in random.sample(list(trees), len(trees)):
                steps[name].append(run_step(running[name], plan, folder / name / f"{number}"))
    first = next(iter(steps.values()))
    return [_side(name, own, first) for name, own in steps.items()]


def _side(name: str, own: list[Step], first: list[Step]) -> Side:
    costs = [step.cpu_per_call for step in own]
    others = [step.cpu_per_call for step in first]
    pairs = list(zip(costs, others, strict=True))
    median = statistics.median
    return Side(
        name=name,
        server=median(cost.server for cost in costs),
        application=median(cost.application for cost in costs),
        ratio=median(one.server / other.server for one, other in pairs),
        both=median(
            (one.server + one.application) / (other.server + other.application)
            for one, other in pairs
        ),
        failed=sum(step.plan.calls - step.succeeded for step in own),
        resent=sum(step.resent for step in own),
    )


@contextmanager
def _python_path(path: str) -> Iterator[None]:
    """What is started meanwhile finds its modules there first."""
    before = os.environ.get("PYTHONPATH")
    if path:
        os.environ["PYTHONPATH"] = path
    try:
        yield
    finally:
        if before is not None:
            os.environ["PYTHONPATH"] = before
        else:
            os.environ.pop("PYTHONPATH", None)
