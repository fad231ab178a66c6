"""INVITE client transaction: RFC 3261 section 17.1.1, figure 5, and RFC 6026 section 7.2."""

from __future__ import annotations

from picosip_server.mypyc import mypyc_attr
from picosip_server.sip.build import ack_for_refusal
from picosip_server.sip.message import Request, Response
from picosip_server.sip.timers import Timers
from picosip_server.sip.transaction.effects import Deliver, Effect, Ended, Send, TimedOut
from picosip_server.sip.transaction.machine import TERMINATED, Machine, response_class

CALLING = "calling"
PROCEEDING = "proceeding"
ACCEPTED = "accepted"
COMPLETED = "completed"


@mypyc_attr(acyclic=True)
class ClientInviteTransaction(Machine):
    """Sends an INVITE until it is heard, and the ACK to a refusal as often as it is needed."""

    __slots__ = ("_ack", "_data", "_interval_a")

    # Not ACCEPTED: the 2xx of another fork is a dialog that is to be ended.
    RESTING = frozenset({COMPLETED})

    def __init__(self, request: Request, *, reliable: bool, timers: Timers) -> None:
        super().__init__(request, reliable=reliable, timers=timers, state=CALLING)
        self._data = b""
        self._interval_a = timers.t1
        self._ack: Send | None = None

    def start(self, now: float, data: bytes = b"") -> list[Effect]:
        """Sends the INVITE for the first time; ``data`` is its octets, where they were needed
        before."""
        self._data = data or self.request.encode()
        # 17.1.1.2: timer A only where the transport is unreliable.
        if not self.reliable:
            self._start("timer A", now + self._interval_a)
        self._start("timer B", now + self.timers.give_up)
        return [Send(self.request, self._data)]

    @property
    def data(self) -> bytes:
        """The octets of the INVITE."""
        return self._data

    def receive(self, response: Response, now: float) -> list[Effect]:
        """A response that matches this transaction (section 17.1.3)."""
        return self._step(response_class(response.status), response, now)

    def again(self) -> bytes:
        """The ACK to the refusal."""
        return self._ack.data if self._ack is not None else b""

    def _retransmit(self, _: None, now: float) -> list[Effect]:
        self._interval_a *= 2
        self._start("timer A", now + self._interval_a)
        return [Send(self.request, self._data, retransmission=True)]

    def _give_up(self, _: None, now: float) -> list[Effect]:
        self._stop("timer A")
        return [TimedOut("timer B"), Ended()]

    def _proceed(self, response: Response, now: float) -> list[Effect]:
        self._stop("timer A", "timer B")
        return [Deliver(response)]

    def _accept(self, response: Response, now: float) -> list[Effect]:
        # RFC 6026 section 7.2: stay, so that 2xx of other forks and repeated ones match.
        self._stop("timer A", "timer B")
        self._start("timer M", now + self.timers.give_up)
        return [Deliver(response)]

    def _deliver(self, response: Response, now: float) -> list[Effect]:
        return [Deliver(response)]

    def _refuse(self, response: Response, now: float) -> list[Effect]:
        # 17.1.1.3: the ACK to a 300-699 belongs to the transaction.
        self._stop("timer A", "timer B")
        ack = ack_for_refusal(self.request, response)
        data = ack.encode()
        self._ack = Send(ack, data, retransmission=True)
        effects: list[Effect] = [Send(ack, data), Deliver(response)]
        if self.reliable:
            # 17.1.1.2: timer D is zero.
            self.state = TERMINATED
            effects.append(Ended())
        else:
            self._start("timer D", now + self.timers.timer_d)
        return effects

    def _acknowledge_again(self, response: Response, now: float) -> list[Effect]:
        return [self._ack] if self._ack is not None else []

    def _end(self, _: None, now: float) -> list[Effect]:
        return [Ended()]


ClientInviteTransaction.TABLE = {
    (CALLING, "timer A"): (CALLING, ClientInviteTransaction._retransmit),
    (CALLING, "timer B"): (TERMINATED, ClientInviteTransaction._give_up),
    (CALLING, "1xx"): (PROCEEDING, ClientInviteTransaction._proceed),
    (CALLING, "2xx"): (ACCEPTED, ClientInviteTransaction._accept),
    (CALLING, "3xx-6xx"): (COMPLETED, ClientInviteTransaction._refuse),
    (PROCEEDING, "1xx"): (PROCEEDING, ClientInviteTransaction._deliver),
    (PROCEEDING, "2xx"): (ACCEPTED, ClientInviteTransaction._accept),
    (PROCEEDING, "3xx-6xx"): (COMPLETED, ClientInviteTransaction._refuse),
    (COMPLETED, "3xx-6xx"): (COMPLETED, ClientInviteTransaction._acknowledge_again),
    (COMPLETED, "timer D"): (TERMINATED, ClientInviteTransaction._end),
    (ACCEPTED, "2xx"): (ACCEPTED, ClientInviteTransaction._deliver),
    (ACCEPTED, "timer M"): (TERMINATED, ClientInviteTransaction._end),
}
