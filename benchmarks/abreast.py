"""Versions of picoSIP, or of Python, side by side: all are up at once, and get calls in turn.

Where a machine changes its speed from minute to minute, this tells two versions apart and
two runs, one after the other, do not.
"""

from __future__ import annotations

import os
import random
import statistics
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders.base import Contender
from benchmarks.course import WARM_UP
from benchmarks.interpreter import runs_on
from benchmarks.steps import Plan, Step, run_step


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One of those that are compared."""

    path: str = ""
    """What PYTHONPATH is to be for it; empty: the installed one."""
    python: Path | None = None
    """What it runs on; None: the interpreter of the benchmark."""

    @classmethod
    def read(cls, text: str) -> Version:
        """From ``[PYTHON@]FOLDER[:FOLDER...]``, where either may be empty."""
        python, _, folders = text.rpartition("@")
        # They are started in folders of their own. A link to an interpreter is what makes it that
        # of a virtual environment.
        return cls(
            path=":".join(str(Path(folder).resolve()) for folder in folders.split(":") if folder),
            python=Path(python).absolute() if python else None,
        )

    @contextmanager
    def taken(self) -> Iterator[None]:
        """What is started meanwhile is of this version."""
        with _python_path(self.path), runs_on(self.python) if self.python else nullcontext():
            yield


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
    contender: Contender, versions: Mapping[str, Version], plan: Plan, rounds: int, folder: Path
) -> list[Side]:
    """The first of them is the one that the others are compared with."""
    steps: dict[str, list[Step]] = {name: [] for name in versions}
    with ExitStack() as stack:
        running = {}
        for name, version in versions.items():
            with version.taken():
                running[name] = stack.enter_context(contender.start(folder / name))
            run_step(running[name], WARM_UP, folder / name)
        for number in range(rounds):
            for name in random.sample(list(versions), len(versions)):
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
