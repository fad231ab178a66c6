"""When which user wants to be woken: one entry a user."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from picosip_server.mypyc import mypyc_attr
from picosip_server.sip.ua.user import Entry

if TYPE_CHECKING:
    from picosip_server.sip.ua.user import TransactionUser

FEW: Final = 64
"""Entries that nobody needs any more and that are kept all the same."""
SLOTS_A_SECOND: Final = 4
NEVER: Final = 1e12
"""Seconds. All that is due later, which may be infinity, shares a slot."""


@mypyc_attr(acyclic=True)
class Slot:
    """What is due within one part of a second, in no order."""

    __slots__ = ("earliest", "entries")

    def __init__(self, first: Entry) -> None:
        self.entries = [first]
        self.earliest = first.deadline
        """No entry is due before."""

    def add(self, entry: Entry) -> None:
        """One more."""
        self.entries.append(entry)
        if entry.deadline < self.earliest:
            self.earliest = entry.deadline


class TimerQueue:
    """A heap of the deadlines that are near; the others wait in their slots until these are near.

    In one heap of all of them, each new deadline would go past those of thousands of calls whose
    own are far away, and whose memory has left all caches. The entry in force for a user is
    noted in ``user.scheduled``.
    """

    def __init__(self) -> None:
        self._near: list[tuple[float, int, Entry]] = []
        """All up to ``_reached``, and nothing beyond."""
        self._reached = -1
        self._slots: dict[int, Slot] = {}
        self._order: list[int] = []
        """A heap of the numbers of the slots."""
        self._count = 0
        self._stale = 0
        self.kept = 0
        """How many entries there are, those that nobody needs any more among them."""

    def deadline(self) -> float | None:
        """The earliest entry; of those that are near, one that somebody needs."""
        near = self._near
        while near:
            deadline, _, entry = near[0]
            if entry.user is not None:
                return deadline
            # Nobody is to be woken for it.
            heapq.heappop(near)
            self.kept -= 1
            self._stale -= 1
        return self._slots[self._order[0]].earliest if self._order else None

    def due(self, now: float) -> Iterator[TransactionUser]:
        """Takes out those whose time has come, earliest first."""
        while True:
            while self._near and self._near[0][0] <= now:
                user = heapq.heappop(self._near)[2].user
                self.kept -= 1
                if user is None:
                    self._stale -= 1
                    continue
                user.scheduled = None
                yield user
            if not self._order or self._slots[self._order[0]].earliest > now:
                break
            self._reach()
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
            self._count += 1
            self.kept += 1
            user.scheduled = entry = Entry(deadline, self._count, user)
            self._put(entry)

    def forget(self, user: TransactionUser) -> None:
        """Leaves a user's entry where it is to be passed over, unless those get too many. The
        user itself is let go of: its memory is not to wait for a time that means nothing."""
        entry = user.scheduled
        if entry is None:
            return
        user.scheduled = None
        entry.user = None
        self._stale += 1
        self._sweep()

    def _put(self, entry: Entry) -> None:
        number = int(min(entry.deadline, NEVER) * SLOTS_A_SECOND)
        if number <= self._reached:
            heapq.heappush(self._near, (entry.deadline, entry.number, entry))
            return
        slot = self._slots.get(number)
        if slot is None:
            self._slots[number] = Slot(entry)
            heapq.heappush(self._order, number)
        else:
            slot.add(entry)

    def _reach(self) -> None:
        """The next slot is near."""
        self._reached = heapq.heappop(self._order)
        for entry in self._slots.pop(self._reached).entries:
            heapq.heappush(self._near, (entry.deadline, entry.number, entry))

    def _sweep(self) -> None:
        if self._stale <= max(FEW, self.kept // 2):
            return
        entries = [each[2] for each in self._near]
        for slot in self._slots.values():
            entries += slot.entries
        self._near, self._slots, self._order = [], {}, []
        needed = [entry for entry in entries if entry.user is not None]
        self._stale, self.kept = 0, len(needed)
        for entry in needed:
            self._put(entry)

    def __len__(self) -> int:
        """How many wait for their moment."""
        return self.kept - self._stale

    @property
    def idle(self) -> bool:
        """Whether nobody waits for anything."""
        return not len(self)
