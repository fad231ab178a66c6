"""What the four machines share: a state, named timers, and a table of transitions.

The table is data: ``(state, event) -> (next state, action)``. A pair that is not
in it is a late or stray input, which the figures of RFC 3261 absorb.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from picosip_server.mypyc import mypyc_attr
from picosip_server.sip.message import Request, Response
from picosip_server.sip.timers import Timers
from picosip_server.sip.transaction.effects import Effect

TERMINATED = "terminated"

Row = tuple[str, Callable[[Any, Any, float], list[Effect]]]


@mypyc_attr(acyclic=True)
class Machine:
    """Base of the transaction machines.

    ``reliable`` says whether the transport retransmits by itself (TCP). Times are
    seconds on the caller's clock.
    """

    __slots__ = ("_deadlines", "reliable", "request", "state", "timers")

    TABLE: ClassVar[Mapping[tuple[str, str], Row]]
    RESTING: ClassVar[frozenset[str]] = frozenset()
    """States that only their last timer leads out of. Whatever comes until then is absorbed, or
    answered with what was sent last."""

    def __init__(self, request: Request, *, reliable: bool, timers: Timers, state: str) -> None:
        self.request = request
        self.reliable = reliable
        self.timers = timers
        self.state = state
        self._deadlines: dict[str, float] = {}

    def deadline(self) -> float | None:
        """The earliest time at which ``timeout`` has something to do."""
        deadlines = self._deadlines
        return min(deadlines.values()) if deadlines else None

    def timeout(self, now: float) -> list[Effect]:
        """Fires the timers that are due, earliest first."""
        effects: list[Effect] = []
        while self._deadlines:
            name = min(self._deadlines, key=self._deadlines.__getitem__)
            if self._deadlines[name] > now:
                break
            del self._deadlines[name]
            effects += self._step(name, None, now)
        return effects

    def _step(self, event: str, message: Request | Response | None, now: float) -> list[Effect]:
        row = self.TABLE.get((self.state, event))
        if row is None:
            return []
        self.state, action = row
        return action(self, message, now)

    def _start(self, timer: str, deadline: float) -> None:
        self._deadlines[timer] = deadline

    def _stop(self, *timers: str) -> None:
        for timer in timers:
            self._deadlines.pop(timer, None)

    @property
    def rests(self) -> bool:
        """Whether it only waits for its last timer."""
        return self.state in self.RESTING

    def again(self) -> bytes:
        """The octets that it answers a repetition with while it rests; empty: none."""
        return b""

    @property
    def terminated(self) -> bool:
        """Whether the machine has reached its last state."""
        return self.state == TERMINATED


def response_class(status: int) -> str:
    """The event that a response is: ``1xx``, ``2xx`` or ``3xx-6xx``."""
    if status < 200:
        return "1xx"
    return "2xx" if status < 300 else "3xx-6xx"
