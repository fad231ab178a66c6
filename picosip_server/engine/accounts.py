"""What a registration lends to the calls and requests of its address of record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock
from typing import TypeVar

from picosip_server.sip.ua.commands import Credentials, Invite, Transact

Sending = TypeVar("Sending", bound=Invite | Transact)
"""What has a sender whose registration may know more."""


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

    def complete(self, command: Sending) -> Sending:
        """The command with what its sender's registration knows and it does not say itself."""
        with self._lock:
            accounts = self._accounts.get(command.from_address.uri.aor)
            account = next(reversed(accounts.values())) if accounts else None
        if account is None:
            return command
        if account.credentials and not command.credentials:
            command = replace(command, credentials=account.credentials)
        options = command.options
        # RFC 3608 section 5: the route is for requests other than REGISTER.
        registers = isinstance(command, Transact) and command.method == "REGISTER"
        routed = options.routes or options.next_hop is not None
        if account.service_route and not routed and not registers:
            command = replace(command, options=replace(options, routes=account.service_route))
        return command
