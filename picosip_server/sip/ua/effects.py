"""What a transaction user wants done. Outputs to the application are effects as they are."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from picosip_server.sip.hop import Hop, Target
from picosip_server.sip.message import Message
from picosip_server.sip.ua.outputs import Output


@dataclass(frozen=True, slots=True)
class Locate:
    """Find the hops of a target (RFC 3263); answered by ``located`` or ``not_located``."""

    ticket: int
    target: Target


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send octets over a hop. ``key`` names the transaction that a failure is told to."""

    hop: Hop
    data: bytes
    message: Message
    key: Hashable = None
    retransmission: bool = False


@dataclass(frozen=True, slots=True)
class Bind:
    """Messages with this routing key are for this user."""

    key: Hashable


@dataclass(frozen=True, slots=True)
class Unbind:
    """The routing key is free again."""

    key: Hashable


Effect = Locate | Transmit | Bind | Unbind | Output
