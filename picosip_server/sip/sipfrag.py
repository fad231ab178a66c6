"""message/sipfrag: the part of a message that a NOTIFY of REFER shows (RFC 3420, RFC 3515)."""

from __future__ import annotations

import re

from picosip_server.sip.errors import ParseError
from picosip_server.sip.status import reason_phrase

SIPFRAG = "message/sipfrag"

_status_line = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2})(?: ([^\r\n]*))?(?:\r?\n|\Z)").match


def status_of(data: bytes) -> tuple[int, str]:
    """Status and reason phrase of the status line that a fragment begins with.

    Raises:
        ParseError: it begins with something else (RFC 3515 section 2.4.5 wants one).
    """
    match = _status_line(data)
    if match is None:
        raise ParseError("a fragment without a status line")
    return int(match[1]), (match[2] or b"").decode("utf-8", "surrogateescape").strip()


def fragment(status: int, reason: str = "") -> bytes:
    """A fragment that is a status line alone."""
    return f"SIP/2.0 {status} {reason or reason_phrase(status)}\r\n".encode()
