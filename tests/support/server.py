"""A picoSIP server process of a test's own, on ports that the system chose."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

from tests.support.process import Process
from tests.support.waiting import wait_until


class PicosipServer:
    """A running ``picosip serve``. As a context manager it is stopped by SIGTERM at the end,
    and must then end with status 0."""

    running: ClassVar[list[PicosipServer]] = []
    """Those not stopped yet: what a failing test shows the logs of."""

    def __init__(self, directory: Path, *flags: str, host: str = "127.0.0.1") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        ready_file = directory / "ready.json"
        program = Path(sys.executable).with_name("picosip")
        assert program.exists(), f"{program} is missing: run `make setup`"
        self.process = Process(
            [
                program,
                "serve",
                "--grpc=127.0.0.1:0",
                f"--sip=udp:{host}:0",
                f"--sip=tcp:{host}:0",
                f"--ready-file={ready_file}",
                "--log-format=json",
                "--drain-timeout=1",
                # How busy the machine is must not decide what a test sees: those of overload
                # ask for it.
                "--overload-delay=0",
                *flags,
            ],
            directory / "picosip.log",
            cwd=directory,
            # Settings of whoever runs the tests are none of this server's.
            env={k: v for k, v in os.environ.items() if not k.startswith("PICOSIP_")},
        )
        self.ready_file = ready_file
        self.running.append(self)
        ready = wait_until(self._ready, timeout=20.0, what="picosip's ready file")
        assert ready["pid"] == self.process.pid
        self.grpc: str = ready["grpc"][0]
        """Target for a gRPC channel."""
        self.ports = {
            address.split(":", 1)[0]: int(address.rsplit(":", 1)[1]) for address in ready["sip"]
        }
        """SIP port of each transport, ``udp`` and ``tcp``."""

    def _ready(self) -> dict[str, Any] | None:
        if not self.process.running:
            raise AssertionError(f"picosip ended at its start:\n{self.process.tail()}")
        if not self.ready_file.exists():
            return None
        ready: dict[str, Any] = json.loads(self.ready_file.read_text())
        return ready

    @property
    def udp(self) -> tuple[str, int]:
        """Where it takes SIP over UDP."""
        return "127.0.0.1", self.ports["udp"]

    @property
    def tcp(self) -> tuple[str, int]:
        """Where it takes SIP over TCP."""
        return "127.0.0.1", self.ports["tcp"]

    def uri(self, user: str, transport: str = "udp") -> str:
        """SIP URI of a user at this server."""
        suffix = ";transport=tcp" if transport == "tcp" else ""
        return f"sip:{user}@127.0.0.1:{self.ports[transport]}{suffix}"

    def log_lines(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [
            json.loads(line)
            for line in self.process.log.read_text("utf-8", "replace").splitlines()
            if line.startswith("{")
        ]

    def stop(self) -> None:
        """Ends it by SIGTERM and checks its exit status, that its ready file is gone, and that
        it never logged an error of its own."""
        self.running.remove(self)
        status = self.process.stop(timeout=20.0)
        assert status == 0, f"picosip ended with status {status}:\n{self.process.tail()}"
        assert not self.ready_file.exists()
        faults = [line for line in self.log_lines() if line["level"] in ("error", "critical")]
        assert faults == []
        assert "Traceback" not in self.process.tail(10**9)

    def __enter__(self) -> PicosipServer:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
