"""What drivers stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.user import TransactionUser

if TYPE_CHECKING:
    from picosip_server.engine.load.driver import Driver


class Ground(Protocol):
    """The worker's world, as a driver sees it."""

    def begin(self, command: Command, now: float) -> None:
        """Submits a command that makes something new; its token hears of it."""

    def run(self, user: TransactionUser, command: Command, now: float) -> None:
        """Has a user carry out a command."""

    def schedule(self, driver: Driver) -> None:
        """The driver's deadline is an earlier one now."""
