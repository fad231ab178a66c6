"""Reliable provisional responses of a UAS: RFC 3262 section 3."""

from __future__ import annotations

from collections.abc import Callable

from picosip_server.frozen import dataclass
from picosip_server.sip.message import Request, Response
from picosip_server.sip.timers import Timers


@dataclass(slots=True)
class _Outstanding:
    response: Response
    rseq: int
    interval: float
    due: float
    give_up: float
    has_description: bool


class ReliableSender:
    """Sends reliable provisionals one at a time, each until its PRACK is in.

    ``send`` puts a response on the wire. ``deadline`` and ``timeout`` follow the
    house's contract for time.
    """

    __slots__ = ("_cseq", "_next", "_outstanding", "_queue", "_send", "_stopped", "_timers")

    def __init__(
        self,
        send: Callable[[Response, float], None],
        timers: Timers,
        first_rseq: int,
        invite_cseq: int,
    ) -> None:
        self._send = send
        self._timers = timers
        self._next = first_rseq
        self._cseq = invite_cseq
        self._outstanding: _Outstanding | None = None
        self._queue: list[tuple[Response, bool]] = []
        self._stopped = False

    @property
    def description_outstanding(self) -> bool:
        """Whether one with a session description awaits its PRACK: no 2xx before (section 3)."""
        if self._outstanding is not None and self._outstanding.has_description:
            return True
        return any(has_description for _, has_description in self._queue)

    def send(self, response: Response, has_description: bool, now: float) -> None:
        """Sends a response reliably, after those before it are acknowledged."""
        if self._outstanding is not None:
            # Section 3: no second one before the first is acknowledged.
            self._queue.append((response, has_description))
            return
        response.headers.add("Require", "100rel")
        response.headers.add("RSeq", str(self._next))
        interval = self._timers.t1
        self._outstanding = _Outstanding(
            response,
            self._next,
            interval,
            now + interval,
            now + self._timers.give_up,
            has_description,
        )
        self._next += 1
        self._send(response, now)

    def acknowledge(self, prack: Request, now: float) -> bool:
        """Takes a PRACK. False: it matches no outstanding response, which is a 481."""
        rack = prack.rack
        out = self._outstanding
        if (
            rack is None
            or out is None
            or rack.rseq != out.rseq
            or rack.cseq != self._cseq
            or rack.method != "INVITE"
        ):
            return False
        self._outstanding = None
        return True

    def proceed(self, now: float) -> None:
        """Sends the next in the queue, once the PRACK itself has been answered."""
        if self._outstanding is None and self._queue:
            self.send(*self._queue.pop(0), now)

    def stop(self) -> None:
        """A final response was sent: nothing is repeated any more, but what is out may still
        be acknowledged (section 3)."""
        self._stopped = True
        self._queue.clear()

    def deadline(self) -> float | None:
        """When ``timeout`` has something to do."""
        out = self._outstanding
        return None if out is None or self._stopped else min(out.due, out.give_up)

    def timeout(self, now: float) -> bool:
        """Repeats what is due. False: 64*T1 have passed without a PRACK."""
        out = self._outstanding
        if out is None or self._stopped:
            return True
        if now >= out.give_up:
            return False
        if now >= out.due:
            # Section 3: doubling without an upper bound.
            out.interval *= 2
            out.due = now + out.interval
            self._send(out.response, now)
        return True
