"""The example programs as processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.process import Process
from tests.support.waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / "clients" / "python" / "examples"


class Program:
    """A running example; a context manager that ends it."""

    def __init__(
        self,
        directory: Path,
        name: str,
        *arguments: str,
        folder: Path = EXAMPLES,
        typed: bool = False,
    ) -> None:
        """``typed``: its standard input is what ``type`` gives it; else it has none."""
        self.process = Process(
            [sys.executable, folder / name, *arguments],
            directory / f"{name}.log",
            cwd=directory,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "120"},
            stdin=subprocess.PIPE if typed else subprocess.DEVNULL,
        )

    def type(self, line: str) -> None:
        """A line on its standard input."""
        assert self.process.popen.stdin is not None
        self.process.popen.stdin.write(f"{line}\n".encode())
        self.process.popen.stdin.flush()

    @property
    def lines(self) -> list[str]:
        """What it has written."""
        return self.process.log.read_text("utf-8", "replace").splitlines()

    def wait_for(self, line: str) -> None:
        """Until it has written this line."""

        def written() -> bool:
            assert line in self.lines or self.process.running, self.process.tail()
            return line in self.lines

        wait_until(written, what=f"the line {line!r}")

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.popen.stdin is not None:
            self.process.popen.stdin.close()
        if self.process.running:
            self.process.kill()
