"""Digits in INFO bodies: application/dtmf-relay and application/dtmf.

Neither type is registered; what is written here is what gateways and servers have agreed on
in practice: ``Signal=5`` and ``Duration=160`` (milliseconds) on a line each, or the digit alone.
"""

from __future__ import annotations

import re

from picosip_server.frozen import dataclass
from picosip_server.sip.errors import RemoteProtocolError

RELAY = "application/dtmf-relay"
PLAIN = "application/dtmf"
TYPES = (RELAY, PLAIN)
DIGITS = frozenset("0123456789*#ABCD")
PAUSE = ","
"""In a string of digits: wait ``PAUSE_SECONDS``, as modems and dialplans do."""
PAUSE_SECONDS = 2.0

_NUMBERED = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D"}
"""Event codes of RFC 4733 section 3.2, which some write instead of the digit."""
_line = re.compile(r"[ \t]*([A-Za-z]+)[ \t]*[=:][ \t]*(\S*)[ \t]*").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A digit, and how long it lasts in seconds; None where the sender did not say."""

    digit: str
    duration: float | None = None


def write(content_type: str, digit: str, duration: float) -> bytes:
    """The body of the INFO for one digit."""
    if content_type == PLAIN:
        return digit.encode()
    return f"Signal={digit}\r\nDuration={round(duration * 1000)}\r\n".encode()


def read(content_type: str, body: bytes) -> Signal:
    """The digit in a body of one of ``TYPES``.

    Raises:
        RemoteProtocolError: there is none, or more than one.
    """
    text = body.decode("utf-8", "replace").strip()
    if content_type == PLAIN and "=" not in text:
        return Signal(digit=_digit(text))
    # What is called application/dtmf has the lines of dtmf-relay at some senders.
    fields: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        match = _line(line)
        if match is None:
            raise RemoteProtocolError(f"the line {line[:40]!r} of a DTMF body has no name=value")
        fields.setdefault(match[1].lower(), match[2])
    return Signal(digit=_digit(fields.get("signal", "")), duration=_duration(fields))


def _digit(text: str) -> str:
    digit = _NUMBERED.get(text, text.upper())
    if digit not in DIGITS:
        raise RemoteProtocolError(f"{text[:40]!r} is no DTMF digit")
    return digit


def _duration(fields: dict[str, str]) -> float | None:
    text = fields.get("duration")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise RemoteProtocolError(f"{text[:40]!r} is no duration in milliseconds")
    return int(text) / 1000
