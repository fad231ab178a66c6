"""The Contact of a REGISTER (RFC 3261 section 10.2.1, RFC 5626 section 4.2, RFC 5627)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from picosip_server.sip.address import Address
from picosip_server.sip.grammar import Params, quote
from picosip_server.sip.ua.registration.granted import seconds


def instance_params(instance_id: str, reg_id: int) -> Params:
    """The parameters that tell which user agent and which of its flows a Contact is of.

    Either may be missing: empty, or 0.
    """
    params = Params()
    if reg_id:
        params = params.with_("reg-id", str(reg_id))
    if instance_id:
        # RFC 5626 section 4.1: the URN in angle brackets, and that in quotes.
        params = params.with_("+sip.instance", quote(f"<{instance_id}>"))
    return params


def wishes(contacts: Iterable[Address], expires: float, shortest: float) -> tuple[Address, ...]:
    """The application's own contacts, with the intervals that they ask for by themselves.

    10.2.1.1: a contact's own parameter wins over the Expires header; so it goes where the
    binding is to go (10.2.2), and grows where the registrar wants more (10.2.8).
    """
    wanted = []
    for contact in contacts:
        own = seconds(contact.params.get("expires"))
        if expires == 0:
            contact = replace(contact, params=contact.params.without("expires"))
        elif own is not None and own < shortest:
            params = contact.params.with_("expires", str(round(shortest)))
            contact = replace(contact, params=params)
        wanted.append(contact)
    return tuple(wanted)


def shortest_of(contacts: Iterable[Address], expires: float) -> float:
    """The shortest interval asked for: of the contacts, where they have one, else ``expires``."""
    own = (seconds(contact.params.get("expires")) for contact in contacts)
    return min((expires if each is None else each for each in own), default=expires)
