"""Non-INVITE server transaction: RFC 3261 section 17.2.2, figure 8, and RFC 4320."""

from __future__ import annotations

from picosip_server.mypyc import mypyc_attr
from picosip_server.sip.message import Request, Response
from picosip_server.sip.timers import Timers
from picosip_server.sip.transaction.effects import Effect, Ended, Send
from picosip_server.sip.transaction.machine import TERMINATED, Machine, response_class

TRYING = "trying"
PROCEEDING = "proceeding"
COMPLETED = "completed"


@mypyc_attr(acyclic=True)
class ServerTransaction(Machine):
    """Answers a request once, and repeats the answer when the request comes again."""

    __slots__ = ("_last",)

    RESTING = frozenset({COMPLETED})

    def __init__(self, request: Request, *, reliable: bool, timers: Timers) -> None:
        super().__init__(request, reliable=reliable, timers=timers, state=TRYING)
        self._last: Send | None = None

    def receive(self, request: Request, now: float) -> list[Effect]:
        """The same request again, matched by section 17.2.3."""
        return self._step("request", request, now)

    def respond(self, response: Response, now: float) -> list[Effect]:
        """Sends the transaction user's response."""
        event = response_class(response.status)
        return self._step("1xx" if event == "1xx" else "final", response, now)

    def again(self) -> bytes:
        """The final response."""
        return self._last.data if self._last is not None else b""

    def _send(self, response: Response) -> list[Effect]:
        data = response.encode()
        self._last = Send(response, data, retransmission=True)
        return [Send(response, data)]

    def _repeat(self, _: Request, now: float) -> list[Effect]:
        return [self._last] if self._last is not None else []

    def _progress(self, response: Response, now: float) -> list[Effect]:
        return self._send(response)

    def _complete(self, response: Response, now: float) -> list[Effect]:
        effects = self._send(response)
        if self.reliable:
            # 17.2.2: timer J is zero.
            self.state = TERMINATED
            effects.append(Ended())
        else:
            self._start("timer J", now + self.timers.give_up)
        return effects

    def _end(self, _: None, now: float) -> list[Effect]:
        return [Ended()]


ServerTransaction.TABLE = {
    (TRYING, "1xx"): (PROCEEDING, ServerTransaction._progress),
    (TRYING, "final"): (COMPLETED, ServerTransaction._complete),
    (PROCEEDING, "request"): (PROCEEDING, ServerTransaction._repeat),
    (PROCEEDING, "1xx"): (PROCEEDING, ServerTransaction._progress),
    (PROCEEDING, "final"): (COMPLETED, ServerTransaction._complete),
    (COMPLETED, "request"): (COMPLETED, ServerTransaction._repeat),
    (COMPLETED, "timer J"): (TERMINATED, ServerTransaction._end),
}
