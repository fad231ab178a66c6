"""A transaction user driven by hand: what it sends is kept, what comes is told to it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from picosip_server.sip.build import response_to
from picosip_server.sip.hop import Hop, Target
from picosip_server.sip.message import Message, Request, Response
from picosip_server.sip.ua.effects import (
    Bind,
    Effect,
    FlowAnswered,
    FlowEffect,
    FlowFailed,
    KeepFlow,
    LeaveFlow,
    Locate,
    Probe,
    Transmit,
    Unbind,
)
from picosip_server.sip.ua.events import Event
from picosip_server.sip.ua.keys import response_key
from picosip_server.sip.ua.outputs import Completed, Failed, Failure, Occurred
from picosip_server.sip.ua.user import TransactionUser

UDP = Hop(transport="UDP", host="10.0.0.2", port=5060, local_host="10.0.0.1", local_port=5060)
TCP = replace(UDP, transport="TCP")
OTHER = replace(UDP, host="10.0.0.3")


@dataclass
class Numbered:
    """Identifiers that count: ``z9hG4bK1``, ``tag2``, ..."""

    share: float = 0.5
    count: int = 0

    def _next(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def branch(self) -> str:
        return self._next("z9hG4bK")

    def tag(self) -> str:
        return self._next("tag")

    def cnonce(self) -> str:
        return self._next("cnonce")

    def rseq(self) -> int:
        return 1

    def stun_id(self) -> bytes:
        return self._next("stun").encode().ljust(12, b".")

    def fraction(self) -> float:
        return self.share

    def request_name(self) -> str:
        return self._next("requests/")

    def subscription_name(self) -> str:
        return self._next("subscriptions/")

    def call_id(self) -> str:
        return self._next("call-id")


@dataclass(frozen=True)
class Sent:
    """One message on the wire."""

    at: float
    hop: Hop
    message: Message
    again: bool = False

    @property
    def brief(self) -> tuple[float, str, str, str]:
        """When, what, by which transport and to whom."""
        what = self.message.headers.get("CSeq") or ""
        return self.at, what, self.hop.transport, self.hop.host


@dataclass
class Driver:
    """Carries out the effects of one user. ``now`` is moved by the test."""

    user: TransactionUser
    now: float = 0.0
    hops: dict[Target, tuple[Hop, ...] | str] = field(default_factory=dict)
    """Where targets lead, or why nowhere. One that is not listed stays unanswered."""
    broken: set[tuple[str, str]] = field(default_factory=set)
    """Transports and hosts that nothing can be sent to."""
    sent: list[Sent] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    results: dict[Hashable, object] = field(default_factory=dict)
    bound: set[Hashable] = field(default_factory=set)
    flows: list[tuple[float, FlowEffect]] = field(default_factory=list)
    tickets: list[tuple[int, Target]] = field(default_factory=list)

    def run(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Transmit):
            sent = Sent(self.now, effect.hop, effect.message, effect.retransmission)
            assert effect.data == effect.message.encode()
            if (effect.hop.transport, effect.hop.host) in self.broken:
                self.run(self.user.transport_failed(effect.key, "no route", self.now))
            else:
                self.sent.append(sent)
        elif isinstance(effect, Locate):
            self.tickets.append((effect.ticket, effect.target))
            found = self.hops.get(effect.target)
            if isinstance(found, str):
                self.run(self.user.not_located(effect.ticket, found, self.now))
            elif found is not None:
                self.run(self.user.located(effect.ticket, found, self.now))
        elif isinstance(effect, Bind):
            self.bound.add(effect.key)
        elif isinstance(effect, Unbind):
            self.bound.remove(effect.key)
        elif isinstance(effect, Occurred):
            self.events.append(effect.event)
        elif isinstance(effect, KeepFlow | LeaveFlow | Probe | FlowAnswered | FlowFailed):
            self.flows.append((self.now, effect))
        elif isinstance(effect, Completed):
            self.results[effect.token] = effect.value
        else:
            assert isinstance(effect, Failed)
            self.results[effect.token] = effect.failure

    def until(self, end: float) -> None:
        """Lets time pass. What is due but for the rounding of a product still happens."""
        while (due := self.user.deadline()) is not None and due <= end + 1e-6:
            self.now = max(self.now, due)
            self.run(self.user.timeout(self.now))
        self.now = end

    def last(self, method: str = "") -> Request:
        """The last request sent (with that method)."""
        requests = [each.message for each in self.sent if isinstance(each.message, Request)]
        return next(each for each in reversed(requests) if method in ("", each.method))

    def answer(
        self,
        status: int,
        *headers: tuple[str, str],
        to: Request | None = None,
        tag: str = "far",
        via: str = "",
        flow: int = 0,
    ) -> Response:
        """Has the last request (or that one) answered, over that connection.

        ``via`` is what the next hop adds to our Via.
        """
        response = response_to(to or self.last(), status, to_tag=tag, headers=headers)
        if via:
            own = (response.headers.get("Via") or "").replace(";rport", "")
            response.headers.set("Via", own + via)
        key = response_key(response)
        self.run(self.user.receive_response(key, response, self.now, flow=flow))
        return response

    def failure(self, token: Hashable) -> Failure:
        result = self.results[token]
        assert isinstance(result, Failure), result
        return result

    @property
    def briefs(self) -> list[tuple[float, str, str, str]]:
        return [each.brief for each in self.sent]
