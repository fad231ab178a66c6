"""What an application may ask about subscriptions and publications. Times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from picosip_server.frozen import dataclass
from picosip_server.sip.address import Address
from picosip_server.sip.ua.commands import Body, Command, Credentials, Options
from picosip_server.sip.ua.subscription.header import SubscriptionState
from picosip_server.sip.uri import Uri


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe(Command):
    """Subscribes and refreshes until Unsubscribe. Completed with a ``SubscriptionSnapshot``
    once the notifier has accepted the SUBSCRIBE."""

    from_address: Address
    uri: Uri
    event: str
    """The Event header field: a package, and an ``id`` parameter if any."""
    expires: float = 3600.0
    """0 asks for the state once."""
    accept: tuple[str, ...] = ()
    body: Body | None = None
    credentials: tuple[Credentials, ...] = ()
    options: Options = field(default_factory=Options)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionCommand(Command):
    """A command on an existing subscription."""

    name: str
    """``subscriptions/{subscription}``"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe(SubscriptionCommand):
    """Ends a subscription of ours. Completed with None after the last NOTIFY."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptSubscription(SubscriptionCommand):
    """Accepts an incoming SUBSCRIBE and sends the first NOTIFY. Completed with a
    ``SubscriptionSnapshot`` at once."""

    state: SubscriptionState = SubscriptionState.ACTIVE
    expires: float | None = None
    """The longest that is granted, now and at each refresh; None: what is asked for."""
    body: Body | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectSubscription(SubscriptionCommand):
    """Refuses an incoming SUBSCRIBE. Completed with None."""

    status: int = 603
    reason: str = ""
    options: Options = field(default_factory=Options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify(SubscriptionCommand):
    """Sends a NOTIFY. Completed with None once the subscriber has taken it."""

    state: SubscriptionState | None = None
    """None: as it is."""
    reason: str = ""
    """Why it is terminated (RFC 6665 section 4.1.3)."""
    body: Body | None = None
    options: Options = field(default_factory=Options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish(Command):
    """Publishes event state and refreshes it until Unpublish (RFC 3903). Completed with a
    ``PublicationSnapshot`` once the compositor has taken it."""

    from_address: Address
    uri: Uri
    event: str
    expires: float = 3600.0
    body: Body | None = None
    credentials: tuple[Credentials, ...] = ()
    options: Options = field(default_factory=Options)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationCommand(Command):
    """A command on an existing publication."""

    name: str
    """``publications/{publication}``"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Republish(PublicationCommand):
    """Publishes other state in its place. Completed with a ``PublicationSnapshot``."""

    body: Body | None = None
    """None: the state stays, the interval begins anew."""
    expires: float | None = None
    """None: as before."""
    options: Options | None = None
    """None: as before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpublish(PublicationCommand):
    """Removes the published state. Completed with None."""
