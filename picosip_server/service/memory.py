"""What the garbage collector does in a server, and memory that goes back after a crowd."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from collections.abc import Callable

from picosip_server.remembered import forget_all

_LOOK_EVERY = 5.0
"""Seconds."""
_CROWD = 10_000
"""Transactions and dialogs. What fewer had is used again for the next ones."""
_LEFT = 0.25
"""The part that may be left: it is searched, and nothing else is done meanwhile."""
_TURNS = 1.0
"""Seconds for the engine to take a turn, however busy it is."""
_FEW = 100
"""So few make no difference any more, even if they become fewer still."""


def spare_collector() -> None:
    """Has the garbage collector look seldom at what lives for long, and never at what is there now.

    Calls are freed by their counts of references. Under the default thresholds the collector
    searched the events and outcomes that are kept again and again, a tenth of a second at a
    time, and found nothing. What is cyclic is young (an exception with its frames) and found
    in the first generation; what is older is searched after some 20 million more objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 2_000, 1)


def give_back() -> None:
    """Gives the operating system what the interpreter and the C library keep without need.

    The interpreter frees memory by the megabyte, and keeps tens of thousands of small objects
    for use again, such as tuples, wherever they lie: after a crowd nearly each megabyte has
    one. A full collection lets go of those. What is remembered goes before, since it is as
    scattered.
    """
    forget_all()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    # glibc has it, musl has not.
    if trim is not None:
        trim(0)


class Ebb:
    """Sees when a crowd has gone, by what is left of it.

    ``size`` gives the number of transactions and dialogs, of which a call in its course has a
    handful; ``compact`` has the engine, soon, make its tables as large as what is in them.
    """

    def __init__(
        self,
        size: Callable[[], int],
        compact: Callable[[], None],
        give_back: Callable[[], None] = give_back,
    ) -> None:
        self._size = size
        self._compact = compact
        self._give_back = give_back
        self._peak = self._last = 0

    def look(self) -> bool:
        """Whether a crowd was there since the last time, and most of it has gone.

        Not while it still is going: once is enough.
        """
        size = self._size()
        going = size < self._last
        self._last = size
        self._peak = max(self._peak, size)
        if self._peak < _CROWD or size > self._peak * _LEFT or (going and size > _FEW):
            return False
        self._peak = size
        return True

    async def watch(self) -> None:
        """Looks every few seconds, and gives memory back then, until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            if self.look():
                self._compact()
                await asyncio.sleep(_TURNS)
                self._give_back()
