"""One binding of a registration: the REGISTERs of one flow, one after the other.

RFC 3261 section 10.2; where several flows are wanted each has a Call-ID, a reg-id and a
first hop of its own (RFC 5626 section 4.2).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from picosip_server.sip.address import Address
from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Response
from picosip_server.sip.ua.call.redirection import Redirection, redirect_contacts
from picosip_server.sip.ua.exchange import Draft, Exchange
from picosip_server.sip.ua.failures import refused, retry_after
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.registration.backoff import retry_delay
from picosip_server.sip.ua.registration.contact import instance_params, shortest_of, wishes
from picosip_server.sip.ua.registration.granted import Granted, granted, seconds
from picosip_server.sip.ua.registration.own_flow import OwnFlow
from picosip_server.sip.ua.registration.reflection import Reflection
from picosip_server.sip.ua.snapshots import FlowSnapshot, RegistrationState
from picosip_server.sip.uri import Uri

if TYPE_CHECKING:
    from picosip_server.sip.ua.registration.user import Registration

REDIRECTS = (300, 301, 302, 305)
MOST_REDIRECTS = 5
"""How many 3xx one REGISTER follows."""


class Binding:
    """``route`` is the first hop of this flow; empty: what holds for all requests."""

    __slots__ = (
        "_alarm_suffix",
        "_auth",
        "_call_id",
        "_cseq",
        "_exchange",
        "_expires",
        "_failures",
        "_owner",
        "_planned",
        "_redirection",
        "_reflection",
        "_reg_id",
        "_removing",
        "_route",
        "_shortest",
        "contacts",
        "ended",
        "expire_time",
        "flow",
        "granted",
        "last",
        "state",
    )

    def __init__(
        self, owner: Registration, index: int, *, call_id: str, route: str = "", reg_id: int = 0
    ) -> None:
        self._owner = owner
        self._alarm_suffix = f" {index}"
        self._call_id = call_id
        self._route = route
        self._reg_id = reg_id
        """0: RFC 5626 does not apply, or is not supported on this way."""
        register = owner.register
        self._auth = DigestClient(register.credentials) if register.credentials else None
        self._cseq = 0
        self._expires = register.expires
        self._shortest = 0.0
        """What the registrar's last 423 asked for."""
        self._exchange: Exchange | None = None
        """The REGISTER under way."""
        self._failures = 0
        self._removing = False
        self._planned: float | None = None
        """When the refresh stands in the engine's plan."""
        self._redirection: Redirection | None = None
        self._reflection = Reflection()
        self.flow = OwnFlow(owner)
        self.state = RegistrationState.REGISTERING
        self.contacts: tuple[Address, ...] = register.contacts
        self.granted = Granted(interval=0.0)
        self.expire_time: float | None = None
        self.last: Response | None = None
        self.ended = False
        """Taken back: nothing more comes of it."""

    def snapshot(self) -> FlowSnapshot:
        """Its state as plain values."""
        last = self.last
        return FlowSnapshot(
            reg_id=self._reg_id,
            edge=self._route,
            state=self.state,
            outbound=self.granted.outbound,
            hop=self.flow.hop,
            seen=self._reflection.seen,
            expire_time=self.expire_time,
            last_status=last.status if last is not None else 0,
            last_reason=last.reason if last is not None else "",
        )

    # Sending.

    def register(self, now: float) -> None:
        """Sends a REGISTER when the engine's pace allows.

        Raises:
            LocalProtocolError: a preloaded route cannot be parsed.
        """
        # A load has a rate of its own.
        loaded = self._owner.listener is not None
        turn = now if loaded else self._owner.context.pacing.turn(now)
        if turn > now:
            self._alarm("turn", turn)
        else:
            self._send(self._expires, now)

    def _send(self, expires: float, now: float, target: Uri | None = None) -> None:
        owner = self._owner
        register = owner.register
        options = register.options
        if target is None:
            # 10.2: the Request-URI names the registrar's domain, without a user.
            target = register.registrar.with_(user=None, password=None)
            self._redirection = Redirection(target, MOST_REDIRECTS)
        routes = (self._route,) if self._route else options.routes
        if not routes and owner.context.outbound_proxy and options.next_hop is None:
            routes = (owner.context.outbound_proxy,)
        own = wishes(register.contacts, expires, self._shortest)
        self._exchange = Exchange(
            owner,
            Draft(
                method="REGISTER",
                target=target,
                route_set=routes,
                from_=str(register.aor.with_tag(owner.tag)),
                to=str(register.aor),
                call_id=self._call_id,
                headers=(
                    *(("Contact", str(each)) for each in own),
                    ("Expires", str(round(expires))),
                    ("Supported", owner.supported(self._reg_id)),
                    *options.headers,
                ),
                contacts=None if own else self._contacts_over,
                next_hop=None if self._route else options.next_hop,
            ),
            self,
            next_cseq=self._next_cseq,
            auth=self._auth,
        )
        # RFC 5626 section 4.2.2: a refresh goes over the flow of the binding.
        self._exchange.start(now, over=self.flow.hop)

    def _contacts_over(self, hop: Hop) -> tuple[str, ...]:
        """The Contact that is made from a hop, and those that it replaces."""
        return self._own_contact(hop), *(f"{each};expires=0" for each in self._reflection.stale)

    def _own_contact(self, hop: Hop) -> str:
        owner = self._owner
        user = owner.register.aor.uri.user or ""
        params = instance_params(owner.instance_id, self._reg_id)
        features = owner.register.options.contact_params
        return f"{self._reflection.dress(hop).contact(user)}{params}{features}"

    def _next_cseq(self) -> int:
        # 10.2: one Call-ID and rising CSeq numbers for all REGISTERs to one registrar.
        self._cseq += 1
        return self._cseq

    # Taking back.

    def unregister(self, now: float) -> None:
        """Removes the binding; the owner hears ``binding_ended``."""
        self.state = RegistrationState.UNREGISTERING
        self._disarm("refresh", "retry", "expired", "turn")
        exchange = self._exchange
        if exchange is not None:
            if exchange.current is not None:
                # 10.2: no REGISTER while the one before it may still reach the registrar;
                # repeated after ours, it would bind again what ours took back.
                return
            self._exchange = None
            exchange.cancel((), now)
        self._take_back(now)

    def _take_back(self, now: float) -> None:
        if self.last is None:
            # The registrar has never answered: there is nothing to take back.
            self._end(None, now)
            return
        self._removing = True
        self._send(0, now)

    def _end(self, failure: Failure | None, now: float, response: Response | None = None) -> None:
        self.ended = True
        self.let_go()
        self._owner.binding_ended(failure, now, response)

    def let_go(self) -> None:
        """Gives back what is shared: the flow, and the place in the engine's plan."""
        self._unplan()
        self.flow.leave()
        self.expire_time = None
        self.granted = Granted(interval=0.0)

    # The registrar's answers.

    def on_provisional(self, exchange: Exchange, response: Response, now: float) -> None:
        """Says nothing."""

    def on_final(self, exchange: Exchange, response: Response, now: float) -> None:
        """The registrar has decided."""
        wanted = self._removing or self.state is not RegistrationState.UNREGISTERING
        if response.status in REDIRECTS and wanted and self._follow(response, now):
            return
        self._exchange = None
        self.last = response
        if self._removing:
            failure = None if response.status < 300 else refused(response, "REGISTER")
            self._end(failure, now, response)
        elif self.state is RegistrationState.UNREGISTERING:
            self._take_back(now)
        elif response.status < 300:
            self._registered(exchange, response, now)
        elif response.status == 423 and self._lengthen(response):
            self._send(self._expires, now)
        elif response.status == 439 and self._reg_id and not self._owner.several:
            # RFC 5626 section 4.2.1: the first hop lacks support; without it then.
            self._reg_id = 0
            self._send(self._expires, now)
        else:
            self._lost(refused(response, "REGISTER"), now, response)

    def on_failure(self, exchange: Exchange, kind: FailureKind, detail: str, now: float) -> None:
        """The registrar could not be asked."""
        if exchange is not self._exchange:
            # Dropped before it was sent.
            return
        self._exchange = None
        failure = Failure(kind=kind, detail=detail)
        self.flow.leave()
        if self._removing:
            self._end(failure, now)
        elif self.state is RegistrationState.UNREGISTERING:
            self._take_back(now)
        else:
            self._lost(failure, now)

    def _follow(self, response: Response, now: float) -> bool:
        """8.1.3.4: a 3xx names where else to ask."""
        assert self._redirection is not None
        self._redirection.follow(redirect_contacts(response))
        target = self._redirection.next()
        if target is None:
            return False
        self.flow.leave()
        self._send(0 if self._removing else self._expires, now, target)
        return True

    def _lengthen(self, response: Response) -> bool:
        """10.2.8: a 423 names the shortest interval that the registrar takes."""
        shortest = seconds(response.headers.get("Min-Expires"))
        contacts = wishes(self._owner.register.contacts, self._expires, self._shortest)
        if shortest is None or shortest <= shortest_of(contacts, self._expires):
            return False
        self._shortest = shortest
        self._expires = max(self._expires, shortest)
        return True

    def _registered(self, exchange: Exchange, response: Response, now: float) -> None:
        assert exchange.current is not None
        owner = self._owner
        hop = exchange.current.hop
        made = owner.register.contacts or (Address.parse(self._own_contact(hop)),)
        answer = granted(response, made, wish=self._expires, reg_id=self._reg_id)
        if answer.interval == 0:
            # The binding is not there: the registrar took it back with the same answer.
            self.granted = answer
            self.expire_time = None
            detail = "the registrar granted no time at all"
            self._lost(replace(refused(response, "REGISTER"), detail=detail), now, response)
            return
        learns = owner.context.learns_contact and not owner.register.contacts
        # RFC 5626: over a flow that the registrar uses, the address means nothing.
        if learns and not answer.outbound and self._reflection.learn(response, hop, made):
            self._send(self._expires, now)
            return
        self.contacts = made
        self.granted = answer
        self.expire_time = now + answer.interval
        self._plan_refresh(now)
        self._alarm("expired", now + answer.interval)
        hop = replace(hop, flow=exchange.current.flow)
        # A NAT forwards what comes back over a connection, not what would open another one.
        if answer.outbound or (self._reflection.seen is not None and hop.reliable):
            self.flow.keep(hop, answer)
        else:
            self.flow.leave()
        # RFC 5626 section 4.5: a flow counts once a keep-alive was answered on it, too.
        if self.flow.proved or not answer.outbound:
            self._failures = 0
        self._change(RegistrationState.ACTIVE, now, response)

    def _plan_refresh(self, now: float) -> None:
        context = self._owner.context
        interval = self.granted.interval
        # Early enough for a lost round, and not all at once (10.2.4).
        fraction = context.identity.fraction()
        latest = 0.90 * interval
        if self.granted.temp_gruu:
            # RFC 5627 section 4.2: done, or timed out, before the binding runs out.
            latest = min(latest, interval - 32 if interval > 64 else interval / 2)
        usual = min(max(interval * (0.80 + 0.10 * fraction), min(interval / 2, 1.0)), latest)
        self._unplan()
        self._planned = context.pacing.plan(
            now + usual, (now + 0.4 * interval, now + latest), fraction
        )
        self._alarm("refresh", self._planned)

    def _unplan(self) -> None:
        if self._planned is not None:
            self._owner.context.pacing.done(self._planned)
            self._planned = None

    # Failure and recovery.

    def _lost(self, failure: Failure, now: float, response: Response | None = None) -> None:
        self._unplan()
        self._disarm("refresh")
        self._failures += 1
        self.state = RegistrationState.FAILED
        owner = self._owner
        if owner.gives_up(failure, now, response):
            return
        wait = retry_delay(
            self._failures, owner.context.identity.fraction(), others_work=owner.works
        )
        if response is not None:
            wait = max(wait, retry_after(response))
        self._alarm("retry", now + wait)
        self._change(RegistrationState.FAILED, now, response)

    def on_alarm(self, what: str, now: float) -> None:
        """Refresh, retry, a turn that has come, or the end of the interval."""
        if what == "turn":
            self._send(self._expires, now)
        elif what == "expired":
            had_gruu = bool(self.granted.pub_gruu or self.granted.temp_gruu)
            # RFC 5627 section 4.4: never one of a registration that has lapsed.
            self.granted = replace(self.granted, pub_gruu="", temp_gruu="")
            if self.state is RegistrationState.ACTIVE:
                self._change(RegistrationState.REGISTERING, now)
            elif had_gruu:
                self._change(self.state, now)
        else:
            self._unplan()
            if what == "retry":
                self._change(RegistrationState.REGISTERING, now)
            self.register(now)

    def flow_answered(self) -> None:
        """A keep-alive was answered: the flow works."""
        self.flow.proved = True
        self._failures = 0

    def flow_failed(self, detail: str, now: float) -> None:
        """RFC 5626 section 4.5: the binding leads nowhere until there is another flow."""
        proved = self.flow.proved
        self.flow.hop = None
        if self.state is not RegistrationState.ACTIVE or self._exchange is not None:
            # The REGISTER under way, or the next one, finds another flow or fails.
            return
        self._disarm("refresh", "turn")
        if proved:
            self._unplan()
            self._change(RegistrationState.REGISTERING, now)
            self.register(now)
        else:
            self._lost(Failure(kind=FailureKind.TRANSPORT, detail=detail), now)

    # What the owner does for it.

    def _change(
        self, state: RegistrationState, now: float, response: Response | None = None
    ) -> None:
        self.state = state
        self._owner.binding_changed(now, response)

    def _alarm(self, what: str, at: float) -> None:
        self._owner.alarm(what + self._alarm_suffix, at)

    def _disarm(self, *what: str) -> None:
        self._owner.disarm(*(each + self._alarm_suffix for each in what))
