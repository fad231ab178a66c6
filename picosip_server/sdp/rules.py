"""The lexical rules of RFC 8866 section 9, for reading and writing alike.

That both sides share them is why whatever is read can be written again.
"""

from __future__ import annotations

import re

MAX_PORT = 65535
MAX_UINT64 = 2**64 - 1

# Surrogates other than the escapes of single octets have no octets to be written as.
_NO_OCTETS = r"\ud800-\udc7f\udd00-\udfff"
_TOKEN = r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+"
_token = re.compile(_TOKEN).fullmatch
_protocol = re.compile(rf"{_TOKEN}(?:/{_TOKEN})*").fullmatch
_word = re.compile(rf"[^\x00-\x20\x7f{_NO_OCTETS}]+").fullmatch
_text = re.compile(rf"[^\x00\r\n{_NO_OCTETS}]+").fullmatch
_digits = re.compile(r"[0-9]+").fullmatch


def is_token(value: str) -> bool:
    """token: the names of media, attributes, bandwidths, networks and address types."""
    return _token(value) is not None


def is_protocol(value: str) -> bool:
    """proto: tokens with slashes between."""
    return _protocol(value) is not None


def is_word(value: str) -> bool:
    """non-ws-string: what can stand between spaces."""
    return _word(value) is not None


def is_text(value: str) -> bool:
    """byte-string: anything but NUL, CR and LF, and at least one octet."""
    return _text(value) is not None


def is_digits(value: str) -> bool:
    """1*DIGIT, of any length."""
    return _digits(value) is not None


def number(value: str, largest: int) -> int | None:
    """The value of decimal digits; None where these are none, or above ``largest``."""
    if not is_digits(value):
        return None
    # int() refuses texts of thousands of digits, and is slow well before.
    significant = value.lstrip("0") or "0"
    if len(significant) > len(str(largest)):
        return None
    found = int(significant)
    return found if found <= largest else None
