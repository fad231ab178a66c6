"""What a SUBSCRIBE or REFER outside dialogs must be for the application to see it."""

from __future__ import annotations

from picosip_server.sip.dialog import contact_target
from picosip_server.sip.message import Request
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.inspect import Refusal
from picosip_server.sip.ua.subscription.header import event_of, seconds_of
from picosip_server.sip.ua.subscription.notifier import too_brief
from picosip_server.sip.ua.subscription.refer import check_refer


def allow_events(context: Context) -> tuple[tuple[str, str], ...]:
    """The Allow-Events header field (section 4.4.4), where the packages are limited."""
    if not context.allow_events:
        return ()
    return (("Allow-Events", ", ".join(context.allow_events)),)


def refuse_subscribe(request: Request, context: Context, claimed: bool) -> Refusal | None:
    """Why the stack refuses a SUBSCRIBE by itself (RFC 6665 section 4.2.1.1).

    Raises:
        RemoteProtocolError: its Event is malformed, or it has no usable Contact.
    """
    package, _ = event_of(request)
    allowed = context.allow_events
    if not claimed or not package or (allowed and package not in allowed):
        return Refusal(489, allow_events(context))
    contact_target(request)
    asked = seconds_of(request, "Expires")
    shortest = None if asked is None else too_brief(asked, context.min_expires)
    return None if shortest is None else Refusal(423, (("Min-Expires", shortest),))


def check_outside(request: Request) -> None:
    """A REFER that the application claimed (RFC 3515 section 2.2, 2.4.2).

    Raises:
        RemoteProtocolError: it has no usable Contact, or not exactly one Refer-To.
    """
    contact_target(request)
    check_refer(request)
