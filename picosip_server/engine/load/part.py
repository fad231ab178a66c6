"""What sessions of a load ask of their driver."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Protocol

from picosip_server.engine.load.figures import LoadFigures
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.listener import Listener

if TYPE_CHECKING:
    from picosip_server.sip.ua.user import TransactionUser


class Part(Protocol):
    """The driver of a load, on one worker."""

    figures: LoadFigures
    random: Random
    publish: bool
    host: str
    """For descriptions that the load makes."""

    def soon(self, session: Session, now: float) -> None:
        """Has ``act`` called as soon as it may act."""

    def later(self, session: Session, at: float) -> None:
        """Has ``act`` called at a time."""

    def do(self, user: TransactionUser, command: Command, now: float) -> None:
        """Has a user carry out a command. Not while it is heard."""

    def over_with(self, session: Session, now: float, cause: str = "") -> None:
        """It has come to its end: the one that was wanted, or failed for a cause."""

    def may_send(self, host: str, port: int) -> bool:
        """Whether something of the load may go there."""


class Session(Listener):
    """One call, registration or message of a load."""

    __slots__ = ("astray", "began", "part")

    def __init__(self, part: Part, now: float) -> None:
        self.user = None
        self.part = part
        self.began = now
        self.astray = False
        """It was led to where the load may not go."""

    @property
    def publishes(self) -> bool:
        """As the load was told."""
        return self.part.publish

    def sent_again(self) -> None:
        """See ``Listener.sent_again``."""
        self.part.figures.sent_again += 1

    def received_again(self) -> None:
        """See ``Listener.received_again``."""
        self.part.figures.received_again += 1

    def may_send(self, host: str, port: int) -> bool:
        """See ``Listener.may_send``."""
        if self.part.may_send(host, port):
            return True
        self.astray = True
        return False

    def act(self, now: float) -> None:
        """It is time for what was to be done soon or later."""
        raise NotImplementedError

    def hang_up(self, now: float) -> None:
        """The load is to end at once."""
        raise NotImplementedError
