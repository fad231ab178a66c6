"""SIPp on both sides: the limit of what this way of measuring can show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contenders.base import (
    Answering,
    Calling,
    Contender,
    Done,
    Job,
    Pair,
    Role,
    missing_program,
)
from benchmarks.process import Process
from benchmarks.sipp import Sipp

_ENDLESS = 100_000_000


class SippAnswering(Answering):
    """SIPp answers."""

    def __init__(self, sipp: Sipp) -> None:
        self._sipp = sipp
        self.port = sipp.port

    def processes(self) -> tuple[Process | None, Process | None]:
        """SIPp is the server."""
        return self._sipp.process, None

    def resent(self) -> int:
        """What it has sent again."""
        return self._sipp.counts().resent


class SippCalling(Calling):
    """SIPp calls, a process for each job."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sipp: Sipp | None = None
        self._job: Job | None = None
        self._spent = 0.0

    def processes(self) -> tuple[Process | None, Process | None]:
        """That of the present job, if there is one."""
        return (self._sipp.process if self._sipp else None), None

    def cpu(self) -> Pair:
        """That of all jobs."""
        return Pair(server=self._spent + (self._sipp.process.cpu() if self._sipp else 0.0))

    def check(self) -> None:
        """That it ends belongs to it."""

    def begin(self, job: Job) -> None:
        """Starts the process."""
        self._job = job
        self._sipp = Sipp(
            self._folder,
            server=int(job.uri.rpartition(":")[2]),
            calls=job.calls,
            rate=job.rate,
            hold=job.hold,
        )

    def done(self, patience: float) -> Done | None:
        """Its counters, once it has ended."""
        assert self._sipp is not None
        assert self._job is not None
        if not self._sipp.process.wait(patience):
            return None
        sipp, self._sipp = self._sipp, None
        self._spent += sipp.process.cpu()
        counts = sipp.counts()
        return Done(
            succeeded=counts.successful,
            failed=self._job.calls - counts.successful,
            elapsed=counts.elapsed,
            setup=sipp.setup(),
            why="" if counts.successful == self._job.calls else sipp.why(),
        )

    def close(self) -> None:
        """Ends a job that goes on."""
        if self._sipp is not None:
            self._sipp.process.kill()


class SippUas(Contender):
    """The limit of those that answer."""

    name = "sipp-uas"
    title = "SIPp (the limit)"
    role = Role.UAS
    first = 3_000

    def missing(self) -> str:
        """SIPp itself."""
        return missing_program("sipp")

    @contextmanager
    def start(self, folder: Path) -> Iterator[SippAnswering]:
        """Answers until it is stopped."""
        with Sipp(folder, calls=_ENDLESS) as sipp:
            yield SippAnswering(sipp)


class SippUac(Contender):
    """The limit of those that call."""

    name = "sipp-uac"
    title = "SIPp (the limit)"
    role = Role.UAC
    first = 3_000

    def missing(self) -> str:
        """SIPp itself."""
        return missing_program("sipp")

    @contextmanager
    def start(self, folder: Path) -> Iterator[SippCalling]:
        """A process for each job."""
        calling = SippCalling(folder)
        try:
            yield calling
        finally:
            calling.close()
