"""The Via header (RFC 3261 section 20.42, RFC 3581)."""

from __future__ import annotations

import re
from functools import lru_cache

from picosip_server.frozen import dataclass
from picosip_server.remembered import forgettable
from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import (
    HOST,
    NO_PARAMS,
    PARAMS,
    TOKEN,
    Params,
    number,
    port_number,
    split_list,
)
from picosip_server.sip.uri import LONGEST_KEPT, MOST_KEPT

MAGIC_COOKIE = "z9hG4bK"
"""What branches that are unique by themselves begin with (RFC 3261 section 8.1.1.7)."""

_SLASH = r"[ \t]*+/[ \t]*+"
_via_value = re.compile(
    rf"[ \t]*+({TOKEN}++){_SLASH}({TOKEN}++){_SLASH}({TOKEN}++)[ \t]++({HOST})"
    rf"(?:[ \t]*+:[ \t]*+([0-9]++))?+[ \t]*+({PARAMS})"
)
_via = _via_value.fullmatch
_readable = _via_value.match


@dataclass(frozen=True, slots=True, kw_only=True)
class Via:
    """One Via value: who sent the message, how, and under which branch."""

    protocol: str = "SIP"
    version: str = "2.0"
    transport: str
    """Upper case."""
    host: str
    """The name or address in sent-by; an IPv6 address has no brackets here."""
    port: int | None = None
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str) -> Via:
        """Reads one Via value. Raises ParseError."""
        end = text.find(";")
        if 0 < end <= LONGEST_KEPT:
            params = Params.plain(text, end)
            if params is not None:
                # What one peer sends differs in the parameters alone.
                return _parse_kept(text[:end]).with_params(params)
        return _parse(text)

    @classmethod
    def salvage(cls, text: str) -> Via | None:
        """What a malformed Via begins with, if that is enough to send a response to."""
        match = _readable(text)
        return None if match is None else Via.parse(match[0])

    def with_params(self, params: Params) -> Via:
        """A copy with these parameters."""
        return Via(
            protocol=self.protocol,
            version=self.version,
            transport=self.transport,
            host=self.host,
            port=self.port,
            params=params,
        )

    @property
    def branch(self) -> str:
        """The transaction's branch; empty if there is none."""
        return self.params.get("branch") or ""

    @property
    def received(self) -> str:
        """The source address that the next hop saw; empty if there is none.

        RFC 5118 section 4.5: an IPv6 address comes with and without brackets.
        """
        return (self.params.get("received") or "").strip("[]")

    @property
    def rport(self) -> int | None:
        """The source port that the next hop saw (RFC 3581); None without a usable value."""
        value = self.params.get("rport")
        if value is None:
            return None
        try:
            return number(value, 65535)
        except ParseError:
            return None

    @property
    def wants_rport(self) -> bool:
        """True if the sender asks for the response to its source port (RFC 3581 section 4)."""
        return self.params.has("rport") and self.params.get("rport") is None

    @property
    def sent_by(self) -> str:
        """``host[:port]``, IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.protocol}/{self.version}/{self.transport} {self.sent_by}{self.params}"


def _parse(text: str) -> Via:
    match = _via(text)
    if match is None:
        raise ParseError("malformed Via")
    protocol, version, transport, host, port, params = match.groups()
    return Via(
        protocol=protocol,
        version=version,
        transport=transport.upper(),
        host=host[1:-1] if host[0] == "[" else host,
        port=None if port is None else port_number(port),
        params=Params.split(params) if params else NO_PARAMS,
    )


_parse_kept = lru_cache(maxsize=MOST_KEPT)(_parse)
forgettable(_parse_kept.cache_clear)


def parse_list(text: str) -> list[Via]:
    """The Via values of one field line. Raises ParseError, also for empty elements."""
    return [Via.parse(element) for element in split_list(text)]


def is_rfc3261(branch: str) -> bool:
    """Whether a branch is unique by itself (RFC 3261 section 8.1.1.7); RFC 2543 had others."""
    return branch.startswith(MAGIC_COOKIE) and len(branch) > len(MAGIC_COOKIE)
