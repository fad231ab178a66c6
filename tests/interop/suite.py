"""The scenario suite: each scenario is named after the section of an RFC that it checks.

``rfcNNNN-sSECTION-WHAT-uac``: the far end sends the request that matters; ``-uas``: it answers it.
The far end is SIPp, which plays the file of that name in ``scenarios/`` and judges what it gets.
Beside it stands, under the same name, the script of the application, which drives a server over
gRPC. Both must succeed.

Scenarios run side by side, each with a server to itself while it runs.
"""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.interop.recording import Recording
from tests.interop.sipp import SCENARIOS, Sipp
from tests.support.app import App
from tests.support.server import PicosipServer

LANES = 4
"""Scenarios that run at a time; they wait more than they work."""

NAME = re.compile(r"rfc(?P<rfc>\d{4})-s(?P<section>[0-9A-Z][0-9.]*)-[a-z0-9-]+-(uac|uas)")

Script = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run of a scenario."""

    name: str
    script: Script
    arguments: tuple[Any, ...]
    """What the script is called with after ``Play``."""
    label: str
    """Name of the test."""
    flags: tuple[str, ...]
    methods: tuple[str, ...]
    files: tuple[str, ...]
    slow: bool


registry: list[Scenario] = []


def scenario(
    name: str,
    *,
    over: Iterable[Any] = (),
    flags: Sequence[str] = (),
    methods: Sequence[str] = (),
    also: Sequence[str] = (),
    file: bool = True,
    slow: bool = False,
) -> Callable[[Script], Script]:
    """Enters the application's script of a scenario.

    ``over``: it runs once with each of these as a further argument (a tuple: arguments).
    ``flags``: of the server. ``methods``: what the application claims. ``also``: further files
    that it plays. ``file``: False where the far end is no SIPp. ``slow``: begun first.
    """

    def enter(script: Script) -> Script:
        for arguments in [each if isinstance(each, tuple) else (each,) for each in over] or [()]:
            label = f"{name}:{script.__name__}"
            registry.append(
                Scenario(
                    name=name,
                    script=script,
                    arguments=arguments,
                    label=f"{label}[{arguments[0]}]" if arguments else label,
                    flags=tuple(flags),
                    methods=tuple(methods),
                    files=((name,) if file else ()) + tuple(also),
                    slow=slow,
                )
            )
        return script

    return enter


class Servers:
    """Servers that are lent out, one borrower each at a time. What they send is kept."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._idle: defaultdict[tuple[str, ...], list[PicosipServer]] = defaultdict(list)
        self._all: list[PicosipServer] = []
        self._recordings: list[Recording] = []
        self._lock = threading.Lock()

    @contextmanager
    def lend(self, flags: tuple[str, ...]) -> Generator[PicosipServer]:
        """One with these flags. It is not lent again where something went wrong."""
        with self._lock:
            server = self._idle[flags].pop() if self._idle[flags] else None
            number = len(self._all)
        if server is None:
            server = PicosipServer(self._home / f"server{number}-{time.monotonic_ns()}", *flags)
            self.record(server)
            with self._lock:
                self._all.append(server)
        try:
            yield server
        except BaseException as error:
            error.add_note(f"log of the server:\n{server.process.tail()}")
            raise
        with self._lock:
            self._idle[flags].append(server)

    def record(self, server: PicosipServer) -> None:
        """Keeps what a server sends from now on."""
        recording = Recording(server)
        with self._lock:
            self._recordings.append(recording)

    def stop(self) -> None:
        """Ends all; each must have done its work without an error of its own."""
        with ExitStack() as stack:
            while self._all:
                stack.callback(self._all.pop().stop)

    def sent(self) -> list[bytes]:
        """All that was sent by servers that have ended."""
        return [message for each in self._recordings for message in each.finish()]


class Play:
    """What a script has at hand."""

    def __init__(self, scenario: Scenario, servers: Servers, home: Path) -> None:
        self.scenario = scenario
        self.home = home
        self._servers = servers
        self._stack = ExitStack()

    @cached_property
    def server(self) -> PicosipServer:
        """A server with the scenario's flags."""
        return self._stack.enter_context(self._servers.lend(self.scenario.flags))

    @contextmanager
    def server_with(self, *flags: str) -> Generator[PicosipServer]:
        """A server that ends with the block."""
        with PicosipServer(self.home / "server", *flags) as server:
            self._servers.record(server)
            yield server

    @cached_property
    def app(self) -> App:
        """The application: it sees SIP messages, and must leave no call."""
        return self._stack.enter_context(self._app())

    @contextmanager
    def _app(self) -> Generator[App]:
        with App(self.server.grpc, include_messages=True, methods=self.scenario.methods) as app:
            yield app
            app.leave_nothing()

    def callee(self, file: str = "", **more: Any) -> Sipp:
        """SIPp, waiting to be called. ``file``: another scenario than this one's own."""
        return self._sipp(file, **more)

    def caller(self, file: str = "", *, transport: str = "udp", **more: Any) -> Sipp:
        """SIPp, calling the server."""
        # The application is there before the call is.
        assert self.app.failure is None
        where = ("127.0.0.1", self.server.ports[transport])
        return self._sipp(file, server=where, transport=transport, **more)

    def _sipp(self, file: str, **more: Any) -> Sipp:
        name = file or self.scenario.name
        assert name in self.scenario.files, f"{name} is not among the files of this scenario"
        return Sipp(name, self.home, **more)

    def run(self) -> None:
        """The script, from its beginning to its end."""
        with self._stack:
            self.scenario.script(self, *self.scenario.arguments)


class Lanes:
    """Runs scenarios side by side; a test waits for the outcome of its own."""

    def __init__(self, scenarios: Sequence[Scenario], home: Path) -> None:
        self._home = home
        self._servers = Servers(home)
        self._executor = ThreadPoolExecutor(LANES, thread_name_prefix="lane")
        first = sorted(scenarios, key=lambda each: not each.slow)
        self._outcomes: dict[str, Future[None]] = {
            each.label: self._executor.submit(self._run, number, each)
            for number, each in enumerate(first)
        }

    def _run(self, number: int, scenario: Scenario) -> None:
        home = self._home / f"scenario{number}"
        home.mkdir()
        Play(scenario, self._servers, home).run()

    def outcome(self, label: str) -> None:
        """Waits for a scenario, and raises what it raised."""
        self._outcomes[label].result()

    def sent(self) -> list[bytes]:
        """All that the servers sent in all scenarios, which are waited for."""
        self._executor.shutdown()
        self._servers.stop()
        return self._servers.sent()

    def close(self) -> None:
        """Lets what runs come to its end, begins nothing more, and ends the servers."""
        self._executor.shutdown(cancel_futures=True)
        self._servers.stop()


def files() -> Iterator[str]:
    """The names of all scenario files."""
    return (path.stem for path in sorted(SCENARIOS.glob("*.xml")))
