"""The pieces of RFC 3261 section 25.1 that several headers share: tokens, quotes, lists, params."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator
from typing import Final

from picosip_server.mypyc import mypyc_attr
from picosip_server.sip.errors import ParseError

TOKEN: Final = r"[A-Za-z0-9\-.!%*_+`'~]"
"""Regular expression for one character of a token."""

_TOKEN_CHARS: Final = string.ascii_letters + string.digits + "-.!%*_+`'~"
"""The same as characters."""

QUOTED: Final = r'"[^"\\\r\n]*+(?:\\[^\r\n][^"\\\r\n]*+)*+"'
"""Regular expression for a quoted-string, quotes included."""

HOST: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-])*+|\[(?=[^\]]*:)[0-9A-Fa-f:.]++\]"
"""Regular expression for a host; underscores are not in the RFC but in many networks.

What stands in brackets is not checked to be an IPv6 address: RFC 5118 section 4.10
wants three colons in a row to be taken.
"""

# Wider than generic-param and uri-parameter together: section 25.1 has brackets, slashes
# and colons in URI parameters only, and a received parameter may hold a bare IPv6 address
# (RFC 5118 section 4.5). No white space, quote, separator or control gets through.
_NAME = r"[A-Za-z0-9\-.!%*_+`'~\[\]/:&$()]++"
_VALUE = r'[^\x00-\x20\x7f;,"<>]++'
_PARAM = rf"[ \t]*+;[ \t]*+{_NAME}(?:[ \t]*+=[ \t]*+(?:{QUOTED}|{_VALUE}))?+[ \t]*+"

PARAMS: Final = rf"(?:{_PARAM})*+"
"""Regular expression for header parameters: what it matches, ``Params.split`` may take."""
URI_PARAMS: Final = rf"(?:;{_NAME}(?:=[^\x00-\x20\x7f;,\"<>?]++)?+)*+"
"""Regular expression for URI parameters: no quotes, no white space, no question mark."""

_are_params = re.compile(PARAMS).fullmatch
_is_one_param = re.compile(rf";({_NAME})=({_VALUE})").fullmatch
_are_plain = re.compile(rf"(?:;{_NAME}(?:={_VALUE})?+)++").fullmatch
_params = re.compile(
    rf"[ \t]*+;[ \t]*+({_NAME})(?:[ \t]*+=[ \t]*+({QUOTED}|{_VALUE}))?+[ \t]*+"
).findall
_element = re.compile(rf'(?:[^,"<]++|{QUOTED}|<[^>]*+>)*+').match
_escape = re.compile(r'["\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f]').sub
_unescape = re.compile(r"\\([\x00-\x7f])").sub


def is_token(text: str) -> bool:
    """True if ``text`` is a token: a method, a header name, an option tag."""
    # A regular expression has a kilobyte allocated each time.
    return text != "" and not text.strip(_TOKEN_CHARS)


def quote(text: str) -> str:
    """``text`` as a quoted-string; controls are escaped as RFC 4475 section 3.1.1.2 shows."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{_escape(_escaped, text)}"'


def _escaped(match: re.Match[str]) -> str:
    return "\\" + match[0]


def unquote(text: str) -> str:
    """What a quoted-string stands for; any other text is returned as it is."""
    if len(text) > 1 and text[0] == '"' and text[-1] == '"':
        text = text[1:-1]
        return _unescape(r"\1", text) if "\\" in text else text
    return text


def split_list(text: str) -> list[str]:
    """The elements of a comma-separated list, stripped; commas in quotes and in <> do not count.

    Empty elements come back as empty strings, an empty text as no elements. After a
    quote or bracket that is never closed the rest is one element.
    """
    if "," not in text:
        text = text.strip(" \t")
        return [text] if text else []
    if '"' not in text and "<" not in text:
        return [element.strip(" \t") for element in text.split(",")]
    elements = []
    start = 0
    while True:
        match = _element(text, start)
        end = match.end() if match else start
        if end == len(text) or text[end] != ",":
            elements.append(text[start:].strip(" \t"))
            return elements
        elements.append(text[start:end].strip(" \t"))
        start = end + 1


def number(text: str, largest: int) -> int:
    """A decimal number from 0 to ``largest``.

    Raises ParseError for anything else: signs, other alphabets' digits, too many digits.
    """
    if not (text.isascii() and text.isdigit()):
        raise ParseError("not a number")
    if len(text) < 10 and (small := int(text)) <= largest:
        return small
    if len(text) > 20:
        # int() refuses thousands of digits with an error of its own.
        text = text.lstrip("0") or "0"
    if len(text) > 20 or (value := int(text)) > largest:
        raise ParseError(f"number above {largest}")
    return value


def port_number(digits: str) -> int:
    """A port from ASCII digits. Raises ParseError above 65535."""
    return int(digits) if len(digits) < 5 else number(digits, 65535)


@mypyc_attr(acyclic=True)
class Params:
    """The parameters of a header or URI, in order, immutable; values as on the wire.

    Names compare without case. A quoted value keeps its quotes; ``text`` takes them off.
    """

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Iterable[tuple[str, str | None]] = ()) -> None:
        self._pairs = tuple(pairs)

    @classmethod
    def parse(cls, text: str) -> Params:
        """Reads ``;a=b;c``. Raises ParseError, also for empty parameters or values."""
        if _are_params(text) is None:
            raise ParseError("malformed parameters")
        return Params.split(text) if text else NO_PARAMS

    @classmethod
    def one(cls, text: str, start: int) -> Params | None:
        """Like ``parse``, of the text from ``start``, if that is one plain ``;a=b``; else None."""
        if text[start : start + 1] == ";":
            # Nearly all are like this. A regular expression has a kilobyte allocated each time.
            name, _, value = text[start + 1 :].partition("=")
            if is_token(name) and is_token(value):
                return Params(((name, value),))
        match = _is_one_param(text, start)
        return None if match is None else Params(((match[1], match[2]),))

    @classmethod
    def plain(cls, text: str, start: int) -> Params | None:
        """Like ``one``, for any number of parameters without quotes and white space."""
        if text[start : start + 1] == ";":
            # As in ``one``.
            pairs: list[tuple[str, str | None]] = []
            for param in text[start + 1 :].split(";"):
                name, equals, value = param.partition("=")
                if not is_token(name) or (equals and not is_token(value)):
                    break
                pairs.append((name, value or None))
            else:
                return Params(pairs)
        return Params.split(text[start:]) if _are_plain(text, start) is not None else None

    @classmethod
    def split(cls, text: str) -> Params:
        """Like ``parse``, for text that PARAMS or URI_PARAMS has matched and that is not empty."""
        if '"' in text or " " in text or "\t" in text:
            return Params([(name, value or None) for name, value in _params(text)])
        pairs = []
        for param in text[1:].split(";"):
            name, _, value = param.partition("=")
            pairs.append((name, value or None))
        return Params(pairs)

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value as on the wire; ``default`` if there is none."""
        name = name.lower()
        for key, value in self._pairs:
            if key == name or key.lower() == name:
                return default if value is None else value
        return default

    def text(self, name: str) -> str:
        """The value without quotes and escapes; empty if there is none."""
        return unquote(self.get(name) or "")

    def has(self, name: str) -> bool:
        """True if the parameter is there, with or without a value."""
        name = name.lower()
        # No any(): a generator costs more than the search.
        for key, _ in self._pairs:  # noqa: SIM110
            if key == name or key.lower() == name:
                return True
        return False

    def with_(self, name: str, value: str | None = None) -> Params:
        """A copy with the parameter set: in its place if it was there, else at the end."""
        kept: list[tuple[str, str | None]] = []
        found = False
        key = name.lower()
        for pair in self._pairs:
            if pair[0].lower() != key:
                kept.append(pair)
            elif not found:
                kept.append((name, value))
                found = True
        if not found:
            kept.append((name, value))
        return Params(kept)

    def without(self, name: str) -> Params:
        """A copy without the parameter."""
        name = name.lower()
        return Params(pair for pair in self._pairs if pair[0].lower() != name)

    def __iter__(self) -> Iterator[tuple[str, str | None]]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Params):
            return NotImplemented
        return self._pairs == other._pairs

    def __hash__(self) -> int:
        return hash(self._pairs)

    def __repr__(self) -> str:
        return f"Params({self._pairs!r})"

    def __str__(self) -> str:
        if not self._pairs:
            return ""
        return "".join(
            [f";{name}" if value is None else f";{name}={value}" for name, value in self._pairs]
        )


NO_PARAMS: Final = Params()
