"""Datagrams that wait for their worker: what goes on before what begins."""

from __future__ import annotations

from collections import deque

from picosip_server.engine.guard.peek import begins_something
from picosip_server.engine.network import Source
from picosip_server.frozen import dataclass

MOST_NEW = 10_000
"""Datagrams that may begin something and wait; more are dropped, as a network drops them."""
MOST_GOING_ON = 20_000
"""The same of responses, ACK, CANCEL, and requests inside dialogs: they have room of their own."""

FEW = 32
"""Datagrams that are taken in the order in which they came, whatever they are."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A datagram, and when it was read from its socket, in monotonic seconds."""

    data: bytes
    source: Source
    at: float


class Arrivals:
    """Any thread may add; the worker takes."""

    def __init__(
        self, most_new: int = MOST_NEW, most_going_on: int = MOST_GOING_ON, *, few: int = FEW
    ) -> None:
        self._few = few
        self._first: deque[Arrival] = deque()
        """A few that came while no others waited: they are taken as they came, since telling
        them apart costs more than it could gain."""
        self._new: deque[Arrival] = deque()
        self._going_on: deque[Arrival] = deque()
        self._waiting: dict[bytes, Source] = {}
        """What may begin something and waits, and whom it is from: the first, if several send
        the same."""
        self.repeated = 0
        """How many there was no need to keep, as they repeated what still waited."""
        self._most_new = most_new
        self._most_going_on = most_going_on

    def __len__(self) -> int:
        return len(self._first) + len(self._new) + len(self._going_on)

    def add(self, data: bytes, source: Source, now: float) -> bool:
        """Has a datagram wait; False: it is dropped.

        What repeats a request that still waits needs no room of its own: the first is answered,
        and who is behind is not to do all twice (RFC 3261 section 17.1.1.2).
        """
        if len(self._first) < self._few and not self._new and not self._going_on:
            self._first.append(Arrival(data, source, now))
            return True
        begins = begins_something(data)
        # A CANCEL must not overtake its INVITE.
        queue = self._new if begins or data.startswith(b"CANCEL ") else self._going_on
        if begins and self._waiting.get(data) == source:
            self.repeated += 1
            return True
        if len(queue) >= (self._most_new if begins else self._most_going_on):
            return False
        if begins:
            self._waiting.setdefault(data, source)
        queue.append(Arrival(data, source, now))
        return True

    def take(self) -> Arrival | None:
        """The next one: the few that came first, then those that are part of something, each kind
        in its order."""
        queue = self._first or self._going_on or self._new
        if not queue:
            return None
        arrival = queue.popleft()
        if self._waiting:
            self._waiting.pop(arrival.data, None)
        return arrival
