"""picoSIP, answering and calling: its server and how it is driven."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import ClassVar

import picosip
from benchmarks import interpreter
from benchmarks.contenders.base import (
    Answering,
    Application,
    Calling,
    Contender,
    Done,
    Job,
    Role,
    python,
)
from benchmarks.ports import HOST
from benchmarks.process import Process
from picosip.v1 import admin_service_pb2 as admin_pb


class Server:
    """``picosip serve`` on ports that the system chose."""

    def __init__(self, folder: Path, *flags: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        ready_file = folder / "ready.json"
        self.process = Process(
            [
                interpreter.python().with_name("picosip"),
                "serve",
                f"--grpc={HOST}:0",
                f"--sip=udp:{HOST}:0",
                f"--ready-file={ready_file}",
                "--log-format=json",
                "--log-level=warning",
                "--drain-timeout=1",
                *flags,
            ],
            folder / "picosip.log",
            # Settings of whoever runs this are none of this server's.
            env={k: v for k, v in os.environ.items() if not k.startswith("PICOSIP_")},
        )
        try:
            self._wait_ready(ready_file)
        except BaseException:
            self.process.kill()
            raise
        ready = json.loads(ready_file.read_text())
        self.grpc: str = ready["grpc"][0]
        """Target of gRPC channels."""
        self.port = int(ready["sip"][0].rsplit(":", 1)[1])
        """Where it takes SIP over UDP."""
        self.client = picosip.Client(self.grpc)
        """For figures."""

    def _wait_ready(self, ready_file: Path, patience: float = 20.0) -> None:
        deadline = time.monotonic() + patience
        while not ready_file.exists():
            self.process.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"picosip was not ready in {patience} s")
            time.sleep(0.01)

    def stats(self) -> admin_pb.GetStatsResponse:
        """Its figures."""
        return self.client.stats()

    def resent(self) -> int:
        """Messages that it has sent or received again."""
        counters = self.stats().counters
        return counters["retransmissions_sent"] + counters["retransmissions_received"]

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.client.close()
        self.process.__exit__(error_type, error, traceback)


class PicosipAnswering(Answering):
    """A server, and perhaps an application that tells it to answer."""

    def __init__(self, server: Server, application: Application | None) -> None:
        self.server = server
        self.application = application
        self.port = server.port

    def processes(self) -> tuple[Process | None, Process | None]:
        """Both."""
        return self.server.process, self.application.process if self.application else None

    def resent(self) -> int:
        """As the server counts."""
        return self.server.resent()


class PicosipCalling(Calling):
    """A server, and an application that has it place calls."""

    def __init__(self, server: Server, application: Application) -> None:
        self.server = server
        self.application = application

    def processes(self) -> tuple[Process | None, Process | None]:
        """Both."""
        return self.server.process, self.application.process

    def resent(self) -> int:
        """As the server counts."""
        return self.server.resent()

    def begin(self, job: Job) -> None:
        """Hands it to the application."""
        self.application.begin(job)

    def done(self, patience: float) -> Done | None:
        """What the application says."""
        return self.application.done(patience)


class Picosip(Contender):
    """What the ways of driving picoSIP share."""

    driven = True
    application: ClassVar[tuple[str, ...]]
    """Module and options of the application."""

    def missing(self) -> str:
        """Nothing: it is what is measured."""
        return ""

    @contextmanager
    def start(self, folder: Path) -> Iterator[PicosipAnswering | PicosipCalling]:
        """Starts the server, then the application."""
        with (
            Server(folder) as server,
            application_of(server, *self.application, folder=folder) as application,
        ):
            if self.role is Role.UAS:
                yield PicosipAnswering(server, application)
            else:
                yield PicosipCalling(server, application)


@contextmanager
def application_of(
    server: Server, module: str, *options: str, folder: Path
) -> Iterator[Application]:
    """An application of ``apps/`` that drives a server, once it is ready."""
    application = Application(python(module, server.grpc, *options), folder / "app.log")
    with application.process:
        application.ready()
        yield application


class UnaryUas(Picosip):
    """Events, and an RPC for each thing that is to happen."""

    name = "picosip-unary-uas"
    title = "picoSIP, unary RPCs"
    role = Role.UAS
    first = 400
    application = ("picosip_uas",)


class UnaryUac(Picosip):
    """The same, calling."""

    name = "picosip-unary-uac"
    title = "picoSIP, unary RPCs"
    role = Role.UAC
    first = 400
    application = ("picosip_uac",)


class ControlUas(Picosip):
    """Events and commands in batches on one stream."""

    name = "picosip-control-uas"
    title = "picoSIP, Control stream"
    role = Role.UAS
    first = 700
    application = ("picosip_control_uas",)


class ControlUac(Picosip):
    """The same, calling."""

    name = "picosip-control-uac"
    title = "picoSIP, Control stream"
    role = Role.UAC
    first = 700
    application = ("picosip_control_uac",)
