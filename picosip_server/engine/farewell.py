"""The end of all that lives on a worker, in an order that the far ends can follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from picosip_server.engine.departures import BATCH, TICK, Departures
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.user import TransactionUser

_AT_ONCE = 100
"""How many are ended without waiting for a tick."""


class Farewell(TransactionUser):
    """Has users end, so many at a time: ``end`` is called for each when it is its turn."""

    def __init__(self, context: Context, end: Callable[[TransactionUser, float], None]) -> None:
        super().__init__("farewell", context, {})
        self._end = end
        self._departures: Departures[TransactionUser] = Departures()
        self._next_tick = 0.0

    def begin(self, users: Iterable[TransactionUser], now: float) -> list[Effect]:
        """These are to end, behind those that wait already."""
        self._departures.open(now, more=users)
        return self._see_off(_AT_ONCE, now)

    def left(self, user: TransactionUser) -> bool:
        """See ``Departures.left``; for each user that has ended."""
        return self._departures.left(user)

    def deadline(self) -> float | None:
        """When the next ones are to end."""
        due = self._departures.next
        return None if due is None else max(due, self._next_tick)

    def timeout(self, now: float) -> list[Effect]:
        """Has the next ones end."""
        return self._see_off(BATCH, now)

    def _see_off(self, most: int, now: float) -> list[Effect]:
        self._next_tick = now + TICK
        for user in self._departures.due(now, most):
            self._end(user, now)
        return self.flush()
