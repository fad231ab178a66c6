"""One thread of the pool: a selector, a mailbox, timers, and the core that they drive."""

from __future__ import annotations

import heapq
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable

import structlog

from picosip_server.engine.arrivals import Arrivals
from picosip_server.engine.core import Core
from picosip_server.engine.network import Source
from picosip_server.sip.ua.outputs import Output

IDLE = 1.0
"""Longest sleep in seconds: how often connections are looked over."""
ROUND = 256
"""Pieces of work done before sockets, timers and the sink get their turn."""

BATCH = 64
"""Datagrams handled before sockets get their turn again."""

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
        self.arrivals = Arrivals()
        self._mailbox: deque[tuple[float, Callable[[float], None]]] = deque()
        self._later: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = 0
        self._waited = 0.0
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._woken = False
        self._gathering = False
        self._stopping = False
        self._idle_due = self.now
        self._thread = threading.Thread(target=self._loop, name=f"picosip-worker-{index}")
        self.selector.register(self._wake_in, selectors.EVENT_READ, self._drain_wake)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def end(self) -> None:
        """Has the thread end once it has done what is posted already."""

        def stop(now: float) -> None:
            self._stopping = True

        self.post(stop)

    def join(self) -> None:
        """Waits for the thread's end, if it ever began."""
        if self._thread.ident is not None:
            self._thread.join()

    def close(self) -> None:
        """Frees what the thread used, once nothing is registered with its selector any more."""
        self.selector.close()
        self._wake_in.close()
        self._wake_out.close()

    def post(self, work: Callable[[float], None]) -> None:
        """Has ``work(now)`` called on this worker's thread. Any thread may post.

        Once the thread has ended, nothing comes of it.
        """
        self._mailbox.append((time.monotonic(), work))
        if not self._gathering:
            self._wake()

    def gather(self, on: bool) -> None:
        """While this is on, what is posted wakes nobody; then all of it does, once.

        For a thread that posts much and soon says that it is done.
        """
        self._gathering = on
        if not on and self._mailbox:
            self._wake()

    def after(self, delay: float, work: Callable[[float], None]) -> None:
        """Has ``work(now)`` called after so many seconds. On this worker's thread only."""
        self._count += 1
        heapq.heappush(self._later, (self.now + delay, self._count, work))

    def arrive(self, data: bytes, source: Source, now: float) -> bool:
        """Has a datagram handled in its turn; any thread may. False: too many wait, it is lost."""
        taken = self.arrivals.add(data, source, now)
        if threading.current_thread() is not self._thread:
            self._wake()
        return taken

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            try:
                self._wake_out.send(b"\0")
            except OSError:
                # Full of wake-ups that were not read yet, or closed: one more is not needed.
                return

    @property
    def backlog(self) -> int:
        """How many pieces of work wait."""
        return len(self._mailbox)

    def _drain_wake(self, mask: int) -> None:
        # First the octets, then the flag, then the mailbox. The flag must not be left standing
        # without an octet to come: then nobody would wake us again. And who finds it standing
        # has posted before we look into the mailbox.
        self._wake_in.recv(4096)
        self._woken = False

    def flush(self) -> None:
        """Hands the sink what has come out so far. On this worker's thread only."""
        batch = self.core.take()
        if batch:
            self.guard(self._sink, batch)

    def guard(self, work: Callable[..., None], *arguments: object, **more: object) -> None:
        """A defect in handling one message must not end the calls of all others."""
        try:
            work(*arguments, **more)
        except Exception:
            self.internal_errors += 1
            _log.exception("internal error", worker=self.index)

    def _loop(self) -> None:
        while not self._stopping:
            ready = self.selector.select(self._sleep())
            began = time.monotonic()
            for key, mask in ready:
                self.now = time.monotonic()
                self.guard(key.data, mask)
            # So long whatever came on another socket meanwhile has to wait.
            self._turn(began)
            for _ in range(min(ROUND, len(self._mailbox))):
                posted, work = self._mailbox.popleft()
                self._turn(posted)
                self.guard(work, self.now)
            self._take_arrivals()
            while self._later and self._later[0][0] <= self.now:
                self.guard(heapq.heappop(self._later)[2], self.now)
            self._turn(self.core.deadline())
            self.guard(self.core.timeout, self.now)
            self.core.waited(self._waited, self.now)
            self._waited = 0.0
            if self.on_idle is not None and self.now >= self._idle_due:
                self._idle_due = self.now + IDLE
                self.guard(self.on_idle, self.now)
            self.flush()

    def _take_arrivals(self) -> None:
        # As many as a socket is read for at once: then it is looked at again, before it is full.
        for _ in range(BATCH):
            arrival = self.arrivals.take()
            if arrival is None:
                return
            self._turn(arrival.at)
            self.guard(self.core.receive, arrival.data, arrival.source, self.now)

    def _turn(self, due: float | None) -> None:
        """It is the turn of something that could have been done at ``due``."""
        self.now = time.monotonic()
        if due is not None:
            self._waited = max(self._waited, self.now - due)

    def _sleep(self) -> float:
        if self._mailbox or self.arrivals:
            return 0.0
        due = self.core.deadline()
        if self._later and (due is None or self._later[0][0] < due):
            due = self._later[0][0]
        if due is None:
            return IDLE
        return min(IDLE, max(0.0, due - time.monotonic()))
