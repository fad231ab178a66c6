"""What is measured of one contender in one round."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.contenders.base import Contender, Pair
from benchmarks.course import FAULTS, Course
from benchmarks.figures import Spread
from benchmarks.options import Options
from benchmarks.search import highest
from benchmarks.steps import Plan, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Of one contender, in one round."""

    highest: int = 0
    """Highest clean rate, calls a second."""
    cpu: Pair | None = None
    """Milliseconds per call at that rate."""
    half_rate: int = 0
    half_cpu: Pair | None = None
    """Milliseconds per call at half of it."""
    setup: Spread | None = None
    """At half of it, milliseconds."""
    held: int = 0
    held_memory: Pair | None = None
    """Octets for each of so many held calls."""
    why: str = ""
    """What kept it from a higher rate, or from a figure that is missing."""


class Teller(Protocol):
    """Who is told how it goes."""

    def watch(self, plan: Plan, seconds: float) -> None:
        """So much of a plan has passed."""

    def told(self, contender: Contender, what: str, step: Step | None, why: str = "") -> None:
        """A step has ended; without one it failed altogether."""


def measure(
    contender: Contender,
    folder: Path,
    options: Options,
    first: int,
    teller: Teller,
    search_seconds: float | None = None,
) -> Result:
    """The highest clean rate from ``first`` on, then cost and times at half of it, then memory.

    After ``search_seconds`` the best rate so far is the highest, if there is one.
    """
    began = time.monotonic()
    best: Step | None = None
    why = ""

    def goes_well(rate: int) -> bool:
        nonlocal best, why
        for _ in range(options.tries):
            step = attempt(rate)
            if step is not None and step.clean:
                best = step
                return True
            why = explain(step) if step is not None else why
        return False

    def attempt(rate: int) -> Step | None:
        nonlocal why
        plan = Plan(rate=rate, calls=max(1, round(rate * options.seconds)))
        try:
            step = course.step(plan, until_dirty=True)
        except FAULTS as error:
            why = str(error)
            teller.told(contender, f"{rate}/s", None, why)
            return None
        teller.told(contender, f"{rate}/s", step, "" if step.clean else explain(step))
        return step

    with Course(contender, folder, teller.watch) as course:
        rate = highest(
            goes_well,
            first,
            precision=options.precision,
            ceiling=options.ceiling,
            enough=lambda: search_seconds is not None and time.monotonic() - began > search_seconds,
        )
        if best is None:
            return Result(why=why)
        course.restart()
        half = max(1, rate // 2)
        setup = hold = None
        try:
            setup = course.step(Plan(rate=half, calls=max(1, round(half * options.seconds))))
            teller.told(contender, f"half, {half}/s", setup)
            # All of them are up for two seconds at least.
            held = Plan(rate=half, calls=options.held, hold=options.held / half + 2.0)
            hold = course.step(held)
            teller.told(contender, f"{options.held} held", hold)
        except FAULTS as error:
            why = str(error)
            teller.told(contender, f"half, {half}/s", None, why)
    return Result(
        highest=rate,
        cpu=best.cpu_per_call,
        half_rate=half,
        half_cpu=setup.cpu_per_call if setup else None,
        setup=setup.setup if setup else None,
        held=options.held,
        held_memory=(
            hold.memory.scaled(1 / options.held)
            if hold is not None and hold.succeeded == options.held
            else None
        ),
        why=why,
    )


def explain(step: Step) -> str:
    """Why a step was not clean."""
    if step.stopped and step.resent:
        return f"retransmissions ({step.resent} when it was stopped)"
    if step.stopped:
        return f"calls failed{_detail(step)}"
    if step.failed or step.succeeded < step.plan.calls:
        return f"{step.failed} of {step.plan.calls} calls failed{_detail(step)}"
    if step.resent:
        return f"{step.resent} retransmissions"
    return f"it took {step.elapsed:.1f} s instead of {step.plan.seconds:.1f} s"


def _detail(step: Step) -> str:
    return f": {step.why.splitlines()[0][:160]}" if step.why.strip() else ""
