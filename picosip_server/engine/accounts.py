"""What a registration lends to the calls of its address of record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock

from picosip_server.sip.ua.commands import Credentials, Invite


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Credentials, and the registrar's Service-Route (RFC 3608)."""

    registration: str
    credentials: tuple[Credentials, ...] = ()
    service_route: tuple[str, ...] = ()


class Accounts:
    """Accounts by address of record, shared by all workers."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._lock = Lock()

    def put(self, aor: str, account: Account) -> None:
        """Sets the account of an address of record."""
        with self._lock:
            self._accounts[aor] = account

    def route(self, aor: str, registration: str, service_route: tuple[str, ...]) -> None:
        """The registrar named the routes that calls of this address are to take."""
        with self._lock:
            account = self._accounts.get(aor)
            if account is not None and account.registration == registration:
                self._accounts[aor] = replace(account, service_route=service_route)

    def drop(self, aor: str, registration: str) -> None:
        """The registration ended; one made since then for the same address stays."""
        with self._lock:
            account = self._accounts.get(aor)
            if account is not None and account.registration == registration:
                del self._accounts[aor]

    def complete(self, invite: Invite) -> Invite:
        """The Invite with what its caller's registration knows and it does not say itself."""
        account = self._accounts.get(invite.from_address.uri.aor)
        if account is None:
            return invite
        if account.credentials and not invite.credentials:
            invite = replace(invite, credentials=account.credentials)
        options = invite.options
        if account.service_route and not options.routes and options.next_hop is None:
            invite = replace(invite, options=replace(options, routes=account.service_route))
        return invite
