"""What this user agent can do: behind Allow, Supported and Accept (RFC 3261 section 20)."""

from __future__ import annotations

from collections.abc import Iterable

from picosip_server.sip.headers import canonical

METHODS: tuple[str, ...] = (
    *("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK"),
    *("UPDATE", "INFO", "MESSAGE", "REFER", "SUBSCRIBE", "NOTIFY"),
)
"""Methods that the stack takes by itself or for calls."""

KNOWN_METHODS: frozenset[str] = frozenset((*METHODS, "REGISTER", "PUBLISH"))
"""Methods of the IANA registry: one that is not taken gets 405; any other 501 (section 8.2.1)."""

OPTION_TAGS: tuple[str, ...] = ("100rel", "timer", "199", "replaces", "norefersub")
"""Option tags that we announce, and understand in Require (section 8.2.2.3)."""

CARRIED_TAGS: tuple[str, ...] = ("precondition",)
"""Option tags that are the application's to act on, in its session descriptions: accepted in
Require, announced by those who want them (RFC 3312)."""

_WITH_CONTACT = frozenset(("OPTIONS", "SUBSCRIBE", "NOTIFY", "REFER", "UPDATE"))

SDP_TYPE = "application/sdp"


def needs_contact(method: str, headers: Iterable[tuple[str, str]]) -> bool:
    """Whether the stack adds a Contact to a single request with these header fields.

    A REGISTER binds what its Contact says, and a MESSAGE must not have one (RFC 3428 section 4):
    where the RFC of the method asks for none, the application may give one.
    """
    return method in _WITH_CONTACT and all(canonical(name) != "contact" for name, _ in headers)
