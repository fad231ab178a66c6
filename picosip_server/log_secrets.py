"""Secrets kept out of the log, whatever is logged and however deep they sit in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any

MASK = "***"
_SECRET_KEYS = frozenset({"password", "ha1", "authorization", "proxy-authorization"})

# A name may also follow a line break that is written as its escape, as in a repr.
# A header field's value goes on in the lines that begin with a blank (RFC 3261 section 7.3.1).
_HEADER = re.compile(
    r"""(?ix) (?:\b|(?<=\\n)) ( (?:proxy-)? authorization ["']? \s* [:=] \s* )
        (?: b?"(?:[^"\\]|\\.)*" | b?'(?:[^'\\]|\\.)*' | [^\r\n]* (?:\r?\n[ \t][^\r\n]*)* )"""
)
_NAMED = re.compile(
    r"""(?ix) (?:\b|(?<=\\n)) ( (?:password|ha1) ["']? \s* [:=] \s* )
        (?: b?"(?:[^"\\]|\\.)*" | b?'(?:[^'\\]|\\.)*' | [^\s,;)}\]"']+ )"""
)
# The password in a SIP URI (RFC 3261 section 19.1.1).
_URI = re.compile(r"(?i)\b(sips?:[^\s:@<>\"]+):[^\s@<>\"]+@")


def mask_secrets(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """structlog processor: ``***`` for each secret of an event."""
    return {key: _masked(key, value) for key, value in event.items()}


def mask_text(text: str) -> str:
    """A text with the values of Authorization headers, passwords and HA1s masked."""
    # Looked for as plain words first: nearly all text has none of them, and this is asked of
    # each value of each line.
    words = text.lower()
    if "authorization" in words:
        text = _HEADER.sub(rf"\1{MASK}", text)
    if "password" in words or "ha1" in words:
        text = _NAMED.sub(rf"\1{MASK}", text)
    # One colon is that of the scheme.
    if "@" in words and "sip" in words and text.count(":") > 1:
        text = _URI.sub(rf"\1:{MASK}@", text)
    return text


@lru_cache(maxsize=1024)
def _is_secret(key: str) -> bool:
    return key.lower().replace("_", "-") in _SECRET_KEYS


def _masked(key: object, value: object) -> object:
    if value is None:
        return None
    if _is_secret(str(key)):
        return MASK
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, bytes):
        return mask_text(value.decode("utf-8", "backslashreplace"))
    if isinstance(value, Mapping):
        return {str(name): _masked(name, inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        if len(value) == 2 and isinstance(value, tuple) and isinstance(value[0], str):
            # A header as a pair of name and value.
            return [mask_text(value[0]), _masked(value[0], value[1])]
        return [_masked("", inner) for inner in value]
    # Any other object would be written as its repr later on.
    return mask_text(repr(value))
