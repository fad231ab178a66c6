"""SIP and SIPS URIs, and any other URI as an opaque string (RFC 3261 section 19.1)."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from picosip_server.frozen import dataclass
from picosip_server.remembered import forgettable
from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import HOST, NO_PARAMS, URI_PARAMS, Params, port_number

# Wider than the grammar where that cannot be misread: "#" and UTF-8 are common in users.
_USER = r'(?:[^\x00-\x20\x7f"%<>@:\\]|%[0-9A-Fa-f]{2})'
_sip = re.compile(
    rf"([sS][iI][pP][sS]?):(?:({_USER}++)(?::({_USER}*+))?@)?"
    rf'({HOST})(?::([0-9]++))?({URI_PARAMS})(?:\?([^\x00-\x20\x7f"<>]++))?'
).fullmatch
_other = re.compile(r'([A-Za-z][A-Za-z0-9+.\-]*+):([^\x00-\x20\x7f"<>]++)').fullmatch
_escapes = re.compile(r"%([0-9A-Fa-f]{2})").sub
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()")

# All messages of a call repeat the same few URIs and addresses, and reading one costs a
# tenth of reading the message: what was read last is kept, unless it is too long to keep.
MOST_KEPT = 2048
LONGEST_KEPT = 200

_NEVER_IGNORED = ("transport", "user", "ttl", "method", "maddr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Uri:
    """A URI. Everything is kept as on the wire except the scheme, which is lower case."""

    scheme: str = "sip"
    user: str | None = None
    """With its %-escapes; None without user part."""
    password: str | None = None
    host: str = ""
    """An IPv6 address has no brackets here."""
    port: int | None = None
    params: Params = NO_PARAMS
    headers: str = ""
    """What follows the ``?``, without it."""
    opaque: str = ""
    """All that follows the colon, where the scheme is neither sip nor sips."""

    @classmethod
    def parse(cls, text: str) -> Uri:
        """Reads a URI of any scheme. Raises ParseError."""
        return _parse_kept(text) if len(text) <= LONGEST_KEPT else _parse(text)

    @property
    def is_sip(self) -> bool:
        """True for sip and sips."""
        return self.scheme == "sip" or self.scheme == "sips"

    @property
    def secure(self) -> bool:
        """True for sips."""
        return self.scheme == "sips"

    @property
    def transport(self) -> str:
        """The transport parameter in upper case; empty if there is none."""
        return (self.params.get("transport") or "").upper()

    @property
    def aor(self) -> str:
        """The address-of-record: scheme, user and lower-case host; no port, no parameters.

        Escapes that need not be are undone, as section 10.3 step 5 asks.
        """
        if self.scheme != "sip" and self.scheme != "sips":
            return str(self)
        host = self.host.lower()
        if ":" in host:
            host = f"[{host}]"
        if self.user is None:
            return f"{self.scheme}:{host}"
        return f"{self.scheme}:{_normal(self.user)}@{host}"

    def with_(self, **changes: Any) -> Uri:
        """A copy with the given fields changed."""
        return replace(self, **changes)

    def equivalent(self, other: Uri) -> bool:
        """Comparison by the rules of section 19.1.4; ``==`` compares the fields."""
        if self.scheme != other.scheme:
            return False
        if not self.is_sip:
            return self.opaque == other.opaque
        return (
            _maybe_normal(self.user) == _maybe_normal(other.user)
            and _maybe_normal(self.password) == _maybe_normal(other.password)
            and self.host.lower() == other.host.lower()
            # An omitted port is not the default port.
            and self.port == other.port
            and _params_match(self.params, other.params)
            and _header_set(self.headers) == _header_set(other.headers)
        )

    def __str__(self) -> str:
        if self.scheme != "sip" and self.scheme != "sips":
            return self.scheme if self.scheme == "*" else f"{self.scheme}:{self.opaque}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.port is not None:
            host = f"{host}:{self.port}"
        if self.user is not None:
            secret = "" if self.password is None else f":{self.password}"
            host = f"{self.user}{secret}@{host}"
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{host}{self.params}{headers}"


STAR: Final = Uri(scheme="*")
"""The ``*`` of ``Contact: *``; no URI at all."""


def _parse(text: str) -> Uri:
    match = _sip(text)
    if match is None:
        return _parse_opaque(text)
    scheme, user, password, host, port, params, headers = match.groups()
    return Uri(
        scheme=scheme.lower(),
        user=user,
        password=password,
        host=host[1:-1] if host[0] == "[" else host,
        port=None if port is None else port_number(port),
        params=Params.split(params) if params else NO_PARAMS,
        headers=headers or "",
    )


_parse_kept = lru_cache(maxsize=MOST_KEPT)(_parse)
forgettable(_parse_kept.cache_clear)


def _parse_opaque(text: str) -> Uri:
    match = _other(text)
    if match is None:
        raise ParseError("malformed URI")
    scheme = match[1].lower()
    if scheme in ("sip", "sips"):
        raise ParseError("malformed SIP URI")
    return Uri(scheme=scheme, opaque=match[2])


def _normal(text: str) -> str:
    """``text`` with its needless escapes undone and the others in upper case."""
    return _escapes(_unescaped, text) if "%" in text else text


def _unescaped(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _maybe_normal(text: str | None) -> str | None:
    return None if text is None else _normal(text)


def _params_match(one: Params, two: Params) -> bool:
    left = {_normal(name).lower(): value for name, value in one}
    right = {_normal(name).lower(): value for name, value in two}
    for name in left.keys() & right.keys():
        if _normal(left[name] or "").lower() != _normal(right[name] or "").lower():
            return False
    # 19.1.4: these never match when they stand in one URI only; others are then ignored.
    return all((name in left) == (name in right) for name in _NEVER_IGNORED)


def _header_set(headers: str) -> list[tuple[str, str]]:
    """The headers in comparable form: their order does not matter."""
    pairs = []
    for field in headers.split("&"):
        name, _, value = field.partition("=")
        pairs.append((_normal(name).lower(), _normal(value)))
    return sorted(pairs)


_urn = re.compile(
    r"[uU][rR][nN]:[A-Za-z0-9][A-Za-z0-9-]{0,31}:[!$%'()*+,\-./0-9:;=?@A-Z_a-z~]+"
).fullmatch


def is_urn(text: str) -> bool:
    """Whether a text is a URN that may be an instance id (RFC 5626 section 4.1)."""
    return len(text) <= 256 and _urn(text) is not None
