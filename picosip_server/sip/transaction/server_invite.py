"""INVITE server transaction: RFC 3261 section 17.2.1, figure 7, and RFC 6026 section 7.1."""

from __future__ import annotations

from picosip_server.mypyc import mypyc_attr
from picosip_server.sip.message import Request, Response
from picosip_server.sip.timers import Timers
from picosip_server.sip.transaction.effects import Deliver, Effect, Ended, Send, TimedOut
from picosip_server.sip.transaction.machine import TERMINATED, Machine, response_class

PROCEEDING = "proceeding"
COMPLETED = "completed"
CONFIRMED = "confirmed"
ACCEPTED = "accepted"


@mypyc_attr(acyclic=True)
class ServerInviteTransaction(Machine):
    """Answers an INVITE, repeats the answer as needed, and absorbs what comes late."""

    __slots__ = ("_interval_g", "_last")

    # Not COMPLETED: until its ACK is in, the refusal is sent again without being asked for.
    RESTING = frozenset({ACCEPTED, CONFIRMED})

    def __init__(self, request: Request, *, reliable: bool, timers: Timers) -> None:
        super().__init__(request, reliable=reliable, timers=timers, state=PROCEEDING)
        self._interval_g = timers.t1
        self._last: Send | None = None

    def receive(self, request: Request, now: float) -> list[Effect]:
        """The INVITE again, or an ACK, matched by section 17.2.3."""
        return self._step(request.method, request, now)

    def respond(self, response: Response, now: float) -> list[Effect]:
        """Sends a response of the transaction user; a repeated 2xx too (RFC 6026 7.1)."""
        return self._step(response_class(response.status), response, now)

    def _send(self, response: Response) -> list[Effect]:
        data = response.encode()
        self._last = Send(response, data, retransmission=True)
        return [Send(response, data)]

    def _repeat(self, _: Request | None, now: float) -> list[Effect]:
        return [self._last] if self._last is not None else []

    def _progress(self, response: Response, now: float) -> list[Effect]:
        return self._send(response)

    def _accept(self, response: Response, now: float) -> list[Effect]:
        self._start("timer L", now + self.timers.give_up)
        return [Send(response, response.encode())]

    def _accept_again(self, response: Response, now: float) -> list[Effect]:
        return [Send(response, response.encode(), retransmission=True)]

    def _refuse(self, response: Response, now: float) -> list[Effect]:
        if not self.reliable:
            self._start("timer G", now + self._interval_g)
        self._start("timer H", now + self.timers.give_up)
        return self._send(response)

    def _retransmit(self, _: None, now: float) -> list[Effect]:
        self._interval_g = min(2 * self._interval_g, self.timers.t2)
        self._start("timer G", now + self._interval_g)
        return self._repeat(None, now)

    def _no_ack(self, _: None, now: float) -> list[Effect]:
        self._stop("timer G")
        return [TimedOut("timer H"), Ended()]

    def _acknowledged(self, ack: Request, now: float) -> list[Effect]:
        self._stop("timer G", "timer H")
        if self.reliable:
            # 17.2.1: timer I is zero.
            self.state = TERMINATED
            return [Ended()]
        self._start("timer I", now + self.timers.t4)
        return []

    def _deliver(self, ack: Request, now: float) -> list[Effect]:
        return [Deliver(ack)]

    def _end(self, _: None, now: float) -> list[Effect]:
        return [Ended()]


ServerInviteTransaction.TABLE = {
    (PROCEEDING, "INVITE"): (PROCEEDING, ServerInviteTransaction._repeat),
    (PROCEEDING, "1xx"): (PROCEEDING, ServerInviteTransaction._progress),
    (PROCEEDING, "2xx"): (ACCEPTED, ServerInviteTransaction._accept),
    (PROCEEDING, "3xx-6xx"): (COMPLETED, ServerInviteTransaction._refuse),
    (COMPLETED, "INVITE"): (COMPLETED, ServerInviteTransaction._repeat),
    (COMPLETED, "timer G"): (COMPLETED, ServerInviteTransaction._retransmit),
    (COMPLETED, "timer H"): (TERMINATED, ServerInviteTransaction._no_ack),
    (COMPLETED, "ACK"): (CONFIRMED, ServerInviteTransaction._acknowledged),
    (CONFIRMED, "timer I"): (TERMINATED, ServerInviteTransaction._end),
    (ACCEPTED, "2xx"): (ACCEPTED, ServerInviteTransaction._accept_again),
    (ACCEPTED, "ACK"): (ACCEPTED, ServerInviteTransaction._deliver),
    (ACCEPTED, "timer L"): (TERMINATED, ServerInviteTransaction._end),
}
