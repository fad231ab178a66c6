"""What a contender is: how it is started, and how it is made to place calls."""

from __future__ import annotations

import json
import selectors
import shutil
import time
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar

from benchmarks import interpreter
from benchmarks.figures import Spread
from benchmarks.process import Process, ProcessEnded

ROOT = Path(__file__).parents[2]
APPS = Path(__file__).parents[1] / "apps"
PEERS_PYTHON = ROOT / "build" / "bench-peers" / "bin" / "python"
"""Where ``make bench`` installs the stacks that come from PyPI."""


class Role(Enum):
    """Which side of the calls a contender is on; SIPp is the other."""

    UAS = "answers"
    UAC = "calls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One figure for the SIP server and one for the application that drives it."""

    server: float = 0.0
    application: float = 0.0

    def __sub__(self, other: Pair) -> Pair:
        return Pair(
            server=self.server - other.server, application=self.application - other.application
        )

    def scaled(self, factor: float) -> Pair:
        """Both times ``factor``."""
        return Pair(server=self.server * factor, application=self.application * factor)

    def at_least(self, other: Pair) -> Pair:
        """The greater of each."""
        return Pair(
            server=max(self.server, other.server),
            application=max(self.application, other.application),
        )

    @property
    def both(self) -> float:
        """Their sum."""
        return self.server + self.application


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Calls that a UAC is to place: so many, at so many a second, each held so long."""

    uri: str
    calls: int
    rate: float
    hold: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a UAC says of its job. Seconds; the setup times as its application saw them."""

    succeeded: int
    failed: int
    elapsed: float
    setup: Spread | None
    why: str = ""
    """The first failure."""

    @classmethod
    def read(cls, line: str) -> Done:
        """From the line of JSON that an application prints."""
        values = json.loads(line)
        times = values.pop("setup")
        return cls(setup=Spread.of(times), **values)


class Running(ABC):
    """A contender that has been started."""

    @abstractmethod
    def processes(self) -> tuple[Process | None, Process | None]:
        """The SIP server and the application, where there are such."""

    def cpu(self) -> Pair:
        """CPU seconds used so far."""
        server, application = self.processes()
        return Pair(
            server=server.cpu() if server else 0.0,
            application=application.cpu() if application else 0.0,
        )

    def rss(self) -> Pair:
        """Resident octets now."""
        server, application = self.processes()
        return Pair(
            server=server.rss() if server else 0.0,
            application=application.rss() if application else 0.0,
        )

    def check(self) -> None:
        """Raises ProcessEnded if one of its processes has ended."""
        for process in self.processes():
            if process is not None:
                process.check()

    def resent(self) -> int:
        """Messages that it has sent or received again, where it tells."""
        return 0


class Answering(Running):
    """One that answers calls at ``port``."""

    port: int


class Calling(Running):
    """One that places calls."""

    @abstractmethod
    def begin(self, job: Job) -> None:
        """Begins to place them."""

    @abstractmethod
    def done(self, patience: float) -> Done | None:
        """What became of the job; None if it still goes on after ``patience`` seconds."""


class Application:
    """A program that takes jobs as lines of JSON and says as such what became of them."""

    def __init__(self, command: list[str | Path], log: Path) -> None:
        self.process = Process(command, log, piped=True, cwd=ROOT)
        self._octets = b""
        self._selector = selectors.DefaultSelector()
        assert self.process.popen.stdout is not None
        self._selector.register(self.process.popen.stdout, selectors.EVENT_READ)

    def say(self, value: dict[str, Any]) -> None:
        """Writes one line."""
        pipe = self.process.popen.stdin
        assert pipe is not None
        try:
            pipe.write(json.dumps(value).encode() + b"\n")
            pipe.flush()
        except BrokenPipeError:
            self.process.wait(1.0)
            self.process.check()
            raise

    def hear(self, patience: float) -> str | None:
        """The next line; None if there is none within ``patience`` seconds."""
        pipe = self.process.popen.stdout
        assert pipe is not None
        deadline = time.monotonic() + patience
        while b"\n" not in self._octets:
            if not self._selector.select(max(0.0, deadline - time.monotonic())):
                return None
            octets = pipe.read1(65536)  # type: ignore[attr-defined]
            if not octets:
                self.process.wait(1.0)
                self.process.check()
                raise ProcessEnded(f"{self.process.command} closed its output")
            self._octets += octets
        line, _, self._octets = self._octets.partition(b"\n")
        return line.decode()

    def ready(self, patience: float = 20.0) -> None:
        """Waits for its first line."""
        if self.hear(patience) is None:
            raise TimeoutError(f"{self.process.command} was not ready in {patience} s")

    def begin(self, job: Job) -> None:
        """Gives it a job."""
        self.say(asdict(job))

    def done(self, patience: float) -> Done | None:
        """What it says of the job."""
        line = self.hear(patience)
        return None if line is None else Done.read(line)


class Contender(ABC):
    """A way to have calls answered or placed."""

    name: ClassVar[str]
    """For ``--only`` and files."""
    title: ClassVar[str]
    """For people."""
    role: ClassVar[Role]
    first: ClassVar[int]
    """Calls a second at which the search begins."""
    driven: ClassVar[bool] = False
    """Whether an application of its own drives it."""

    @abstractmethod
    def missing(self) -> str:
        """What is not installed that it needs, and how to get it; empty if nothing."""

    @abstractmethod
    def start(self, folder: Path) -> AbstractContextManager[Running]:
        """Starts it; its files go into ``folder``."""


def missing_program(name: str) -> str:
    """What to say of a program that is not on the path."""
    return "" if shutil.which(name) else f"{name} is not installed (make peers)"


def missing_peer(package: str) -> str:
    """What to say of a Python package that `make bench` installs."""
    found = any(PEERS_PYTHON.parents[1].glob(f"lib/python*/site-packages/{package}"))
    return "" if found else f"{package} is not installed (make bench-peers)"


def python(module: str, *arguments: str) -> list[str | Path]:
    """The command of an application that is driven by the client of picoSIP."""
    return [interpreter.python(), "-m", f"benchmarks.apps.{module}", *arguments]
