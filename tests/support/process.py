"""A child process with its output in a file, ended by its own pid."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class Process:
    """A started program. Its output, both streams, goes to ``log``.

    It leads a process group of its own, which :meth:`kill` ends as a whole.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        self.command = [str(part) for part in command]
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                self.command,
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=None if env is None else dict(env),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.popen.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.popen.poll() is None

    def wait(self, timeout: float) -> int:
        """Its exit status; ``TimeoutError`` with the end of its output if it runs on."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(
                f"{self.command[0]} (pid {self.pid}) still runs after {timeout} s\n{self.tail()}"
            ) from None

    def stop(self, timeout: float = 10.0) -> int:
        """Asks it to end (SIGTERM) and gives the exit status; after ``timeout`` it is killed."""
        if self.running:
            self.popen.terminate()
        try:
            return self.wait(timeout)
        except TimeoutError:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL to it and to whatever it has started, and takes note of the end."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait(10.0)

    def tail(self, octets: int = 6000) -> str:
        """The end of its output."""
        return self.log.read_bytes()[-octets:].decode("utf-8", "replace")
