"""What a REFER asks for, inside a call and outside: RFC 3515 section 2.4, RFC 4488."""

from __future__ import annotations

from dataclasses import replace

from picosip_server.sip.address import Address
from picosip_server.sip.errors import RemoteProtocolError
from picosip_server.sip.message import Message, Request
from picosip_server.sip.sipfrag import SIPFRAG, fragment
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.subscription.header import SubscriptionState
from picosip_server.sip.ua.subscription.notifier import NotifierUsage

LASTS = 300.0
"""Seconds that a referral may take to be reported on; the referrer may ask for more."""


def check_refer(request: Request) -> None:
    """Section 2.4.2: exactly one Refer-To, of a kind that can be read.

    Raises:
        RemoteProtocolError: it has none, several, or one that is no address.
    """
    values = request.headers.elements("Refer-To")
    if len(values) != 1:
        raise RemoteProtocolError("a REFER has exactly one Refer-To")
    Address.parse(values[0])


def without_subscription(message: Message) -> bool:
    """RFC 4488 section 4: nobody wants to hear how it goes, or nobody is going to tell."""
    value = message.headers.get("Refer-Sub") or ""
    return value.partition(";")[0].strip().lower() == "false"


def begin_reports(usage: NotifierUsage, now: float) -> None:
    """Section 2.4.4: the first NOTIFY goes out at once."""
    trying = Body(content_type=f"{SIPFRAG};version=2.0", data=fragment(100))
    usage.start(SubscriptionState.ACTIVE, LASTS, trying, now)


def bare(address: Address) -> Address:
    """An address without the tag of a dialog."""
    return replace(address, params=address.params.without("tag"))
