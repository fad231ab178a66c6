"""What gives a worker its turns: a thread of its own, or an event loop that others use too."""

from __future__ import annotations

import asyncio
import math
import selectors
import socket
import threading
from collections.abc import Sequence
from typing import Protocol

Ready = Sequence[tuple[selectors.SelectorKey, int]]
"""What ``select`` of a selector gives."""


class Turns(Protocol):
    """A worker as its runner sees it."""

    selector: selectors.BaseSelector

    @property
    def stopping(self) -> bool:
        """Whether the last turn was the last one."""

    def turn(self, ready: Ready) -> None:
        """Does what can be done now."""

    def sleep(self) -> float:
        """In how many seconds the next turn is due, if nothing happens before."""


class Runner(Protocol):
    """Gives a worker its turns, one at a time, whenever there is something to do."""

    @property
    def here(self) -> bool:
        """Whether the caller is on the thread that takes the turns."""

    def start(self) -> None:
        """Begins."""

    def wake(self) -> None:
        """There is something to do now. Any thread may say so."""

    def join(self) -> None:
        """Waits for the last turn, if there ever was a first one."""

    def close(self) -> None:
        """Frees what was needed for it."""


class Bell:
    """Wakes whoever waits for a selector; any thread may ring."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._in, self._out = socket.socketpair()
        self._in.setblocking(False)
        self._out.setblocking(False)
        self._rung = False
        selector.register(self._in, selectors.EVENT_READ, self._heard)

    def ring(self) -> None:
        """Once is enough, until it has been heard."""
        if not self._rung:
            self._rung = True
            try:
                self._out.send(b"\0")
            except OSError:
                # Full of rings that were not heard yet, or closed: one more is not needed.
                return

    def _heard(self, mask: int) -> None:
        # First the octets, then the flag, then the mailbox. The flag must not be left standing
        # without an octet to come: then nobody would wake us again. And who finds it standing
        # has posted before we look into the mailbox.
        self._in.recv(4096)
        self._rung = False

    def close(self) -> None:
        """Closes both ends."""
        self._in.close()
        self._out.close()


class OwnThread:
    """A thread for one worker alone."""

    def __init__(self, turns: Turns, name: str) -> None:
        self._turns = turns
        self._bell = Bell(turns.selector)
        # Not _thread: mypyc would name it __thread, which is a word of C.
        self._own = threading.Thread(target=self._run, name=name)

    @property
    def here(self) -> bool:
        """See ``Runner``."""
        return threading.get_ident() == self._own.ident

    def start(self) -> None:
        """See ``Runner``."""
        self._own.start()

    def wake(self) -> None:
        """See ``Runner``."""
        self._bell.ring()

    def join(self) -> None:
        """See ``Runner``."""
        if self._own.ident is not None:
            self._own.join()

    def close(self) -> None:
        """See ``Runner``."""
        self._bell.close()

    def _run(self) -> None:
        turns = self._turns
        select = turns.selector.select
        while not turns.stopping:
            turns.turn(select(turns.sleep()))


class SharedLoop:
    """Turns in the thread of an event loop, between its other callbacks.

    Under the GIL a thread more does nothing at the same time: each message then wakes both,
    and each waits for the other. Here the loop waits for the worker's selector along with all
    else that it waits for.
    """

    def __init__(self, turns: Turns, loop: asyncio.AbstractEventLoop) -> None:
        self._turns = turns
        self._loop = loop
        self._bell = Bell(turns.selector)
        fileno: int = turns.selector.fileno()  # type: ignore[attr-defined]
        self._fileno = fileno
        self._ident: int | None = None
        self._soon = False
        """Whether the loop has been told of the next turn."""
        self._within = False
        """Whether this is one: what comes up meanwhile is seen at its end."""
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        """When the timer fires, in the loop's time."""
        self._ended = threading.Event()

    @staticmethod
    def possible() -> bool:
        """Whether a loop can wait for a selector: for epoll and kqueue, not for select."""
        return hasattr(selectors.DefaultSelector, "fileno")

    @property
    def here(self) -> bool:
        """See ``Runner``."""
        return threading.get_ident() == self._ident

    def start(self) -> None:
        """See ``Runner``; on the thread of the loop."""
        self._ident = threading.get_ident()
        self._loop.add_reader(self._fileno, self._readable)
        self.wake()

    def wake(self) -> None:
        """See ``Runner``."""
        if not self.here:
            self._bell.ring()
        elif not (self._soon or self._within):
            self._soon = True
            self._loop.call_soon(self._called)

    def join(self) -> None:
        """See ``Runner``. On the thread of the loop itself, the last turns are taken at once."""
        if self._ident is None:
            return
        if self.here:
            while not self._ended.is_set():
                self._turn()
            return
        while not self._ended.wait(1.0) and not self._loop.is_closed():
            pass

    def close(self) -> None:
        """See ``Runner``."""
        self._bell.close()

    def _readable(self) -> None:
        self._turn(self._turns.selector.select(0))

    def _called(self) -> None:
        self._soon = False
        self._turn()

    def _turn(self, ready: Ready = ()) -> None:
        if self._ended.is_set():
            return
        turns = self._turns
        self._within = True
        turns.turn(ready)
        self._within = False
        if turns.stopping:
            self._end()
            return
        wait = turns.sleep()
        if wait <= 0.0:
            self.wake()
        else:
            self._wait(wait)

    def _wait(self, seconds: float) -> None:
        # uvloop rounds to milliseconds, and half of one is none at all: turns would follow each
        # other, with nothing to do, until the time has come.
        seconds = math.ceil(seconds * 1000.0) / 1000.0
        now = self._loop.time()
        if self._timer is not None:
            # A turn too early does no harm, and is rarer than deadlines that move on.
            if self._due <= now + seconds:
                return
            self._timer.cancel()
        self._due = now + seconds
        self._timer = self._loop.call_later(seconds, self._fired)

    def _fired(self) -> None:
        self._timer = None
        self._turn()

    def _end(self) -> None:
        self._loop.remove_reader(self._fileno)
        if self._timer is not None:
            self._timer.cancel()
        self._ended.set()
