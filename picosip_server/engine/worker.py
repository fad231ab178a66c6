"""One thread of the pool: a selector, a mailbox, timers, and the core that they drive."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable

import structlog

from picosip_server.engine.core import Core
from picosip_server.sip.ua.outputs import Output

IDLE = 1.0
"""Longest sleep in seconds: how often connections are looked over."""

_log = structlog.get_logger("picosip.engine")


class Worker:
    """Runs what is posted to it, what its sockets bring, and what its core's timers want.

    ``sink`` gets the outputs of each round as one batch, in order.
    """

    def __init__(self, index: int, sink: Callable[[list[Output]], None]) -> None:
        self.index = index
        self.core: Core
        self.selector = selectors.DefaultSelector()
        self.now = time.monotonic()
        self.internal_errors = 0
        self.on_idle: Callable[[float], None] | None = None
        self._sink = sink
        self._mailbox: deque[Callable[[float], None]] = deque()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._woken = False
        self._stopping = False
        self._thread = threading.Thread(target=self._loop, name=f"picosip-worker-{index}")
        self.selector.register(self._wake_in, selectors.EVENT_READ, self._drain_wake)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the present round, and waits for it."""

        def stop(now: float) -> None:
            self._stopping = True

        self.post(stop)
        self._thread.join()

    def close(self) -> None:
        """Frees what the thread used, once nothing is registered with its selector any more."""
        self.selector.close()
        self._wake_in.close()
        self._wake_out.close()

    def post(self, work: Callable[[float], None]) -> None:
        """Has ``work(now)`` called on this worker's thread. Any thread may post."""
        self._mailbox.append(work)
        if not self._woken:
            self._woken = True
            try:
                self._wake_out.send(b"\0")
            except BlockingIOError:
                # The pipe is full of wake-ups that were not read yet: one more is not needed.
                return

    @property
    def backlog(self) -> int:
        """How many pieces of work wait."""
        return len(self._mailbox)

    def _drain_wake(self, mask: int) -> None:
        # First the flag, then the mailbox: what is posted in between wakes us once more.
        self._woken = False
        try:
            self._wake_in.recv(4096)
        except BlockingIOError:
            return

    def _loop(self) -> None:
        core = self.core
        while not self._stopping:
            for key, mask in self.selector.select(self._sleep()):
                self.now = time.monotonic()
                self._guard(key.data, mask)
            for _ in range(len(self._mailbox)):
                self.now = time.monotonic()
                self._guard(self._mailbox.popleft(), self.now)
            self.now = time.monotonic()
            self._guard(core.timeout, self.now)
            if self.on_idle is not None:
                self._guard(self.on_idle, self.now)
            if core.outbox:
                batch, core.outbox = core.outbox, []
                self._sink(batch)

    def _sleep(self) -> float:
        if self._mailbox:
            return 0.0
        due = self.core.deadline()
        if due is None:
            return IDLE
        return min(IDLE, max(0.0, due - time.monotonic()))

    def _guard(self, work: Callable[..., None], *arguments: object) -> None:
        """A defect in handling one message must not end the calls of all others."""
        try:
            work(*arguments)
        except Exception:
            self.internal_errors += 1
            _log.exception("internal error", worker=self.index)
