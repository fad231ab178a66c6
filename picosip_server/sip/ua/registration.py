"""A registration: REGISTER, refreshed until it is taken back (RFC 3261 section 10.2)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from picosip_server.sip.address import Address
from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.errors import ParseError, RemoteProtocolError
from picosip_server.sip.grammar import number
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Response
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.events import RegistrationChanged
from picosip_server.sip.ua.exchange import Draft, Exchange
from picosip_server.sip.ua.failures import refused, retry_after
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.snapshots import RegistrationSnapshot, RegistrationState
from picosip_server.sip.ua.user import TransactionUser
from picosip_server.sip.values import LARGEST_SECONDS

RETRY_BASE = 30.0
"""Seconds; doubled with each failure it bounds the wait for the next try (RFC 5626 4.5)."""
RETRY_LONGEST = 1800.0
RETRY_DOUBLINGS = 6
"""More of them make no difference: the longest wait is reached."""


class Registration(TransactionUser):
    """The bindings of one address of record at one registrar."""

    __slots__ = (
        "_auth",
        "_call_id",
        "_contacts",
        "_cseq",
        "_exchange",
        "_expire_time",
        "_expires",
        "_failures",
        "_granted",
        "_last",
        "_register",
        "_removing",
        "_service_route",
        "_shortest",
        "_tag",
        "_unregisters",
        "_waiting",
        "state",
    )

    def __init__(
        self, name: str, context: Context, register: commands.Register, *, call_id: str
    ) -> None:
        super().__init__(name, context, register.labels)
        self.state = RegistrationState.REGISTERING
        self._register = register
        self._call_id = call_id
        self._tag = context.identity.tag()
        self._auth = DigestClient(register.credentials) if register.credentials else None
        self._cseq = 0
        self._expires = register.expires
        self._shortest = 0.0
        """What the registrar's last 423 asked for."""
        self._granted = 0.0
        self._expire_time: float | None = None
        self._contacts: tuple[Address, ...] = register.contacts
        self._service_route: tuple[str, ...] = ()
        self._last: Response | None = None
        self._failures = 0
        self._removing = False
        self._exchange: Exchange | None = None
        """The REGISTER under way."""
        self._waiting: Hashable | None = None
        self._unregisters: list[Hashable] = []

    def start(self, now: float) -> list[Effect]:
        """Registers for the first time.

        Raises:
            LocalProtocolError: a preloaded route cannot be parsed.
        """
        if self._register.no_wait:
            self.complete(self._register.token, self.snapshot())
        else:
            self._waiting = self._register.token
        self._send(self._expires, now)
        return self.flush()

    def snapshot(self) -> RegistrationSnapshot:
        """The registration as plain values."""
        last = self._last
        return RegistrationSnapshot(
            name=self.name,
            state=self.state,
            registrar=str(self._register.registrar),
            aor=self._register.aor,
            contacts=self._contacts,
            expires=self._granted,
            expire_time=self._expire_time,
            last_status=last.status if last is not None else 0,
            last_reason=last.reason if last is not None else "",
            service_route=self._service_route,
            labels=self.labels,
        )

    def command(self, command: Command, now: float) -> list[Effect]:
        """Unregister and GetRegistration."""
        if isinstance(command, commands.GetRegistration):
            self.complete(command.token, self.snapshot())
        elif isinstance(command, commands.Unregister):
            self._unregisters.append(command.token)
            if self.state is not RegistrationState.UNREGISTERING:
                self._unregister(now)
        return self.flush()

    def shut_down(self, now: float) -> list[Effect]:
        """The server stops: the bindings would lead nowhere."""
        if not self.over and self.state is not RegistrationState.UNREGISTERING:
            self._unregister(now)
        return self.flush()

    def abandon(self, now: float) -> list[Effect]:
        """The server goes, and the registrar does not answer: over all the same."""
        self.forsake()
        self._terminate(None, now)
        return self.flush()

    def _send(self, expires: float, now: float) -> None:
        register = self._register
        routes = register.options.routes
        if not routes and self.context.outbound_proxy and register.options.next_hop is None:
            routes = (self.context.outbound_proxy,)
        contacts = tuple(("Contact", str(each)) for each in self._wishes(expires))
        self._exchange = Exchange(
            self,
            Draft(
                method="REGISTER",
                # 10.2: the Request-URI names the registrar's domain, without a user.
                target=register.registrar.with_(user=None, password=None),
                route_set=routes,
                from_=str(register.aor.with_tag(self._tag)),
                to=str(register.aor),
                call_id=self._call_id,
                headers=(
                    *contacts,
                    ("Expires", str(round(expires))),
                    *register.options.headers,
                ),
                contact_user=None if contacts else (register.aor.uri.user or ""),
                next_hop=register.options.next_hop,
            ),
            self,
            next_cseq=self._next_cseq,
            auth=self._auth,
        )
        self._exchange.start(now)

    def _wishes(self, expires: float) -> tuple[Address, ...]:
        """The contacts, with the intervals that they ask for by themselves.

        10.2.1.1: a contact's own parameter wins over the Expires header; so it goes where the
        binding is to go (10.2.2), and grows where the registrar wants more (10.2.8).
        """
        wishes = []
        for contact in self._register.contacts:
            own = _seconds(contact.params.get("expires"))
            if expires == 0:
                contact = replace(contact, params=contact.params.without("expires"))
            elif own is not None and own < self._shortest:
                params = contact.params.with_("expires", str(round(self._shortest)))
                contact = replace(contact, params=params)
            wishes.append(contact)
        return tuple(wishes)

    def _next_cseq(self) -> int:
        # 10.2: one Call-ID and rising CSeq numbers for all REGISTERs to one registrar.
        self._cseq += 1
        return self._cseq

    def _unregister(self, now: float) -> None:
        self._change(RegistrationState.UNREGISTERING, now)
        self.disarm("refresh", "retry", "expired")
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
        if self._last is None:
            # The registrar has never answered: there is nothing to take back.
            self._terminate(None, now)
            return
        self._removing = True
        self._send(0, now)

    # The registrar's answers.

    def on_provisional(self, exchange: Exchange, response: Response, now: float) -> None:
        """Says nothing."""

    def on_final(self, exchange: Exchange, response: Response, now: float) -> None:
        """The registrar has decided."""
        self._exchange = None
        self._last = response
        if self._removing:
            failure = None if response.status < 300 else refused(response, "REGISTER")
            self._terminate(failure, now, response)
        elif self.state is RegistrationState.UNREGISTERING:
            self._take_back(now)
        elif response.status < 300:
            self._registered(exchange, response, now)
        elif response.status == 423 and self._lengthen(response):
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
        if self._removing:
            self._terminate(failure, now)
        elif self.state is RegistrationState.UNREGISTERING:
            self._take_back(now)
        else:
            self._lost(failure, now)

    def _lengthen(self, response: Response) -> bool:
        """10.2.8: a 423 names the shortest interval that the registrar takes."""
        shortest = _seconds(response.headers.get("Min-Expires"))
        wishes = [_seconds(each.params.get("expires")) for each in self._wishes(self._expires)]
        wish = min((self._expires if each is None else each for each in wishes), default=None)
        if shortest is None or shortest <= (self._expires if wish is None else wish):
            return False
        self._shortest = shortest
        self._expires = max(self._expires, shortest)
        return True

    def _registered(self, exchange: Exchange, response: Response, now: float) -> None:
        assert exchange.current is not None
        mine = self._own_contacts(exchange.current.hop)
        granted = self._granted_interval(response, mine)
        if granted == 0:
            # The binding is not there: the registrar took it back with the same answer.
            self._granted = 0.0
            self._expire_time = None
            detail = "the registrar granted no time at all"
            self._lost(replace(refused(response, "REGISTER"), detail=detail), now, response)
            return
        self._contacts = mine
        self._granted = granted
        self._expire_time = now + granted
        # RFC 3608 section 6.1: the latest answer's Service-Route, or none.
        self._service_route = tuple(response.headers.elements("Service-Route"))
        self._failures = 0
        # Refresh early enough for a lost round, and not all at once (10.2.4).
        share = 0.80 + 0.10 * self.context.identity.fraction()
        self.alarm("refresh", now + max(granted * share, min(granted / 2, 1.0)))
        self.alarm("expired", now + granted)
        self._change(RegistrationState.ACTIVE, now, response)
        if self._waiting is not None:
            self.complete(self._waiting, self.snapshot())
            self._waiting = None

    def _own_contacts(self, hop: Hop) -> tuple[Address, ...]:
        if self._register.contacts:
            return self._register.contacts
        return (Address.parse(hop.contact(self._register.aor.uri.user or "")),)

    def _granted_interval(self, response: Response, mine: tuple[Address, ...]) -> float:
        """10.2.4: the expires of our own binding in the answer, else Expires, else our wish."""
        granted: list[float] = []
        for contact in _contacts(response):
            if any(contact.uri.equivalent(own.uri) for own in mine):
                interval = _seconds(contact.params.get("expires"))
                if interval is not None:
                    granted.append(interval)
        if granted:
            return min(granted)
        expires = _expires(response)
        return self._expires if expires is None else float(expires)

    def _lost(self, failure: Failure, now: float, response: Response | None = None) -> None:
        if self._waiting is not None:
            # The one who asked is told, and asks again when it wants: nothing stays behind.
            self.fail(self._waiting, failure)
            self._waiting = None
            self._terminate(None, now, response)
            return
        self._failures += 1
        doublings = min(self._failures, RETRY_DOUBLINGS)
        longest = min(RETRY_LONGEST, RETRY_BASE * 2**doublings)
        # RFC 5626 section 4.5: between half of it and all of it, so that many spread out.
        wait = longest * (0.5 + 0.5 * self.context.identity.fraction())
        if response is not None:
            wait = max(wait, retry_after(response))
        self.disarm("refresh")
        self.alarm("retry", now + wait)
        self._change(RegistrationState.FAILED, now, response)

    def on_alarm(self, alarm: str, now: float) -> None:
        """Refresh, retry, or the end of the interval."""
        if alarm in ("refresh", "retry"):
            if alarm == "retry":
                self._change(RegistrationState.REGISTERING, now)
            self._send(self._expires, now)
        elif alarm == "expired" and self.state is RegistrationState.ACTIVE:
            self._change(RegistrationState.REGISTERING, now)

    def _terminate(
        self, failure: Failure | None, now: float, response: Response | None = None
    ) -> None:
        """The resource is gone, whatever the registrar said to the last REGISTER."""
        self._alarms.clear()
        self._granted = 0.0
        self._expire_time = None
        self._change(RegistrationState.TERMINATED, now, response)
        for token in self._unregisters:
            if failure is None:
                self.complete(token, self.snapshot())
            else:
                self.fail(token, failure)
        self._unregisters.clear()
        if self._waiting is not None:
            detail = "the registration was taken back before the registrar answered"
            self.fail(self._waiting, Failure(kind=FailureKind.ENDED, detail=detail))
            self._waiting = None
        self.over = True

    def _change(
        self, state: RegistrationState, now: float, response: Response | None = None
    ) -> None:
        self.state = state
        self.emit(
            RegistrationChanged(
                resource=self.name,
                at=now,
                labels=self.labels,
                message=response,
                registration=self.snapshot(),
            )
        )


def _seconds(text: str | None) -> float | None:
    """A delta-seconds value (20.19); None where it is missing or unreadable."""
    try:
        return float(number((text or "").strip(), LARGEST_SECONDS))
    except ParseError:
        return None


def _contacts(response: Response) -> list[Address]:
    try:
        return response.contacts
    except RemoteProtocolError:
        return []


def _expires(response: Response) -> int | None:
    try:
        return response.expires
    except RemoteProtocolError:
        return None
