"""A long run with loss, restarts of the application and malformed traffic: nothing may be left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.contenders.base import Application
from benchmarks.contenders.picosip import Server, application_of
from benchmarks.figures import slope
from benchmarks.malformed import Malformed
from benchmarks.sipp import Sipp

_LOOK_EVERY = 1.0
_WARM = 15.0
_REST = 100.0
"""Seconds within which all is to be over: transactions last 64 times T1 (RFC 3261 section 17)."""
# A small log is full within the first half of any run worth its name; callers wait while the
# application starts anew.
_FLAGS = ("--event-log-size=10000", "--attach-wait=10", "--answer-timeout=10")
# SIPp gives a call up whose BYE was lost too often: no fault of the server's, which ends it then.
_APPLICATION = ("picosip_control_uas", "--longest", "30")
_SLACK = 4 * 2**20
"""Octets by which memory may differ for no reason: what the allocator keeps."""
_GROWTH = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakPlan:
    """How long, how much, and what troubles it."""

    seconds: float = 600.0
    rate: float = 500.0
    hold: float = 2.0
    loss: float = 1.0
    """Per cent of SIPp's messages."""
    restart_every: float = 60.0
    """Seconds that each application lives."""
    malformed: float = 20.0
    """A second."""


@dataclass(slots=True, kw_only=True)
class Soaked:
    """What was seen."""

    plan: SoakPlan
    calls: int = 0
    succeeded: int = 0
    causes: dict[str, int] = field(default_factory=dict)
    """Why SIPp's calls failed, and what the server refused or dropped."""
    restarts: int = 0
    malformed: int = 0
    rss: list[tuple[float, float]] = field(default_factory=list)
    """Seconds, octets."""
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    """What lived before and after: calls, transactions, actors, timers, files, threads; and
    internal errors so far."""

    @property
    def growth(self) -> float:
        """Octets a second, over the second half: by then caches and logs are full."""
        half = self.plan.seconds / 2
        return slope([point for point in self.rss if point[0] >= half])

    def faults(self) -> list[str]:
        """What is wrong; empty if nothing."""
        found = [
            f"{self.after[what]} {what} are left ({number} at the start)"
            for what, number in self.before.items()
            if self.after.get(what, 0) > number
        ]
        later = [octets for seconds, octets in self.rss if seconds >= self.plan.seconds / 2]
        grown = self.growth * self.plan.seconds / 2
        if later and grown > _SLACK + _GROWTH * later[0]:
            found.append(f"memory grew by {grown / 2**20:.1f} MiB in the second half")
        if self.succeeded < 0.95 * self.calls:
            found.append(f"only {self.succeeded} of {self.calls} calls succeeded: {self.causes}")
        return found

    def as_dict(self) -> dict[str, Any]:
        """For the report."""
        return {**asdict(self), "growth": self.growth, "faults": self.faults()}


def _refusals(server: Server) -> dict[str, int]:
    counters = server.stats().counters
    return {
        name: number
        for name, number in sorted(counters.items())
        if name.startswith(("refused_", "dropped_")) and number
    }


def living(server: Server) -> dict[str, int]:
    """What lives in a server."""
    stats = server.stats()
    return {
        "calls": stats.active_calls,
        "transactions": stats.active_transactions,
        "actors": stats.active_actors,
        "timers": stats.waiting_timers,
        "event streams": stats.event_streams,
        "files": server.process.files(),
        "threads": server.process.threads(),
        "internal errors": stats.counters["internal_errors"],
    }


def soak(
    plan: SoakPlan, folder: Path, watch: Callable[[float], None], flags: Sequence[str] = ()
) -> Soaked:
    """Runs it. ProcessEnded if the server does not live through it. ``flags``: more for it."""
    seen = Soaked(plan=plan, calls=max(1, round(plan.rate * plan.seconds)))
    with Server(folder / "server", *_FLAGS, *flags) as server:
        with (
            application_of(server, *_APPLICATION, folder=folder),
            Sipp(folder, server=server.port, calls=50, rate=50) as sipp,
        ):
            sipp.finish(_WARM)
        _rest(server, {})
        seen.before = living(server)
        with (
            ExitStack() as applications,
            Malformed(server.port, plan.malformed) as malformed,
            Sipp(
                folder,
                server=server.port,
                calls=seen.calls,
                rate=plan.rate,
                hold=plan.hold,
                flags=("-lost", f"{plan.loss:g}"),
            ) as sipp,
        ):
            _run(server, sipp, seen, applications, folder, watch)
            counts = sipp.counts()
            seen.succeeded = counts.successful
            seen.causes = {**counts.causes, **_refusals(server)}
            seen.malformed = malformed.sent
        _rest(server, seen.before)
        seen.after = living(server)
    return seen


def _run(
    server: Server,
    sipp: Sipp,
    seen: Soaked,
    applications: ExitStack,
    folder: Path,
    watch: Callable[[float], None],
) -> None:
    began = time.monotonic()
    until = began
    application: Application | None = None
    # The last calls may take as long as their retransmissions.
    deadline = began + seen.plan.seconds + seen.plan.hold + 40.0
    while not sipp.process.wait(_LOOK_EVERY):
        now = time.monotonic()
        server.process.check()
        if now >= until:
            if application is not None:
                # It says no farewell: the calls that it was just told of are nobody's.
                application.process.kill()
                seen.restarts += 1
            applications.close()
            application = applications.enter_context(
                application_of(server, *_APPLICATION, folder=folder)
            )
            until = now + seen.plan.restart_every
        seen.rss.append((round(now - began, 1), float(server.process.rss())))
        watch(now - began)
        if now > deadline:
            sipp.finish(0.0)
            return


def _rest(server: Server, before: dict[str, int]) -> None:
    deadline = time.monotonic() + _REST
    while time.monotonic() < deadline:
        now = living(server)
        if all(now[what] <= before.get(what, 0) for what in ("calls", "transactions", "actors")):
            return
        time.sleep(0.5)
