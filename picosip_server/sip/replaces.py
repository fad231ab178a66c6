"""Replaces: which dialog a new one is to take the place of (RFC 3891)."""

from __future__ import annotations

import re

from picosip_server.frozen import dataclass
from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import Params
from picosip_server.sip.message import Request

# callid: word [ "@" word ] (RFC 3261 section 25.1).
_call_id = re.compile(r"[^\x00-\x20\x7f;,]++").fullmatch
_kept = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaces:
    """A dialog, as the one who is to look it up sees it: ``to_tag`` is the tag of its own."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def parse(cls, text: str) -> Replaces:
        """Reads a Replaces value (section 6.1). Raises ParseError."""
        call_id, semicolon, rest = text.partition(";")
        call_id = call_id.strip(" \t")
        params = Params.parse(semicolon + rest.strip(" \t")) if semicolon else Params()
        to_tag, from_tag = params.get("to-tag"), params.get("from-tag")
        if _call_id(call_id) is None or not to_tag or not from_tag:
            raise ParseError("malformed Replaces")
        return cls(
            call_id=call_id,
            to_tag=to_tag,
            from_tag=from_tag,
            early_only=params.has("early-only"),
        )

    def __str__(self) -> str:
        early = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early}"

    def as_uri_header(self) -> str:
        """For the header part of a Refer-To URI (RFC 3261 section 19.1.1)."""
        value = str(self).encode("utf-8", "surrogateescape")
        escaped = (chr(o) if chr(o) in _kept else f"%{o:02X}" for o in value)
        return "Replaces=" + "".join(escaped)


def replaces_of(request: Request) -> Replaces | None:
    """The Replaces of an INVITE; None where it has none.

    Raises:
        ParseError: it is malformed, there are several, or a Join beside it (400, section 3).
    """
    values = request.headers.elements("Replaces")
    if not values:
        return None
    if len(values) > 1 or request.headers.has("Join"):
        raise ParseError("several Replaces, or a Join beside it")
    return Replaces.parse(values[0])
