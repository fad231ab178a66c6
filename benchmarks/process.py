"""Child processes: what they cost in CPU time, memory and files, and that none outlives the run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import psutil

from benchmarks import interrupts


def _cpu_seconds(process: psutil.Process) -> float:
    """All that its threads have used, those that ended included."""
    if sys.platform == "linux":
        # The clock of clock_getcpuclockid(3); /proc counts in ticks of 10 ms.
        try:
            return time.clock_gettime((~process.pid << 3) | 2)
        except OSError as error:
            raise psutil.NoSuchProcess(process.pid) from error
    times = process.cpu_times()
    return times.user + times.system


class ProcessEnded(Exception):
    """A program ended that should have gone on; says how, with the end of its output."""


_started: dict[int, Process] = {}
"""Those that have not been seen to end."""


def end_all() -> None:
    """Kills what is left, wherever the program was when it was interrupted."""
    for process in list(_started.values()):
        process.kill()


class Process:
    """A started program, in a session of its own so that Ctrl-C reaches the driver alone.

    Its standard error, and its standard output unless ``stdout`` is a pipe, go to ``log``.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        piped: bool = False,
    ) -> None:
        self.command = [str(part) for part in command]
        self.log = log
        self._rusage = 0.0
        with log.open("ab") as output, interrupts.held():
            self.popen = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else output,
                stderr=output,
                cwd=cwd,
                env=None if env is None else dict(env),
                start_new_session=True,
            )
            self.pid = self.popen.pid
            _started[self.pid] = self
        self._psutil = psutil.Process(self.pid)

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        if self.popen.returncode is None:
            with interrupts.held():
                # wait4 tells what it has used, which is nowhere to be read afterwards.
                pid, status, used = os.wait4(self.pid, os.WNOHANG)
                if pid:
                    self._rusage = used.ru_utime + used.ru_stime
                    self.popen.returncode = os.waitstatus_to_exitcode(status)
                    del _started[self.pid]
        return self.popen.returncode

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.poll() is None

    def check(self) -> None:
        """Raises ProcessEnded if it has ended."""
        if not self.running:
            raise ProcessEnded(f"{self.command[0]} ended with {self.poll()}:\n{self.tail()}")

    def wait(self, timeout: float) -> bool:
        """Whether it ends within ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while self.running:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def cpu(self) -> float:
        """CPU seconds used so far, those of its children included; still known after its end."""
        if not self.running:
            return self._rusage
        total = 0.0
        for process in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += _cpu_seconds(process)
        return total

    def rss(self) -> int:
        """Resident octets of it and its children; 0 after its end."""
        if not self.running:
            return 0
        total = 0
        for process in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total

    def files(self) -> int:
        """Open file descriptors."""
        return self._psutil.num_fds()

    def threads(self) -> int:
        """Threads that live."""
        return self._psutil.num_threads()

    def _tree(self) -> list[psutil.Process]:
        return [self._psutil, *self._psutil.children(recursive=True)]

    def tail(self, octets: int = 2000) -> str:
        """The end of its output."""
        return self.log.read_bytes()[-octets:].decode("utf-8", "replace")

    def send_signal(self, number: signal.Signals) -> None:
        """Sends it a signal, if it runs."""
        if self.running:
            os.kill(self.pid, number)

    def stop(self, patience: float = 10.0) -> None:
        """Asks it to end (SIGTERM); after ``patience`` seconds it is killed."""
        self.send_signal(signal.SIGTERM)
        if not self.wait(patience):
            self.kill()

    def kill(self) -> None:
        """SIGKILL to it and to what it has started, and waits for its end."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.wait(10.0)
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            # Whoever fails or is interrupted waits for nobody.
            self.stop(10.0 if error_type is None else 1.0)
        finally:
            self.kill()
