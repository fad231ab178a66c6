"""What a transaction user wants done. Outputs to the application are effects as they are."""

from __future__ import annotations

from collections.abc import Hashable

from picosip_server.frozen import dataclass
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


@dataclass(frozen=True, slots=True)
class Displace:
    """A call has taken the place of this one, which is to end (RFC 3891)."""

    call: str


@dataclass(frozen=True, slots=True)
class KeepFlow:
    """Keep a flow alive, and tell when it fails (RFC 5626 section 4.4)."""

    hop: Hop
    flow_timer: float | None
    """Seconds within which the far end wants to hear of us; None: it does not say."""
    answered: bool
    """The far end is known to answer keep-alives: one without answer means failure."""


@dataclass(frozen=True, slots=True)
class HoldFlow:
    """A connection leads to somebody who is registered over it until then (monotonic seconds)."""

    flow: int
    until: float


@dataclass(frozen=True, slots=True)
class LeaveFlow:
    """The flow with this key is nothing to this user any more."""

    key: Hashable


@dataclass(frozen=True, slots=True)
class Probe:
    """Send a keep-alive over exactly this hop."""

    hop: Hop
    data: bytes


@dataclass(frozen=True, slots=True)
class FlowAnswered:
    """A keep-alive on this user's flow was answered."""


@dataclass(frozen=True, slots=True)
class FlowFailed:
    """This user's flow leads nowhere any more."""

    detail: str


FlowEffect = KeepFlow | HoldFlow | LeaveFlow | Probe | FlowAnswered | FlowFailed
Effect = Displace | Locate | Transmit | Bind | Unbind | FlowEffect | Output
