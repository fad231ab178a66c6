"""What happened, for the application: frozen, in the past tense."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import field

from picosip_server.frozen import dataclass
from picosip_server.sip.address import Address
from picosip_server.sip.message import Message
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.snapshots import (
    CallSnapshot,
    DialogSnapshot,
    RegistrationSnapshot,
    Termination,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events."""

    resource: str
    """Name of what it is about: ``calls/...``, ``registrations/...``, ``requests/...``."""
    at: float
    """Monotonic seconds, the ``now`` at which it happened."""
    labels: Mapping[str, str] = field(default_factory=dict)
    message: Message | None = None
    """The SIP message that caused it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationChanged(Event):
    """A registration entered another state or was refreshed."""

    registration: RegistrationSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCreated(Event):
    """An outgoing call exists; its INVITE is on its way."""

    call: CallSnapshot
    token: Hashable
    """Of the Invite command that made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReceived(Event):
    """An INVITE came in and was answered with 100."""

    call: CallSnapshot
    offer: Body | None
    answer_by: float
    """When the stack refuses the call by itself (monotonic seconds)."""
    replaces: str = ""
    """Name of the call that ends when this one is answered (RFC 3891)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallProgressed(Event):
    """A 101-199 came in on an outgoing call."""

    status: int
    reason: str
    remote_tag: str
    reliable: bool
    description: Body | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallForked(Event):
    """A further dialog appeared on an outgoing call (RFC 3261 section 12.1)."""

    dialog: DialogSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered(Event):
    """A 2xx to the INVITE came in (outgoing) or went out (incoming)."""

    status: int
    reason: str
    remote_tag: str
    description: Body | None
    """The description in the 2xx."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallConfirmed(Event):
    """The ACK went out (outgoing) or came in (incoming)."""

    description: Body | None = None
    """The answer in a received ACK."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallModified(Event):
    """The descriptions changed after the first offer and its answer: by PRACK, UPDATE or
    re-INVITE. Without ``local_description`` the remote one is an offer that awaits Answer."""

    local_description: Body | None
    remote_description: Body | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHeld(Event):
    """One end began or ceased to hold the other (RFC 3264 section 8.4)."""

    local_hold: bool
    remote_hold: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRedirected(Event):
    """A 3xx came in; it is followed if the call's policy says so."""

    status: int
    reason: str
    contacts: tuple[Address, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferProgressed(Event):
    """The far end told how the call goes that Transfer asked it to place (RFC 3515)."""

    transfer: str
    """``calls/{call}/transfers/{transfer}``"""
    status: int
    reason: str
    done: bool
    """Nothing more is to be heard of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(Event):
    """The call is over for the application."""

    termination: Termination
    sip_call_id: str
    """The Call-ID, for logs; the API's event has the termination only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DtmfReceived(Event):
    """A digit came in an INFO, and was taken with 200."""

    digit: str
    duration: float | None
    """Seconds; None where the far end did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingRequest(Event):
    """A request awaits the application's Respond."""

    name: str
    """``requests/{request}``"""
    call: str = ""
    """Name of the call whose dialog it came in; empty outside dialogs."""
    method: str
    from_address: Address
    to_address: Address
    headers: tuple[tuple[str, str], ...]
    body: Body | None
    offer: Body | None
    """The body, where it is a session description that wants an answer."""
    respond_by: float
    contacts: tuple[Address, ...] = ()
    authenticated_user: str = ""
    refer_to: Address | None = None
    """Of a REFER (RFC 3515)."""
    referred_by: Address | None = None
    """Of a REFER (RFC 3892)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingRequestClosed(Event):
    """The stack answered an incoming request itself, or the peer withdrew it (status 0)."""

    name: str
    status: int
    reason: str = ""
