"""One member of the pool: a selector, a mailbox, timers, and the core that they drive."""

from __future__ import annotations

import heapq
import selectors
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

from picosip_server.engine.arrivals import Arrivals
from picosip_server.engine.core import Core
from picosip_server.engine.network import Source
from picosip_server.engine.runner import OwnThread, Ready, Runner, Turns
from picosip_server.sip.ua.outputs import Output

IDLE: Final = 1.0
"""Longest sleep in seconds: how often connections are looked over."""
ROUND: Final = 256
"""Pieces of work done before sockets, timers and the sink get their turn."""

BATCH: Final = 64
"""Datagrams handled before sockets get their turn again."""
SLICE: Final = 0.002
"""Seconds for either of these, which then end early: whoever shares the thread, as the streams to
the applications do, gets his turn only in between, and needs several for each message."""
GRAIN: Final = 0.005
"""Seconds: timers that are due within one such part of time share a turn, at its end, as none of
SIP's is so exact. To wake up for one alone costs more than all that it then does."""

_log = structlog.get_logger("picosip.engine")


class Worker:
    """Runs what is posted to it, what its sockets bring, and what its core's timers want.

    ``sink`` gets the outputs of each turn as one batch, in order. Without ``runner`` it has a
    thread of its own.
    """

    def __init__(
        self,
        index: int,
        sink: Callable[[list[Output]], None],
        runner: Callable[[Turns], Runner] | None = None,
    ) -> None:
        self.index = index
        self.core: Core
        self.selector: selectors.BaseSelector = selectors.DefaultSelector()
        self.now = time.monotonic()
        self.internal_errors = 0
        self.on_idle: Callable[[float], None] | None = None
        self.on_end: Callable[[float], None] | None = None
        """Called at the end of each turn."""
        self._sink = sink
        self.arrivals = Arrivals()
        self._mailbox: deque[tuple[float, Callable[[float], None]]] = deque()
        self._later: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = 0
        self._waited = 0.0
        self._gathering = False
        self.stopping = False
        self._idle_due = self.now
        self._runner = runner(self) if runner else OwnThread(self, f"picosip-worker-{index}")

    def start(self) -> None:
        """Has the turns begin."""
        self._runner.start()

    def end(self) -> None:
        """Has the turns end once what is posted already is done."""

        def stop(now: float) -> None:
            self.stopping = True

        self.post(stop)

    def join(self) -> None:
        """Waits for the last turn, if there ever was a first one."""
        self._runner.join()

    def close(self) -> None:
        """Frees what the turns used, once nothing is registered with its selector any more."""
        self.selector.close()
        self._runner.close()

    def post(self, work: Callable[[float], None]) -> None:
        """Has ``work(now)`` called in a turn of this worker. Any thread may post.

        After the last turn nothing comes of it.
        """
        self._mailbox.append((time.monotonic(), work))
        if not self._gathering:
            self._runner.wake()

    def gather(self, on: bool) -> None:
        """While this is on, what is posted wakes nobody; then all of it does, once.

        For a thread that posts much and soon says that it is done.
        """
        self._gathering = on
        if not on and self._mailbox:
            self._runner.wake()

    def after(self, delay: float, work: Callable[[float], None]) -> None:
        """Has ``work(now)`` called after so many seconds. In a turn of this worker only."""
        self._count += 1
        heapq.heappush(self._later, (self.now + delay, self._count, work))

    def arrive(self, data: bytes, source: Source, now: float) -> bool:
        """Has a datagram handled in its turn; any thread may. False: too many wait, it is lost."""
        taken = self.arrivals.add(data, source, now)
        if not self._runner.here:
            self._runner.wake()
        return taken

    @property
    def backlog(self) -> int:
        """How many pieces of work wait."""
        return len(self._mailbox)

    def flush(self) -> None:
        """Hands the sink what has come out so far. In a turn of this worker only."""
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

    def turn(self, ready: Ready) -> None:
        """See ``Turns``."""
        began = time.monotonic()
        for key, mask in ready:
            self.now = time.monotonic()
            self.guard(key.data, mask)
        # So long whatever came on another socket meanwhile has to wait.
        self._begin(began)
        until = self.now + SLICE
        for _ in range(min(ROUND, len(self._mailbox))):
            posted, work = self._mailbox.popleft()
            self._begin(posted)
            self.guard(work, self.now)
            if self.now >= until:
                break
        self._take_arrivals()
        while self._later and self._later[0][0] <= self.now:
            self.guard(heapq.heappop(self._later)[2], self.now)
        due = self.core.deadline()
        self._begin(None if due is None else due + GRAIN)
        self.guard(self.core.timeout, self.now)
        self.guard(self.core.waited, self._waited, self.now)
        self._waited = 0.0
        if self.on_idle is not None and self.now >= self._idle_due:
            self._idle_due = self.now + IDLE
            self.guard(self.on_idle, self.now)
        if self.on_end is not None:
            self.guard(self.on_end, self.now)
        self.flush()

    def _take_arrivals(self) -> None:
        # As many as a socket is read for at once: then it is looked at again, before it is full.
        until = self.now + SLICE
        for _ in range(BATCH):
            arrival = self.arrivals.take()
            if arrival is None:
                return
            self._begin(arrival.at)
            self.guard(self.core.receive, arrival.data, arrival.source, self.now)
            if self.now >= until:
                return

    def _begin(self, due: float | None) -> None:
        """It is the turn of something that could have been done at ``due``."""
        self.now = time.monotonic()
        if due is not None:
            self._waited = max(self._waited, self.now - due)

    def sleep(self) -> float:
        """See ``Turns``."""
        if self._mailbox or self.arrivals:
            return 0.0
        now = time.monotonic()
        until = now + IDLE
        if self._later:
            until = min(until, self._later[0][0])
        due = self.core.deadline()
        if due is not None and due < until:
            until = min(until, (due // GRAIN + 1.0) * GRAIN)
        return max(0.0, until - now)
