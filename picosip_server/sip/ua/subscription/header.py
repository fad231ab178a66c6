"""The Event and Subscription-State header fields: RFC 6665 sections 8.2.1 and 8.2.3."""

from __future__ import annotations

import enum

from picosip_server.frozen import dataclass
from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import Params, is_token, number
from picosip_server.sip.message import Message
from picosip_server.sip.values import LARGEST_SECONDS


class SubscriptionState(enum.Enum):
    """Section 8.2.3; the values are those of the API."""

    PENDING = 1
    ACTIVE = 2
    TERMINATED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A Subscription-State header field. Times are seconds."""

    state: SubscriptionState | None
    """None: one that RFC 6665 does not know; the subscription stays what it was."""
    expires: float | None = None
    reason: str = ""
    retry_after: float | None = None

    @classmethod
    def of(cls, message: Message) -> Status:
        """Reads it. Raises ParseError, also where it is missing."""
        text = message.headers.get("Subscription-State")
        if text is None:
            raise ParseError("Subscription-State is missing")
        word, _, rest = text.partition(";")
        word = word.strip(" \t")
        if not is_token(word):
            raise ParseError("malformed Subscription-State")
        params = Params.parse(f";{rest}") if rest else Params()
        return cls(
            state=_STATES.get(word.lower()),
            expires=_seconds(params, "expires"),
            reason=params.text("reason").lower(),
            retry_after=_seconds(params, "retry-after"),
        )

    def __str__(self) -> str:
        assert self.state is not None
        parts = [self.state.name.lower()]
        if self.reason:
            parts.append(f"reason={self.reason}")
        if self.expires is not None:
            parts.append(f"expires={round(self.expires)}")
        if self.retry_after is not None:
            parts.append(f"retry-after={round(self.retry_after)}")
        return ";".join(parts)


_STATES = {state.name.lower(): state for state in SubscriptionState}

ENDS_USAGE = frozenset((404, 405, 410, 416, *range(480, 486), 489, 501, 604))
"""Responses to SUBSCRIBE or NOTIFY that end the subscription (sections 4.1.2.2 and 4.2.2)."""


def event_of(message: Message) -> tuple[str, str]:
    """Event type and id; empty where they are missing.

    Raises ParseError.
    """
    return split_event(message.headers.get("Event") or "")


def split_event(text: str) -> tuple[str, str]:
    """Event type and id of an Event header field. Raises ParseError for a malformed one.

    Section 8.2.1: they are compared octet by octet; other parameters do not count.
    """
    package, _, rest = text.partition(";")
    package = package.strip(" \t")
    if text and not is_token(package):
        raise ParseError("malformed Event")
    return package, Params.parse(f";{rest}").text("id") if rest else ""


def seconds_of(message: Message, name: str) -> float | None:
    """A header field of delta-seconds; None where it is missing or unreadable."""
    text = (message.headers.get(name) or "").split(";", 1)[0].split("(", 1)[0].strip(" \t")
    try:
        return float(number(text, LARGEST_SECONDS))
    except ParseError:
        return None


def _seconds(params: Params, name: str) -> float | None:
    text = params.get(name)
    if text is None:
        return None
    try:
        return float(number(text, LARGEST_SECONDS))
    except ParseError as error:
        raise ParseError(f"{name} in Subscription-State: {error}") from error
