"""Our 2xx to an INVITE, until its ACK is in: RFC 3261 section 13.3.1.4."""

from __future__ import annotations

from picosip_server.sip.message import Response
from picosip_server.sip.timers import Timers


class Acceptance:
    """The 2xx, and when to send it again: over any transport, since the ACK is end to end."""

    __slots__ = ("_interval", "_timers", "_until", "due", "response")

    def __init__(self, response: Response, timers: Timers, now: float) -> None:
        self.response = response
        self._timers = timers
        self._interval = timers.t1
        self._until = now + timers.give_up
        self.due = now + self._interval
        """When it is to be repeated, or given up."""

    def repeat(self, now: float) -> bool:
        """Whether to send it again now. False: 64*T1 have passed without an ACK."""
        if now >= self._until:
            return False
        self._interval = min(2 * self._interval, self._timers.t2)
        self.due = min(now + self._interval, self._until)
        return True
