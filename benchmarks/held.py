"""Very many calls that stand: memory for each, what others cost meanwhile, and how all end.

One picoSIP calls another, both inside their engines. Two others hold a few, to compare with.
"""

from __future__ import annotations

import random
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from benchmarks.contenders.base import Job
from benchmarks.contenders.engine import answer_all, request_of
from benchmarks.contenders.picosip import Server
from benchmarks.ports import HOST
from picosip.v1 import load_service_pb2 as load_pb, load_service_pb2_grpc as load_grpc

_FOREVER = 36_000.0
_SETTLE = 2.0
_LINGER = 60.0
"""Seconds after which lingering transactions are waited for no more; 64*T1 are 32."""
_ROUNDS = 5
"""How often what another call costs is measured: in turn, since machines change their speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """At so many held calls: octets for each, and ms of CPU for another call, of both servers."""

    held: int
    caller_octets: float
    callee_octets: float
    caller_cpu: float
    callee_cpu: float

    def __str__(self) -> str:
        return (
            f"{self.held:>7} held: caller {self.caller_octets / 1000:.1f} kB, callee "
            f"{self.callee_octets / 1000:.1f} kB each; another call costs {self.caller_cpu:.2f} "
            f"and {self.callee_cpu:.2f} ms of CPU"
        )


class CallsFailed(Exception):
    """Some calls did not come about, or did not end in order."""

    def __init__(self, report: load_pb.LoadReport) -> None:
        causes = ", ".join(f"{cause}: {count}" for cause, count in report.failures.items())
        super().__init__(
            f"{report.failed} of {report.started} calls failed ({causes}): "
            "is the rate too high for this machine?"
        )


class Held:
    """Two servers with calls between them."""

    def __init__(self, caller: Server, callee: Server, channel: grpc.Channel, rate: float) -> None:
        self._caller = caller
        self._callee = callee
        self._loads = load_grpc.LoadServiceStub(channel)
        self._rate = rate
        self._names: list[str] = []
        self.base = self.rss()

    def rss(self) -> tuple[int, int]:
        """Resident octets of both."""
        return self._caller.process.rss(), self._callee.process.rss()

    def _job(self, calls: int, hold: float) -> load_pb.LoadServiceRunRequest:
        uri = f"sip:held@{HOST}:{self._callee.port}"
        request = request_of(Job(uri=uri, calls=calls, rate=self._rate, hold=hold))
        request.request_id = str(uuid.uuid4())
        return request

    def pass_by(self, calls: int) -> tuple[float, float]:
        """Calls that end at once: CPU milliseconds for each, of both. CallsFailed if one fails."""
        before = self._caller.process.cpu(), self._callee.process.cpu()
        report = load_pb.LoadReport()
        for response in self._loads.Run(self._job(calls, 0.0)):
            report = response.report
        if report.succeeded != calls:
            raise CallsFailed(report)
        return (
            (self._caller.process.cpu() - before[0]) * 1000 / calls,
            (self._callee.process.cpu() - before[1]) * 1000 / calls,
        )

    def hold(self, calls: int) -> None:
        """So many more that stand. CallsFailed if one does not."""
        request = self._job(calls, _FOREVER)
        request.detached = True
        for response in self._loads.Run(request):
            report = response.report
            if report.failed:
                raise CallsFailed(report)
            if report.setup.count == calls:
                self._names.append(report.name)
                return

    def settle(self) -> bool:
        """Waits until no transaction is left on either side: they linger for 64*T1, and what ends
        them costs CPU as well. False: some are left after a minute."""
        deadline = time.monotonic() + _LINGER
        while any(one.stats().active_transactions for one in (self._caller, self._callee)):
            if time.monotonic() > deadline:
                return False
            time.sleep(1.0)
        time.sleep(_SETTLE)
        return True

    def octets(self, held: int) -> tuple[float, float]:
        """For each of so many held, of both."""
        caller, callee = self.rss()
        return (caller - self.base[0]) / held, (callee - self.base[1]) / held

    def hang_up(self, patience: float) -> tuple[int, int]:
        """Ends all, and waits so many seconds at most until nothing of them is left: how many were
        ended in order, and how many calls, transactions and timers of both sides are left."""
        reports = [
            self._loads.Stop(load_pb.LoadServiceStopRequest(name=name, hang_up=True)).report
            for name in self._names
        ]
        deadline = time.monotonic() + patience
        while left := self._caller.stats().active_actors + self._callee.stats().active_actors:
            if time.monotonic() > deadline:
                break
            time.sleep(0.5)
        return sum(report.succeeded for report in reports), left


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that was seen; resident octets of caller and callee."""

    calls: int
    growth: list[Growth]
    ended: int
    """Calls that were hung up in order."""
    left: int
    """Actors of both sides that were still there long after."""
    base: tuple[int, int]
    peak: tuple[int, int]
    after: tuple[int, int]

    @property
    def lost(self) -> int:
        """Calls that ended in another way."""
        return self.calls - self.ended


def measure_held(
    calls: int,
    few: int,
    rate: float,
    folder: Path,
    *,
    passing_seconds: float = 3.0,
    patience: float = 15.0,
    flags: Sequence[str] = (),
    tell: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Holds ``few`` calls between one pair of servers and ``calls`` between another. Others pass
    by for ``passing_seconds``, in turn here and there; then those of the crowd end.

    ``patience``: seconds in which the servers see that the crowd has gone, and give its memory
    back. ``flags``: more for all servers. ``tell`` gets a line for each step.
    """
    passing = max(1, round(rate * passing_seconds))
    # Memory is what is measured: none is to be refused for a machine that halts for a moment.
    flags = ("--overload-delay=0", *flags)
    with (
        _pair(folder / "few", rate, passing, flags) as small,
        _pair(folder / "many", rate, passing, flags) as big,
    ):
        small.hold(few)
        tell(f"some {calls / rate:.0f} s until {calls} are held")
        big.hold(calls)
        if not (small.settle() and big.settle()):
            tell("transactions linger: what other calls cost has some of theirs in it")
        octets = {few: small.octets(few), calls: big.octets(calls)}
        sides = {few: small, calls: big}
        costs: dict[int, list[tuple[float, float]]] = {few: [], calls: []}
        tell(f"other calls, {_ROUNDS} times in turn where {few} and where {calls} are held")
        for _ in range(_ROUNDS):
            for held in random.sample(list(sides), len(sides)):
                costs[held].append(sides[held].pass_by(passing))
        growth = [_growth(held, octets[held], costs[held]) for held in sides]
        for one in growth:
            tell(str(one))
        peak = big.rss()
        tell("hanging up")
        ended, left = big.hang_up(patience=120.0 + calls / rate)
        time.sleep(patience)
        after = big.rss()
    return Outcome(
        calls=calls,
        growth=growth,
        ended=ended,
        left=left,
        base=big.base,
        peak=peak,
        after=after,
    )


@contextmanager
def _pair(folder: Path, rate: float, warm: int, flags: Sequence[str]) -> Iterator[Held]:
    with (
        Server(folder / "caller", *flags) as caller,
        Server(folder / "callee", *flags) as callee,
        grpc.insecure_channel(caller.grpc) as channel,
    ):
        answer_all(callee)
        Held(caller, callee, channel, rate).pass_by(warm)
        time.sleep(_SETTLE)
        yield Held(caller, callee, channel, rate)


def _growth(held: int, octets: tuple[float, float], costs: list[tuple[float, float]]) -> Growth:
    caller, callee = (statistics.median(side) for side in zip(*costs, strict=True))
    return Growth(
        held=held,
        caller_octets=octets[0],
        callee_octets=octets[1],
        caller_cpu=caller,
        callee_cpu=callee,
    )
