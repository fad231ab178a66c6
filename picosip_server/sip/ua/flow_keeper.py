"""One flow kept alive, and watched: RFC 5626 section 4.4."""

from __future__ import annotations

from picosip_server.sip import stun
from picosip_server.sip.framing import PING
from picosip_server.sip.hop import Hop
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect, FlowAnswered, FlowFailed, Probe
from picosip_server.sip.ua.user import TransactionUser

PONG_WAIT = 10.0
"""Seconds for the pong to come."""
STREAM_INTERVAL = (95.0, 120.0)
DATAGRAM_INTERVAL = (24.0, 29.0)
"""Seconds between keep-alives where the edge names no Flow-Timer (4.4.1, 4.4.2)."""
SHARE = 0.8
"""Of the Flow-Timer: the earliest time for the next keep-alive."""

RTO = 0.5
"""Seconds before a STUN request is first repeated (RFC 5389 section 7.2.1)."""
REQUESTS = 7
"""How often it is sent."""
LAST_WAIT = 16 * RTO
"""Seconds for which the answer to the last one is awaited."""


class FlowKeeper(TransactionUser):
    """Sends keep-alives over one flow until it fails or is stopped.

    Without ``answered`` the far end may leave them without answer: they still keep a NAT
    open, but only the end of the connection shows that the flow failed.
    """

    __slots__ = ("_answered", "_flow_timer", "_hop", "_id", "_mapped", "_sent")

    def __init__(self, context: Context, hop: Hop) -> None:
        super().__init__("", context, {})
        self._hop = hop
        self._flow_timer: float | None = None
        self._answered = False
        self._id = b""
        """Of the STUN request under way; empty: there is none."""
        self._sent = 0
        self._mapped: tuple[str, int] | None = None

    def keep(self, flow_timer: float | None, now: float, *, answered: bool) -> list[Effect]:
        """Begins, or goes on with what the users of the flow want now."""
        sooner = flow_timer is not None and (
            self._flow_timer is None or flow_timer < self._flow_timer
        )
        self._flow_timer = flow_timer
        self._answered = answered
        waiting = "pong" in self._alarms or self._id
        if not waiting and (sooner or "ping" not in self._alarms):
            self._plan(now)
        return self.flush()

    def stop(self) -> list[Effect]:
        """Nobody uses the flow any more."""
        self._alarms.clear()
        self.over = True
        return self.flush()

    def _plan(self, now: float) -> None:
        first, last = STREAM_INTERVAL if self._hop.reliable else DATAGRAM_INTERVAL
        if self._flow_timer is not None:
            # 4.4: spread between 80 % and 100 % of what the edge asks for.
            first, last = SHARE * self._flow_timer, self._flow_timer
        self.alarm("ping", now + first + (last - first) * self.context.identity.fraction())

    def on_alarm(self, alarm: str, now: float) -> None:
        """Time for a keep-alive, or no answer to the last one."""
        if alarm == "pong":
            self._fail(f"no answer to a keep-alive within {PONG_WAIT:g} s")
        elif self._hop.reliable:
            self._out.append(Probe(self._hop, PING))
            if self._answered:
                self.alarm("pong", now + PONG_WAIT)
            else:
                self._plan(now)
        elif alarm == "ping":
            self._id = self.context.identity.stun_id()
            self._sent = 0
            self._request(now)
        elif self._sent < REQUESTS:
            self._request(now)
        else:
            self._fail(f"no answer to {REQUESTS} STUN requests")

    def _request(self, now: float) -> None:
        """RFC 5389 section 7.2.1: repeated after 0.5, 1, 2... seconds."""
        self._out.append(Probe(self._hop, stun.binding_request(self._id)))
        self._sent += 1
        wait = RTO * 2 ** (self._sent - 1) if self._sent < REQUESTS else LAST_WAIT
        self.alarm("repeat", now + wait)

    def _fail(self, detail: str) -> None:
        self._alarms.clear()
        self._id = b""
        self._out.append(FlowFailed(detail))

    def pong(self, now: float) -> list[Effect]:
        """A single CRLF came over the connection. One that was not asked for says nothing."""
        if "pong" in self._alarms:
            self.disarm("pong")
            self._plan(now)
            self._out.append(FlowAnswered())
        return self.flush()

    def stun(self, message: stun.StunMessage, now: float) -> list[Effect]:
        """A STUN response came from the far end."""
        if not self._id or message.id != self._id:
            return self.flush()
        self.disarm("repeat")
        self._id = b""
        if message.kind is stun.Kind.ERROR or message.mapped is None:
            self._fail("a keep-alive was answered with a STUN error")
        elif self._mapped is not None and message.mapped != self._mapped:
            # 4.4.2: a NAT on the way has another mapping now; the registrar has the old one.
            self._fail("the address that the far end sees has changed")
        else:
            self._mapped = message.mapped
            self._plan(now)
            self._out.append(FlowAnswered())
        return self.flush()
