"""Stacks from PyPI that live in the application's own process."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from benchmarks.contenders.base import APPS, PEERS_PYTHON, Answering, Contender, Role, missing_peer
from benchmarks.ports import free_port, wait_bound
from benchmarks.process import Process


class InProcess(Answering):
    """A script that answers; the stack is part of it."""

    def __init__(self, process: Process, port: int) -> None:
        self._process = process
        self.port = port

    def processes(self) -> tuple[Process | None, Process | None]:
        """All of it counts as the server."""
        return self._process, None


class Scripted(Contender):
    """A script of ``apps/`` that is given a port."""

    package: ClassVar[str]
    script: ClassVar[str]
    role = Role.UAS

    def missing(self) -> str:
        """The package."""
        return missing_peer(self.package)

    @contextmanager
    def start(self, folder: Path) -> Iterator[InProcess]:
        """Runs the script with the interpreter that has the package."""
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        command: list[str | Path] = [PEERS_PYTHON, APPS / self.script, str(port)]
        with Process(command, folder / f"{self.package}.log") as process:
            wait_bound(process, port, socket.SOCK_DGRAM, patience=20.0)
            yield InProcess(process, port)


class SippyUas(Scripted):
    """sippy, the stack of the B2BUA of the same name."""

    name = "sippy-uas"
    title = "sippy (in process)"
    first = 200
    package = "sippy"
    script = "sippy_uas.py"


class AiosipuaUas(Scripted):
    """aiosipua, on asyncio."""

    name = "aiosipua-uas"
    title = "aiosipua (in process)"
    first = 400
    package = "aiosipua"
    script = "aiosipua_uas.py"
