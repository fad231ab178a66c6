"""What happens to subscriptions and publications, for the application."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field

from picosip_server.frozen import dataclass
from picosip_server.sip.address import Address
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.events import Event
from picosip_server.sip.ua.subscription.header import SubscriptionState


class SubscriptionRole(enum.Enum):
    """The values are those of the API."""

    SUBSCRIBER = 1
    NOTIFIER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionSnapshot:
    """One subscription. Times are monotonic seconds."""

    name: str
    role: SubscriptionRole
    state: SubscriptionState
    event: str
    local: Address
    remote: Address
    expire_time: float | None = None
    reason: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    call: str = ""
    """The call inside which the REFER came that this follows from; empty: none."""
    incoming_request: str = ""
    """The IncomingRequest, a REFER, that this follows from; empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingSubscribe:
    """A SUBSCRIBE that awaits AcceptSubscription or RejectSubscription."""

    headers: tuple[tuple[str, str], ...]
    body: Body | None
    expires: float
    respond_by: float
    """When the stack refuses it by itself (monotonic seconds)."""
    authenticated_user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChanged(Event):
    """A subscription began, entered another state or was refreshed."""

    subscription: SubscriptionSnapshot
    request: IncomingSubscribe | None = None
    """Set where the application has to decide first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationReceived(Event):
    """A NOTIFY came in."""

    subscription: SubscriptionSnapshot
    body: Body | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationSnapshot:
    """One publication."""

    name: str
    expire_time: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationChanged(Event):
    """A refresh came to nothing, or works again."""

    publication: PublicationSnapshot
    status: int = 0
    """Of the response; 0: there was none."""
    reason: str = ""
    detail: str = ""
    """What went wrong; empty where it works again."""
    ended: bool = False
    """The stack gave up: nothing is refreshed any more."""
