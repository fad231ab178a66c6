"""Non-INVITE client transaction: RFC 3261 section 17.1.2, figure 6."""

from __future__ import annotations

from picosip_server.mypyc import mypyc_attr
from picosip_server.sip.message import Request, Response
from picosip_server.sip.timers import Timers
from picosip_server.sip.transaction.effects import Deliver, Effect, Ended, Send, TimedOut
from picosip_server.sip.transaction.machine import TERMINATED, Machine, response_class

TRYING = "trying"
PROCEEDING = "proceeding"
COMPLETED = "completed"


@mypyc_attr(acyclic=True)
class ClientTransaction(Machine):
    """Sends a request until its final response is in."""

    __slots__ = ("_data", "_interval_e")

    RESTING = frozenset({COMPLETED})

    def __init__(self, request: Request, *, reliable: bool, timers: Timers) -> None:
        super().__init__(request, reliable=reliable, timers=timers, state=TRYING)
        self._data = b""
        self._interval_e = timers.t1

    def start(self, now: float, data: bytes = b"") -> list[Effect]:
        """Sends the request for the first time; ``data`` is its octets, where they were needed
        before."""
        self._data = data or self.request.encode()
        if not self.reliable:
            self._start("timer E", now + self._interval_e)
        self._start("timer F", now + self.timers.give_up)
        return [Send(self.request, self._data)]

    def receive(self, response: Response, now: float) -> list[Effect]:
        """A response that matches this transaction (section 17.1.3)."""
        event = response_class(response.status)
        return self._step("1xx" if event == "1xx" else "final", response, now)

    def _retransmit(self, _: None, now: float) -> list[Effect]:
        # 17.1.2.2: doubling up to T2 while trying, T2 once a provisional came.
        if self.state == PROCEEDING:
            self._interval_e = self.timers.t2
        else:
            self._interval_e = min(2 * self._interval_e, self.timers.t2)
        self._start("timer E", now + self._interval_e)
        return [Send(self.request, self._data, retransmission=True)]

    def _give_up(self, _: None, now: float) -> list[Effect]:
        self._stop("timer E")
        return [TimedOut("timer F"), Ended()]

    def _deliver(self, response: Response, now: float) -> list[Effect]:
        return [Deliver(response)]

    def _complete(self, response: Response, now: float) -> list[Effect]:
        self._stop("timer E", "timer F")
        if self.reliable:
            # 17.1.2.2: timer K is zero.
            self.state = TERMINATED
            return [Deliver(response), Ended()]
        self._start("timer K", now + self.timers.t4)
        return [Deliver(response)]

    def _end(self, _: None, now: float) -> list[Effect]:
        return [Ended()]


ClientTransaction.TABLE = {
    (TRYING, "timer E"): (TRYING, ClientTransaction._retransmit),
    (TRYING, "timer F"): (TERMINATED, ClientTransaction._give_up),
    (TRYING, "1xx"): (PROCEEDING, ClientTransaction._deliver),
    (TRYING, "final"): (COMPLETED, ClientTransaction._complete),
    (PROCEEDING, "timer E"): (PROCEEDING, ClientTransaction._retransmit),
    (PROCEEDING, "timer F"): (TERMINATED, ClientTransaction._give_up),
    (PROCEEDING, "1xx"): (PROCEEDING, ClientTransaction._deliver),
    (PROCEEDING, "final"): (COMPLETED, ClientTransaction._complete),
    (COMPLETED, "timer K"): (TERMINATED, ClientTransaction._end),
}
