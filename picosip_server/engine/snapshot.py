"""All live resources at one moment."""

from __future__ import annotations

from picosip_server.frozen import dataclass
from picosip_server.sip.ua.snapshots import CallSnapshot, RegistrationSnapshot
from picosip_server.sip.ua.subscription.events import SubscriptionSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The value that answers ``Engine.submit_snapshot``."""

    calls: tuple[CallSnapshot, ...] = ()
    registrations: tuple[RegistrationSnapshot, ...] = ()
    subscriptions: tuple[SubscriptionSnapshot, ...] = ()
