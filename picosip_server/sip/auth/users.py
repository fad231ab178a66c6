"""Who may authenticate to this server, and with what secret."""

from __future__ import annotations

import re
from dataclasses import field

from picosip_server.frozen import dataclass

_HEX = re.compile(r"[0-9a-fA-F]+")
_HA1_DIGITS = (32, 64)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One user of one realm.

    ``password`` serves every algorithm. ``ha1`` is H(username:realm:password) in
    hexadecimal (RFC 7616 section 3.4.2): 32 digits are MD5, 64 are SHA-256, and it
    serves that algorithm only. Where both are given, the password wins.

    Raises ValueError where neither is given, ``ha1`` is no such text, or a name
    holds a control character.
    """

    realm: str
    username: str
    password: str | None = field(default=None, repr=False)
    ha1: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.password is None and self.ha1 is None:
            raise ValueError("a user needs a password or an ha1")
        if self.ha1 is not None and not is_ha1(self.ha1):
            raise ValueError("ha1 must be 32 (MD5) or 64 (SHA-256) hexadecimal digits")
        if not is_name(self.realm) or not is_name(self.username):
            raise ValueError("realm and username must not hold control characters")


def is_ha1(text: str) -> bool:
    """Whether ``text`` has the form of an MD5 or SHA-256 HA1."""
    return len(text) in _HA1_DIGITS and _HEX.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether ``text`` can stand in a quoted string of a header: no control characters."""
    return _CONTROLS.search(text) is None
