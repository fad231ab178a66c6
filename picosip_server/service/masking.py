"""Credentials made unreadable: whatever leaves by an event, a trace or an error passes here."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SECRET = frozenset(("authorization", "proxy-authorization"))
_MASK = "***"
_head_end = re.compile(rb"\r?\n\r?\n").search
# A field's value goes on in the lines that begin with a blank (RFC 3261 section 7.3.1).
_secret_field = re.compile(rb"(?im)^((?:proxy-)?authorization)[ \t]*:((?:[^\r\n]|\r?\n[ \t])*)").sub


def value(name: str, text: str) -> str:
    """The header field's value, with all but the scheme masked where it holds credentials."""
    if name.lower() not in _SECRET:
        return text
    scheme = text.split(None, 1)[:1]
    return f"{scheme[0]} {_MASK}" if scheme else _MASK


def headers(fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Header fields with their credentials masked."""
    return [(name, value(name, text)) for name, text in fields]


def raw(octets: bytes) -> bytes:
    """A whole SIP message with its credentials masked; the body is left alone."""
    end = _head_end(octets)
    head, rest = (octets, b"") if end is None else (octets[: end.start()], octets[end.start() :])
    return _secret_field(_masked_field, head) + rest


def _masked_field(match: re.Match[bytes]) -> bytes:
    name, text = match[1].decode("ascii"), match[2].decode("utf-8", "surrogateescape")
    return f"{name}: {value(name, text)}".encode("utf-8", "surrogateescape")
