"""What this user agent can do: behind Allow, Supported and Accept (RFC 3261 section 20)."""

from __future__ import annotations

METHODS: tuple[str, ...] = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK")
"""Methods that the stack takes by itself or for calls."""

KNOWN_METHODS: frozenset[str] = frozenset(
    (*METHODS, "REGISTER", "UPDATE", "INFO", "MESSAGE", "SUBSCRIBE", "NOTIFY", "REFER", "PUBLISH")
)
"""Methods of the IANA registry: one that is not taken gets 405; any other 501 (section 8.2.1)."""

OPTION_TAGS: tuple[str, ...] = ("100rel",)
"""Option tags understood in Require (section 8.2.2.3)."""

SDP_TYPE = "application/sdp"
