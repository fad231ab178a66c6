"""A look at octets that are not parsed yet: is this something new, or part of what goes on?"""

from __future__ import annotations

import re

# Possessive throughout: these are tried on whatever the network brings.
_to = re.compile(rb"\r\n(?:to|t)[ \t]*+:((?:[^\r\n]++|\r\n[ \t])*+)", re.IGNORECASE).search
_tag = re.compile(rb";[ \t\r\n]*+tag[ \t\r\n]*+=", re.IGNORECASE).search

_GOING_ON = frozenset({b"ACK", b"CANCEL"})
_FOLDS = (b" ", b"\t")
_CALL_ID = b"\r\nCall-ID:"


def begins_something(data: bytes) -> bool:
    """Whether this may be a request that begins something.

    Not so are responses, ACK and CANCEL, and what has a To tag. What is no SIP at all may be
    anything. A tag that stands elsewhere in the To is taken for one: a mistake in that
    direction only costs the time to parse the message.
    """
    data = data.lstrip(b"\r\n")
    if data[:4] == b"SIP/":
        return False
    if data[:8].split(b" ", 1)[0] in _GOING_ON:
        return False
    end = data.find(b"\r\n\r\n")
    if end < 0:
        end = len(data)
    # Nearly all write it like this, and none of them folds it; whatever else is searched for.
    at = data.find(b"\r\nTo:", 0, end)
    if at >= 0:
        stop = data.find(b"\r\n", at + 5, end)
        if stop < 0 or data[stop + 2 : stop + 3] not in _FOLDS:
            value = data[at + 5 : end if stop < 0 else stop]
            return b";" not in value or (b";tag=" not in value and _tag(value) is None)
    found = _to(data, 0, end)
    return found is None or _tag(found.group(1)) is None


def invites_as(data: bytes) -> bytes:
    """The Call-ID of an INVITE, where it is written as nearly all do; else empty."""
    if data[:7] != b"INVITE ":
        return b""
    end = data.find(b"\r\n\r\n")
    at = data.find(_CALL_ID, 0, max(end, 0))
    if at < 0:
        return b""
    stop = data.find(b"\r\n", at + 2)
    if data[stop + 2 : stop + 3] in _FOLDS:
        return b""
    return data[at + len(_CALL_ID) : stop].strip(b" \t")
