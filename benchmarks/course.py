"""A contender under way: started when it is needed, started anew once a step went wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import grpc

import picosip
from benchmarks.contenders.base import Contender, Running
from benchmarks.process import ProcessEnded
from benchmarks.steps import Plan, Step, run_step

WARM_UP = Plan(rate=50, calls=50)
"""What comes first, and does not count."""

FAULTS = (ProcessEnded, TimeoutError, OSError, picosip.PicosipError, grpc.RpcError)
"""What a contender may do that is not the driver's fault."""

Watch = Callable[[Plan, float], None]
"""Is told how many seconds of a plan have passed."""


class Course:
    """Runs steps with one contender. As a context manager it ends it."""

    def __init__(self, contender: Contender, folder: Path, watch: Watch) -> None:
        self.contender = contender
        self._folder = folder
        self._watch = watch
        self._numbers = itertools.count(1)
        self._stack = ExitStack()
        self._running: Running | None = None

    def running(self) -> Running:
        """The contender, started and warm."""
        if self._running is None:
            folder = self._folder / f"start-{next(self._numbers)}"
            self._running = self._stack.enter_context(self.contender.start(folder))
            run_step(self._running, WARM_UP, folder)
        return self._running

    def restart(self) -> None:
        """Ends what runs; the next step begins afresh."""
        self._running = None
        self._stack.close()

    def step(self, plan: Plan, *, until_dirty: bool = False) -> Step:
        """Runs one; whatever was not clean is ended after it."""
        try:
            step = run_step(
                self.running(),
                plan,
                self._folder,
                until_dirty=until_dirty,
                watch=lambda seconds: self._watch(plan, seconds),
            )
        except BaseException:
            self.restart()
            raise
        if not step.clean:
            self.restart()
        return step

    def __enter__(self) -> Course:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(error_type, error, traceback)
