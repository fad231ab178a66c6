"""What the engine's core asks of the network: an interface with two sides.

``transport/`` implements it with sockets, the tests in memory.
"""

from __future__ import annotations

from typing import Protocol

from picosip_server.frozen import dataclass
from picosip_server.sip.hop import Hop, Target
from picosip_server.sip.ua.effects import Transmit
from picosip_server.sip.ua.user import TransactionUser


class Unreachable(Exception):
    """A message could not be sent, or a target has no address; the text says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a message came from, and where it came in."""

    transport: str
    host: str
    port: int
    local_host: str
    local_port: int
    listener: int = 0
    flow: int = 0
    """The connection; 0 for datagrams."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom to tell when sending fails: a user, and what it wanted sent."""

    user: TransactionUser
    effect: Transmit
    worker: int = 0


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who asked for the hops of a target."""

    user: TransactionUser
    number: int


class Network(Protocol):
    """Sends, and finds addresses. Neither call blocks."""

    def send(self, hop: Hop, data: bytes, sender: Sender | None) -> None:
        """Sends. A failure found later comes back through ``Core.failed``.

        Raises:
            Unreachable: it is known at once that it cannot be sent.
        """

    def learn(self, host: str, port: int, flow: int) -> None:
        """What is sent to this host and port of a Contact goes over that connection."""

    def locate(self, target: Target, ticket: Ticket) -> tuple[Hop, ...] | None:
        """The hops of a target; None where they come later, through ``Core.located``.

        Raises:
            Unreachable: the target has no address that a listener of ours reaches.
        """
