"""Requests inside a dialog whose answer depends on nothing but the method: RFC 3261 12.2.2."""

from __future__ import annotations

from picosip_server.sip.ua.capabilities import KNOWN_METHODS
from picosip_server.sip.ua.inspect import ALLOW, Refusal, option_answer


def answer_inside(method: str) -> Refusal:
    """The response to OPTIONS, or to what is not taken at all."""
    if method == "OPTIONS":
        return Refusal(200, tuple(option_answer()))
    # 8.2.1.
    return Refusal(405 if method in KNOWN_METHODS else 501, (("Allow", ALLOW),))
