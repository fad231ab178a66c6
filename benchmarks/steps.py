"""One step: so many calls at one rate, SIPp on the other side, and what it cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders.base import Answering, Calling, Done, Job, Pair, Running
from benchmarks.figures import Spread
from benchmarks.sipp import Sipp

_LOOK_EVERY = 0.25
_PATIENCE = 5.0
"""Seconds that the last calls of a step may take."""
_LATE = 0.05
"""Share of its time that a step may be late and still count as having kept its rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Calls that are to come: so many, at so many a second, each held for so many seconds."""

    rate: float
    calls: int
    hold: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it takes if all goes well."""
        return self.calls / self.rate + self.hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What became of a plan."""

    plan: Plan
    succeeded: int
    failed: int
    resent: int
    """Messages sent or received more than once, on both sides."""
    elapsed: float
    setup: Spread | None
    """INVITE to 200: at SIPp, or for those that call at their application."""
    cpu: Pair
    """Seconds."""
    sipp_cpu: float
    memory: Pair
    """Octets at most above what they were at its start."""
    stopped: bool = False
    """Not run to its end, as it was seen not to be clean."""
    why: str = ""
    """What failed first."""

    @property
    def clean(self) -> bool:
        """No call failed, nothing was sent twice, and the rate was kept."""
        return (
            not self.stopped
            and self.succeeded == self.plan.calls
            and self.failed == 0
            and self.resent == 0
            and self.elapsed <= self.plan.seconds * (1 + _LATE) + _LOOK_EVERY
        )

    @property
    def cpu_per_call(self) -> Pair:
        """Milliseconds."""
        return self.cpu.scaled(1000 / max(1, self.succeeded))


Watch = Callable[[float], None]
"""Is told every so often how many seconds of a step have passed."""


def _silent(seconds: float) -> None:
    """Nobody looks."""


class _Meter:
    """What a contender uses between two moments."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._cpu = running.cpu()
        self._rss = running.rss()
        self._resent = running.resent()
        self._peak = self._rss

    def look(self) -> None:
        """Follows the memory."""
        self._peak = self._peak.at_least(self._running.rss())

    @property
    def cpu(self) -> Pair:
        return self._running.cpu() - self._cpu

    @property
    def memory(self) -> Pair:
        return self._peak - self._rss

    @property
    def resent(self) -> int:
        return self._running.resent() - self._resent


def run_step(
    running: Running,
    plan: Plan,
    folder: Path,
    *,
    until_dirty: bool = False,
    watch: Watch = _silent,
    changes: Mapping[str, str] | None = None,
) -> Step:
    """Runs it; with ``until_dirty`` no longer than until it is seen not to be clean. ``changes``
    to SIPp's scenario are for those that answer."""
    running.check()
    if isinstance(running, Answering):
        return _called(running, plan, folder, until_dirty, watch, changes)
    assert isinstance(running, Calling)
    return _calling(running, plan, folder, until_dirty, watch)


def _called(
    running: Answering,
    plan: Plan,
    folder: Path,
    until_dirty: bool,
    watch: Watch,
    changes: Mapping[str, str] | None,
) -> Step:
    meter = _Meter(running)
    began = time.monotonic()
    with Sipp(
        folder,
        server=running.port,
        calls=plan.calls,
        rate=plan.rate,
        hold=plan.hold,
        changes=changes,
    ) as sipp:
        stopped = False
        while not sipp.process.wait(_LOOK_EVERY):
            running.check()
            meter.look()
            passed = time.monotonic() - began
            watch(passed)
            counts = sipp.counts()
            stopped = until_dirty and bool(counts.failed or counts.resent)
            if stopped or passed > plan.seconds + _PATIENCE:
                break
        sipp.finish(0.0)
        counts = sipp.counts()
        return Step(
            plan=plan,
            succeeded=counts.successful,
            failed=plan.calls - counts.successful,
            resent=counts.resent + sipp.received_again() + meter.resent,
            elapsed=counts.elapsed,
            setup=sipp.setup(),
            cpu=meter.cpu,
            sipp_cpu=sipp.process.cpu(),
            memory=meter.memory,
            stopped=stopped,
            why="" if counts.successful == plan.calls else sipp.why(),
        )


def _calling(running: Calling, plan: Plan, folder: Path, until_dirty: bool, watch: Watch) -> Step:
    began = time.monotonic()
    with Sipp(folder, calls=plan.calls) as sipp:
        meter = _Meter(running)
        stopped = False
        running.begin(Job(uri=sipp.uri, calls=plan.calls, rate=plan.rate, hold=plan.hold))
        while (done := running.done(_LOOK_EVERY)) is None:
            running.check()
            meter.look()
            passed = time.monotonic() - began
            watch(passed)
            counts = sipp.counts()
            stopped = until_dirty and bool(counts.failed or counts.resent)
            if stopped or passed > plan.seconds + _PATIENCE:
                done = Done(
                    succeeded=counts.successful,
                    failed=plan.calls - counts.successful,
                    elapsed=passed,
                    setup=None,
                    why="not done in time",
                )
                break
        sipp.finish(1.0)
        counts = sipp.counts()
        return Step(
            plan=plan,
            succeeded=min(done.succeeded, counts.successful),
            failed=max(done.failed, counts.failed),
            resent=counts.resent + sipp.received_again() + meter.resent,
            elapsed=done.elapsed,
            setup=done.setup,
            cpu=meter.cpu,
            sipp_cpu=sipp.process.cpu(),
            memory=meter.memory,
            stopped=stopped,
            why=done.why or ("" if counts.successful == plan.calls else sipp.why()),
        )
