"""What a registration lends to the calls and requests of its address of record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from threading import Lock
from typing import TypeVar

from picosip_server.frozen import dataclass
from picosip_server.sip.address import Address
from picosip_server.sip.errors import ParseError
from picosip_server.sip.headers import Headers
from picosip_server.sip.hop import Hop, Seen
from picosip_server.sip.ua.commands import Credentials, Invite, NextHop, Transact
from picosip_server.sip.ua.snapshots import RegistrationSnapshot, RegistrationState
from picosip_server.sip.ua.subscription.commands import Publish, Subscribe

Sending = TypeVar("Sending", bound=Invite | Transact | Subscribe | Publish)
"""What has a sender whose registration may know more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Credentials, the way to the registrar, and what the registrar told."""

    registration: str
    credentials: tuple[Credentials, ...] = ()
    egress: tuple[str, ...] = ()
    """Routes that the REGISTERs take, as configured or asked for."""
    next_hop: NextHop | None = None
    service_route: tuple[str, ...] = ()
    """RFC 3608."""
    pub_gruu: str = ""
    temp_gruu: str = ""
    """RFC 5627; empty: the registrar made none."""
    flows: tuple[Hop, ...] = ()
    """By which requests come back, the best one first (RFC 5626)."""
    edge: str = ""
    """Route of the best flow, where it has one of its own."""
    seen: Seen | None = None
    """Our address beyond a NAT."""

    def routes(self) -> tuple[str, ...]:
        """The route of a request outside dialogs; empty: it needs none.

        RFC 3608 section 6.1: the Service-Route stands behind what leads out of here.
        """
        egress = (self.edge,) if self.edge else self.egress
        if not self.service_route:
            return egress if self.flows else ()
        if egress and _same_server(egress[-1], self.service_route[0]):
            # A registrar or edge that names itself is visited once.
            egress = egress[:-1]
        return (*egress, *self.service_route)

    @property
    def supported(self) -> str:
        """Option tags that requests of this account show (RFC 5626 4.3, RFC 5627 4.4)."""
        tags = ("outbound",) if self.flows else ()
        return ", ".join((*tags, "gruu") if self.pub_gruu or self.temp_gruu else tags)

    def gruu(self, *, anonymous: bool) -> str:
        """The GRUU to show; empty: none.

        RFC 5627 section 4.4: an anonymous request shows a temporary one. The public one
        has the address of record in it.
        """
        return self.temp_gruu if anonymous else self.pub_gruu or self.temp_gruu


class Accounts:
    """Accounts by address of record, shared by all workers.

    An address may be registered in several places; its calls use the newest registration
    that is still there.
    """

    def __init__(self) -> None:
        self._accounts: dict[str, dict[str, Account]] = {}
        self._lock = Lock()

    def put(self, aor: str, account: Account) -> None:
        """Adds an account to an address of record."""
        with self._lock:
            self._accounts.setdefault(aor, {})[account.registration] = account

    def learn(self, aor: str, registration: RegistrationSnapshot) -> None:
        """The registrar said something new about a registration."""
        active = [each for each in registration.flows if each.state is RegistrationState.ACTIVE]
        outbound = [each for each in active if each.outbound and each.hop is not None]
        with self._lock:
            accounts = self._accounts.get(aor, {})
            account = accounts.get(registration.name)
            if account is not None:
                accounts[registration.name] = replace(
                    account,
                    service_route=registration.service_route,
                    pub_gruu=registration.pub_gruu,
                    temp_gruu=registration.temp_gruu,
                    flows=tuple(each.hop for each in outbound if each.hop is not None),
                    edge=outbound[0].edge if outbound else "",
                    seen=next((each.seen for each in active if each.seen is not None), None),
                )

    def drop(self, aor: str, registration: str) -> None:
        """The registration ended."""
        with self._lock:
            accounts = self._accounts.get(aor, {})
            accounts.pop(registration, None)
            if not accounts:
                self._accounts.pop(aor, None)

    def complete(self, command: Sending) -> Sending:
        """The command with what its sender's registration knows and it does not say itself."""
        account = self._of(command.from_address.uri.aor)
        if account is None:
            return command
        if account.credentials and not command.credentials:
            command = replace(command, credentials=account.credentials)
        options = command.options
        if account.supported:
            headers = (("Supported", account.supported), *options.headers)
            options = replace(options, headers=headers)
        # RFC 3608 section 5: the route is for requests other than REGISTER.
        registers = isinstance(command, Transact) and command.method == "REGISTER"
        routed = options.routes or options.next_hop is not None
        if (routes := account.routes()) and not routed and not registers:
            options = replace(options, routes=routes, next_hop=account.next_hop)
        return command if options is command.options else replace(command, options=options)

    def dress(self, hop: Hop, aor: str, *, incoming: bool = False, anonymous: bool = False) -> Hop:
        """The hop with what makes the Contact that reaches this address of record.

        ``incoming``: it leads back to one who called us. ``anonymous``: who this is must not
        be seen.
        """
        account = self._of(aor)
        if account is None:
            return hop
        if gruu := account.gruu(anonymous=anonymous):
            return replace(hop, gruu=gruu)
        for flow in account.flows:
            if (flow.transport, flow.host, flow.port) == (hop.transport, hop.host, hop.port):
                return hop if incoming else replace(hop, outbound=True, flow=flow.flow)
        seen = account.seen
        if seen is not None and (seen.transport, seen.listener) == (hop.transport, hop.listener):
            return replace(hop, seen=seen)
        return hop

    def _of(self, aor: str) -> Account | None:
        if not aor:
            return None
        with self._lock:
            accounts = self._accounts.get(aor)
            return next(reversed(accounts.values())) if accounts else None


def wants_privacy(headers: Iterable[tuple[str, str]]) -> bool:
    """Whether a request says who it is from to nobody (RFC 3323 section 4.2)."""
    wishes = Headers(headers).get("Privacy") or "none"
    return wishes.strip().lower() != "none"


def _same_server(one: str, other: str) -> bool:
    """Whether two routes lead to the same host and port."""
    try:
        first, second = Address.parse(one).uri, Address.parse(other).uri
    except ParseError:
        return False
    return (first.host.lower(), first.port) == (second.host.lower(), second.port)
