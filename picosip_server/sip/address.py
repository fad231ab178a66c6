"""Name-addr and addr-spec: From, To, Contact, Route (RFC 3261 sections 20.10, 25.1)."""

from __future__ import annotations

import re
from functools import lru_cache

from picosip_server.frozen import dataclass
from picosip_server.remembered import forgettable
from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import NO_PARAMS, PARAMS, QUOTED, Params, quote, split_list, unquote
from picosip_server.sip.uri import LONGEST_KEPT, MOST_KEPT, STAR, Uri

# A display name without quotes is a row of tokens. Other characters are taken as well where
# they cannot be misread; a comma would be (RFC 4475 section 3.1.2.15).
_name_addr = re.compile(
    rf'[ \t]*+({QUOTED}|[^\x00-\x08\x0a-\x1f\x7f",;<>]*+)[ \t]*+<([^<>]*+)>({PARAMS})[ \t]*+'
).fullmatch
_addr_spec = re.compile(rf'([^\x00-\x20\x7f",;<>?]++)({PARAMS})').fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A URI with a display name and header parameters."""

    display_name: str = ""
    """Without quotes and escapes."""
    uri: Uri
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str) -> Address:
        """Reads one address. Raises ParseError.

        Without angle brackets all parameters belong to the header, and a URI with
        ``?`` or a comma is refused (section 20.10).
        """
        end = text.rfind(">") + 1
        if 0 < end <= LONGEST_KEPT:
            params = Params.one(text, end)
            if params is not None:
                # Of one person's address, nothing but the tag is new in each call.
                who = _parse_kept(text[:end])
                return Address(display_name=who.display_name, uri=who.uri, params=params)
        return _parse_kept(text) if len(text) <= LONGEST_KEPT else _parse(text)

    @property
    def tag(self) -> str:
        """The tag parameter; empty if there is none."""
        return self.params.get("tag") or ""

    def with_tag(self, tag: str) -> Address:
        """A copy with this tag."""
        return Address(
            display_name=self.display_name, uri=self.uri, params=self.params.with_("tag", tag)
        )

    def __str__(self) -> str:
        if self.uri.scheme == "*":
            return "*"
        if self.display_name:
            return f"{quote(self.display_name)} <{self.uri}>{self.params}"
        return f"<{self.uri}>{self.params}"


def _parse(text: str) -> Address:
    match = _name_addr(text)
    if match is not None:
        name, uri, params = match.groups()
        return Address(
            display_name=unquote(name.rstrip(" \t")) if name else "",
            uri=Uri.parse(uri),
            params=Params.split(params) if params else NO_PARAMS,
        )
    text = text.strip(" \t")
    if text == "*":
        return Address(uri=STAR)
    match = _addr_spec(text)
    if match is None:
        raise ParseError("malformed address")
    return Address(uri=Uri.parse(match[1]), params=Params.parse(match[2]))


_parse_kept = lru_cache(maxsize=MOST_KEPT)(_parse)
forgettable(_parse_kept.cache_clear)


def parse_list(text: str) -> list[Address]:
    """The addresses of one field line. Raises ParseError, also for empty elements."""
    return [Address.parse(element) for element in split_list(text)]
