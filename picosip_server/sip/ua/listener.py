"""Who stands in the place of the application for some users, within the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from picosip_server.sip.ua.outputs import Output
    from picosip_server.sip.ua.user import TransactionUser


class Errand(str):
    """Token of a command that a listener gives to its user: the outcome is for the listener.

    What others want of the same user is answered to them.
    """

    __slots__ = ()


class Listener:
    """Hears at once what comes of one user, or of the command that has it as its token.

    It must not act on the user while it hears, since the user is at work; it may as soon as
    the engine has its timers' turn.
    """

    __slots__ = ("user",)

    user: TransactionUser | None
    """Set by the engine as soon as there is one."""

    @property
    def publishes(self) -> bool:
        """Whether the application hears it too."""
        return False

    def heard(self, output: Output, now: float) -> None:
        """An event, or the outcome of a command."""
        raise NotImplementedError

    def sent_again(self) -> None:
        """A message of the user was sent again."""

    def received_again(self) -> None:
        """A message for the user was received again."""

    def may_send(self, host: str, port: int) -> bool:
        """Whether the user may send to this address."""
        return True
