"""The state of a resource at one moment, as plain values.

All times are the engine's monotonic ``now`` in seconds; None where it has not happened.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field

from picosip_server.frozen import dataclass
from picosip_server.sip.address import Address
from picosip_server.sip.hop import Hop, Seen
from picosip_server.sip.ua.commands import Body


class CallState(enum.Enum):
    """RFC 3261 INVITE session states, under the names of the API."""

    CALLING = 1
    INCOMING = 2
    EARLY = 3
    CONNECTING = 4
    CONFIRMED = 5
    TERMINATING = 6
    TERMINATED = 7


class CallDirection(enum.Enum):
    """Who sent the INVITE."""

    OUTGOING = 1
    INCOMING = 2


class OfferAnswerState(enum.Enum):
    """Whose answer is due (RFC 3264, RFC 6337)."""

    NONE = 0
    LOCAL_OFFER = 1
    REMOTE_OFFER = 2
    STABLE = 3


class Cause(enum.Enum):
    """Why a call ended; the values are those of the API."""

    LOCAL_HANGUP = 1
    REMOTE_HANGUP = 2
    REJECTED = 3
    CANCELLED = 4
    REDIRECTED = 5
    TIMEOUT = 6
    TRANSPORT_FAILURE = 7
    SESSION_EXPIRED = 8
    TRANSFERRED = 9
    SERVER_SHUTDOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Termination:
    """How a call ended. ``status`` 0: no SIP response was involved."""

    cause: Cause
    status: int = 0
    reason: str = ""
    reasons: tuple[str, ...] = ()
    """Reason header fields (RFC 3326) as received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogSnapshot:
    """One dialog of a call (RFC 3261 section 12)."""

    remote_tag: str
    remote_target: str
    route_set: tuple[str, ...] = ()
    early: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTimerSnapshot:
    """A session timer that runs (RFC 4028); seconds. ``min_se`` 0: nobody named one."""

    interval: float
    min_se: float
    we_refresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSnapshot:
    """One call."""

    name: str
    state: CallState
    direction: CallDirection
    from_address: Address
    to_address: Address
    request_uri: str
    sip_call_id: str
    local_tag: str
    dialogs: tuple[DialogSnapshot, ...] = ()
    offer_answer_state: OfferAnswerState = OfferAnswerState.NONE
    local_description: Body | None = None
    remote_description: Body | None = None
    local_hold: bool = False
    remote_hold: bool = False
    session_timer: SessionTimerSnapshot | None = None
    termination: Termination | None = None
    create_time: float = 0.0
    answer_time: float | None = None
    end_time: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    authenticated_user: str = ""


class RegistrationState(enum.Enum):
    """The values are those of the API."""

    REGISTERING = 1
    ACTIVE = 2
    FAILED = 3
    UNREGISTERING = 4
    TERMINATED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSnapshot:
    """One binding of a registration, by the way that it takes."""

    reg_id: int = 0
    """0: RFC 5626 does not apply to it."""
    edge: str = ""
    """The route to its first hop, where it has one of its own."""
    state: RegistrationState
    outbound: bool = False
    """The registrar sends requests over this flow (RFC 5626)."""
    hop: Hop | None = None
    """The flow, where requests come back over it."""
    seen: Seen | None = None
    """Our address as the far side of a NAT sees it, where there is one."""
    expire_time: float | None = None
    last_status: int = 0
    last_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationSnapshot:
    """One registration. ``expires`` is the interval granted, in seconds."""

    name: str
    state: RegistrationState
    registrar: str
    aor: Address
    contacts: tuple[Address, ...] = ()
    expires: float = 0.0
    expire_time: float | None = None
    last_status: int = 0
    last_reason: str = ""
    service_route: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    """Proxies between this server and the registrar (RFC 3327)."""
    pub_gruu: str = ""
    temp_gruu: str = ""
    """URIs that lead here from everywhere (RFC 5627); empty: the registrar made none."""
    flows: tuple[FlowSnapshot, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
