"""What a transaction machine wants done."""

from __future__ import annotations

from picosip_server.frozen import dataclass
from picosip_server.sip.message import Message, Request, Response


@dataclass(frozen=True, slots=True)
class Send:
    """Hand these octets to the transport, towards the transaction's peer."""

    message: Message
    data: bytes
    retransmission: bool = False


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand a message up to the transaction user."""

    message: Request | Response


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The peer did not answer in time: timer B, F, or H."""

    timer: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The transaction is in its last state: forget it."""


Effect = Send | Deliver | TimedOut | Ended
"""All of them."""
