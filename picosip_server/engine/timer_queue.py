"""When which user wants to be woken: one entry a user."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from picosip_server.sip.ua.user import Entry

if TYPE_CHECKING:
    from picosip_server.sip.ua.user import TransactionUser

FEW: Final = 64
"""Entries that nobody needs any more and that are kept all the same."""


class TimerQueue:
    """A heap of deadlines. The entry in force for a user is noted in ``user.scheduled``."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Entry]] = []
        self._count = 0
        self._stale = 0

    def deadline(self) -> float | None:
        """The earliest entry."""
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> Iterator[TransactionUser]:
        """Takes out those whose time has come, earliest first."""
        while self._heap and self._heap[0][0] <= now:
            user = heapq.heappop(self._heap)[2].user
            if user is None:
                self._stale -= 1
                continue
            user.scheduled = None
            yield user
        self._sweep()

    def schedule(self, user: TransactionUser) -> None:
        """Notes the user's present deadline.

        A later deadline than the one noted waits for that one to come up: most timers are
        taken back long before they fire, and need no work then.
        """
        deadline = user.deadline()
        if deadline is None:
            self.forget(user)
            return
        entry = user.scheduled
        if entry is None or deadline < entry.deadline:
            self.forget(user)
            entry = user.scheduled = Entry(deadline, user)
            self._count += 1
            heapq.heappush(self._heap, (deadline, self._count, entry))

    def forget(self, user: TransactionUser) -> None:
        """Leaves a user's entry in the heap to be passed over, unless those get too many. The
        user itself is let go of: its memory is not to wait for a time that means nothing."""
        entry = user.scheduled
        if entry is None:
            return
        user.scheduled = None
        entry.user = None
        self._stale += 1
        self._sweep()

    def _sweep(self) -> None:
        if self._stale > max(FEW, len(self._heap) // 2):
            self._heap = [each for each in self._heap if each[2].user is not None]
            heapq.heapify(self._heap)
            self._stale = 0

    def __len__(self) -> int:
        """How many wait for their moment."""
        return len(self._heap) - self._stale

    @property
    def idle(self) -> bool:
        """Whether nobody waits for anything."""
        return not len(self)
