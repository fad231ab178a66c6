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

    def route(self, aor: str, registration: str, service_route: tuple[str, ...]) -> None:
        """The registrar named the routes that calls of this address are to take."""
        with self._lock:
            accounts = self._accounts.get(aor, {})
            account = accounts.get(registration)
            if account is not None:
                accounts[registration] = replace(account, service_route=service_route)

    def drop(self, aor: str, registration: str) -> None:
        """The registration ended."""
        with self._lock:
            accounts = self._accounts.get(aor, {})
            accounts.pop(registration, None)
            if not accounts:
                self._accounts.pop(aor, None)

    def complete(self, invite: Invite) -> Invite:
        """The Invite with what its caller's registration knows and it does not say itself."""
        with self._lock:
            accounts = self._accounts.get(invite.from_address.uri.aor)
            account = next(reversed(accounts.values())) if accounts else None
        if account is None:
            return invite
        if account.credentials and not invite.credentials:
            invite = replace(invite, credentials=account.credentials)
        options = invite.options
        if account.service_route and not options.routes and options.next_hop is None:
            invite = replace(invite, options=replace(options, routes=account.service_route))
        return invite
