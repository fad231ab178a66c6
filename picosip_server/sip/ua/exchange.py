"""One request of ours, until its final response: routing, retries, failover, digest.

An exchange sends its request over the first hop that works, answers digest
challenges, and reports to its handler only what is left: provisional responses,
the final one, or that there will be none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from picosip_server.frozen import dataclass
from picosip_server.sip.address import Address
from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.build import cancel_for
from picosip_server.sip.dialog import Route, plan
from picosip_server.sip.grammar import NO_PARAMS, Params
from picosip_server.sip.headers import Headers, canonical
from picosip_server.sip.hop import Hop, Target
from picosip_server.sip.message import Request, Response
from picosip_server.sip.transaction.client import ClientTransaction
from picosip_server.sip.transaction.client_invite import ClientInviteTransaction
from picosip_server.sip.transaction.effects import Deliver, Effect, Ended, Send
from picosip_server.sip.ua.attempt import Attempt, Cancellation
from picosip_server.sip.ua.commands import Body, NextHop
from picosip_server.sip.ua.failures import retry_after
from picosip_server.sip.ua.itinerary import Itinerary
from picosip_server.sip.ua.keys import client_key
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.user import TransactionUser
from picosip_server.sip.uri import Uri

LARGE = 1300
"""Octets above which a request is to go over TCP (RFC 3261 section 18.1.1)."""

MAX_CHALLENGES = 4
"""How often one request is tried again with credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A request without what differs from attempt to attempt: Via, CSeq, credentials."""

    method: str
    target: Uri
    route_set: tuple[str, ...] = ()
    from_: str
    to: str
    call_id: str
    headers: tuple[tuple[str, str], ...] = ()
    contact_user: str | None = None
    """User part of the Contact made from the hop; None: no Contact is made."""
    contact_params: Params = NO_PARAMS
    contacts: Callable[[Hop], tuple[str, ...]] | None = None
    """Makes Contact values from the hop, where there is more to them."""
    body: Body | None = None
    next_hop: NextHop | None = None


class Handler(Protocol):
    """Who hears how an exchange goes."""

    def on_provisional(self, exchange: Exchange, response: Response, now: float) -> None:
        """A 1xx came."""

    def on_final(self, exchange: Exchange, response: Response, now: float) -> None:
        """A final response came; to an INVITE there may be several 2xx."""

    def on_failure(self, exchange: Exchange, kind: FailureKind, detail: str, now: float) -> None:
        """There will be no final response: ``TIMEOUT`` or ``TRANSPORT``."""


class _Nobody:
    """Hears what comes of an exchange that is over: nothing does."""

    __slots__ = ()

    def on_provisional(self, exchange: Exchange, response: Response, now: float) -> None:
        """See ``Handler``."""

    def on_final(self, exchange: Exchange, response: Response, now: float) -> None:
        """See ``Handler``."""

    def on_failure(self, exchange: Exchange, kind: FailureKind, detail: str, now: float) -> None:
        """See ``Handler``."""


NOBODY = _Nobody()


class Exchange:
    """One request of ours. ``start`` it once."""

    __slots__ = (
        "_cancel_sent",
        "_cancelling",
        "_challenges",
        "_final",
        "_hops",
        "_last_failure",
        "_progressed",
        "_route",
        "_target",
        "_unsent",
        "auth",
        "cseq",
        "current",
        "draft",
        "handler",
        "next_cseq",
        "request",
        "user",
    )

    def __init__(
        self,
        user: TransactionUser,
        draft: Draft,
        handler: Handler,
        *,
        next_cseq: Callable[[], int],
        auth: DigestClient | None = None,
    ) -> None:
        self.user = user
        self.draft = draft
        self.handler: Handler = handler
        self.next_cseq = next_cseq
        self.auth = auth
        self.cseq = 0
        self.current: Attempt | None = None
        """The latest one, until its transaction has ended."""
        self.request: Request | None = None
        """As last sent."""
        self._hops = Itinerary()
        self._challenges = 0
        self._final = False
        """Whether the handler has the final response: nothing is tried after it."""
        self._progressed = False
        self._cancelling: tuple[tuple[str, str], ...] | None = None
        self._cancel_sent = False
        self._unsent = False
        self._last_failure = (FailureKind.TRANSPORT, "the target has no address")
        self._route: Route | None = None
        self._target: Target | None = None

    def start(self, now: float, *, over: Hop | None = None) -> None:
        """Begins. ``over`` is the hop to use, where it is known already.

        Raises:
            LocalProtocolError: a preloaded route cannot be parsed.
        """
        self._route = plan(self.draft.target, self.draft.route_set)
        hint = self.draft.next_hop
        if hint is not None:
            self._target = Target(host=hint.host, port=hint.port, transport=hint.transport)
        else:
            self._target = Target.of(self._route.next_hop)
        if over is not None:
            self.located((over,), now)
        else:
            self.user.locate(self, self._target)

    def located(self, hops: tuple[Hop, ...], now: float) -> None:
        """The hops to try, best first."""
        self._hops.found(self._awake(hops, now))
        self._attempt(now)

    def _awake(self, hops: tuple[Hop, ...], now: float) -> tuple[Hop, ...]:
        """Without the servers that asked for rest (21.5.4: no request SHOULD go to them)."""
        awake, detail = self.user.context.resting.awake(hops, now)
        if not detail or self._insists:
            return hops
        self._last_failure = (FailureKind.TRANSPORT, detail)
        return awake

    @property
    def _insists(self) -> bool:
        """What belongs to a dialog has no other place to go, OPTIONS asks how it is, and a load
        is to find out."""
        if self.user.listener is not None:
            return True
        return self.draft.method == "OPTIONS" or Address.parse(self.draft.to).tag != ""

    def not_located(self, detail: str, now: float) -> None:
        """The name leads nowhere; over TCP only, where UDP hops are known (18.1.1)."""
        self._last_failure = (FailureKind.TRANSPORT, detail)
        self.located((), now)

    def cancel(self, headers: tuple[tuple[str, str], ...], now: float) -> None:
        """Cancels an INVITE: at once where a provisional response came, else when it comes.

        RFC 3261 section 9.1: no CANCEL before a provisional response.
        """
        self._cancelling = headers
        if self.current is None:
            # Nothing was sent yet: there is nothing that the far end could answer.
            self._hops.end()
            return
        if self._progressed:
            self._send_cancel(now)

    @property
    def cancelling(self) -> bool:
        """Whether ``cancel`` was called."""
        return self._cancelling is not None

    def perform(self, attempt: Attempt, effects: list[Effect], now: float) -> None:
        """Carries out what a transaction of this exchange wants."""
        for effect in effects:
            if isinstance(effect, Send):
                self.user.transmit(attempt.hop, effect, attempt.key)
            elif isinstance(effect, Deliver):
                assert isinstance(effect.message, Response)
                self._respond(attempt, effect.message, now)
            elif isinstance(effect, Ended):
                self.user.dismiss(attempt.key)
                if self._final and attempt is self.current:
                    self.close()
            else:
                if self._progressed:
                    # RFC 3263 section 4.3: who has answered at all is not passed over.
                    self._hops.end()
                self._failed(
                    FailureKind.TIMEOUT,
                    f"no final response to {self.draft.method} within "
                    f"{self.user.context.timers.give_up:g} s ({effect.timer})",
                    now,
                )

    def transport_failed(self, attempt: Attempt, detail: str, now: float) -> None:
        """The transport could not send: RFC 3261 section 8.1.3.1, on to the next hop."""
        if attempt is not self.current:
            return
        # An answered transaction only absorbs; a failure to repeat an ACK changes nothing.
        if attempt.machine.state in ("completed", "accepted"):
            return
        self.user.dismiss(attempt.key)
        self._failed(FailureKind.TRANSPORT, detail, now)

    def _failed(self, kind: FailureKind, detail: str, now: float) -> None:
        self._last_failure = (kind, detail)
        self.current = None
        self._attempt(now)

    def _attempt(self, now: float) -> None:
        hop = None if self.cancelling else self._hops.take()
        if hop is None:
            kind, detail = self._last_failure
            self.handler.on_failure(self, kind, detail, now)
            self.close()
            return
        self._send(hop, (), now)

    def close(self) -> None:
        """Nothing comes of it any more: it lets go of those that hold it, so that all of them
        are freed by their counts of references and need not wait for the collector."""
        self.current = None
        self.handler = NOBODY

    def _send(self, hop: Hop, credentials: tuple[tuple[str, str], ...], now: float) -> None:
        if not self._unsent:
            self.cseq = self.next_cseq()
        self._unsent = False
        request = self._build(hop, self.cseq, credentials)
        assert self._target is not None
        data = b""
        if hop.transport == "UDP" and self._target.transport == "":
            data = request.encode()
            if len(data) > LARGE and self._detour(hop, self._target, now):
                return
        timers = self.user.context.timers
        machine: ClientInviteTransaction | ClientTransaction
        if self.draft.method == "INVITE":
            machine = ClientInviteTransaction(request, reliable=hop.reliable, timers=timers)
        else:
            machine = ClientTransaction(request, reliable=hop.reliable, timers=timers)
        key = client_key(request.via.branch, self.draft.method)
        attempt = Attempt(self, machine, hop, key)
        self.current = attempt
        self.request = request
        self._progressed = False
        self.user.adopt(key, attempt)
        self.perform(attempt, machine.start(now, data), now)

    def _detour(self, hop: Hop, target: Target, now: float) -> bool:
        """18.1.1: above 1300 octets over TCP; UDP only where TCP does not reach."""
        # RFC 3428 section 8: a MESSAGE of that size must not go without congestion control.
        never = self.draft.method == "MESSAGE"
        known = self._hops.reliable_known
        if known and not self._hops.reliable_left and not never:
            return False
        # The CSeq number was not used yet: they are to rise by one (12.2.1.1).
        self._unsent = True
        self._hops.put_off(hop, never=never)
        if known:
            self._attempt(now)
        else:
            self._target = replace(target, transport="TCP")
            self.user.locate(self, self._target)
        return True

    def _build(self, hop: Hop, cseq: int, credentials: tuple[tuple[str, str], ...]) -> Request:
        draft = self.draft
        route = self._route
        assert route is not None
        context = self.user.context
        body = draft.body.data if draft.body is not None else b""
        if not credentials and self.auth is not None:
            credentials = tuple(
                self.auth.authorize(
                    method=draft.method,
                    uri=route.request_uri,
                    body=body,
                    cnonce=context.identity.cnonce(),
                )
            )
        # RFC 3581 section 3: a client asks for symmetric responses.
        branch = context.identity.branch()
        via = f"SIP/2.0/{hop.transport} {hop.sent_by};rport;branch={branch}"
        fields = [("Via", via), *[("Route", value) for value in route.routes]]
        fields += (
            ("From", draft.from_),
            ("To", draft.to),
            ("Call-ID", draft.call_id),
            ("CSeq", f"{cseq} {draft.method}"),
            ("Max-Forwards", "70"),
        )
        if draft.contact_user is not None:
            fields.append(("Contact", f"{hop.contact(draft.contact_user)}{draft.contact_params}"))
        elif draft.contacts is not None:
            fields += [("Contact", value) for value in draft.contacts(hop)]
        fields += credentials
        fields += draft.headers
        if context.user_agent and "user-agent" not in [canonical(name) for name, _ in fields]:
            fields.append(("User-Agent", context.user_agent))
        if draft.body is not None:
            fields.append(("Content-Type", draft.body.content_type))
            if draft.body.disposition:
                fields.append(("Content-Disposition", draft.body.disposition))
        headers = Headers(fields)
        return Request(draft.method, route.request_uri, headers, body)

    def _respond(self, attempt: Attempt, response: Response, now: float) -> None:
        if response.status < 200:
            self._progressed = True
            if self._cancelling is not None:
                self._send_cancel(now)
            self.handler.on_provisional(self, response, now)
            return
        wait = retry_after(response) if response.status == 503 else 0.0
        if wait:
            self.user.context.resting.note(attempt.hop, wait, now)
        if not self.cancelling:
            if response.status in (401, 407) and self._authorize(attempt, response, now):
                return
            # RFC 3263 section 4.3: on to another server, if there is one.
            if response.status == 503 and self._hops.leave(attempt.hop):
                self._attempt(now)
                return
        if self.auth is not None and response.status < 300:
            self.auth.learn(response)
        self._final = True
        self.handler.on_final(self, response, now)

    def _authorize(self, attempt: Attempt, response: Response, now: float) -> bool:
        if self.auth is None or self._challenges >= MAX_CHALLENGES:
            return False
        assert self._route is not None
        fields = self.auth.answer(
            response,
            method=self.draft.method,
            uri=self._route.request_uri,
            body=self.draft.body.data if self.draft.body is not None else b"",
            cnonce=self.user.context.identity.cnonce(),
        )
        if fields is None:
            return False
        self._challenges += 1
        self._send(attempt.hop, tuple(fields), now)
        return True

    def _send_cancel(self, now: float) -> None:
        attempt = self.current
        assert attempt is not None and self._cancelling is not None
        if attempt.machine.state != "proceeding" or self._cancel_sent:
            return
        self._cancel_sent = True
        key = client_key(attempt.request.via.branch, "CANCEL")
        cancel = cancel_for(attempt.request)
        for name, value in self._cancelling:
            cancel.headers.add(name, value)
        Cancellation(self.user, attempt.hop, key).start(cancel, now)
        self.user.on_cancel_sent(now)
