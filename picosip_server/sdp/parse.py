"""Session descriptions from octets (RFC 8866 sections 5 and 9).

Liberal where peers are known to be careless and nothing is in doubt:

- lines may end in LF alone, the last one in nothing; empty lines are skipped;
- the lines of a section may come in any order, with "v=" before all others;
- subfields may have several spaces or tabs between and around them;
- "s=" and "t=" may be missing, "s=" empty: "-" and "0 0" are what that means;
- empty "i=", "u=", "e=", "p=", "k=", "r=" and "z=" lines count as not there;
- a stream with port 0 may come without formats, an attribute without a value
  behind its colon.

Refused is a type letter that RFC 8866 does not know, as section 5 demands, one in
a section where it does not belong, and a second line of a type that comes once.
Text is never interpreted, so that it comes out of ``write`` as it went in.
"""

from __future__ import annotations

import re
from dataclasses import field, replace
from functools import lru_cache

from picosip_server.frozen import dataclass
from picosip_server.remembered import forgettable
from picosip_server.sdp import rules
from picosip_server.sdp.errors import SdpError
from picosip_server.sdp.limits import Limits
from picosip_server.sdp.model import (
    Attribute,
    Bandwidth,
    Connection,
    Media,
    Origin,
    SessionDescription,
    Timing,
)

_BLANKS = " \t"
_words = re.compile(r"[^ \t]+").findall

_DEFAULT_LIMITS = Limits()
_SESSION_ONLY = "vosueptrz"
_ONCE = "vosiuk"

# Descriptions differ in addresses and ports; most of their attributes are the same every time.
_MOST_KEPT = 2048
_LONGEST_KEPT = 100


def parse(data: bytes, limits: Limits = _DEFAULT_LIMITS) -> SessionDescription:
    """The description in ``data``, with origin, session name and timing always set.

    Raises SdpError with the number of the line at fault.
    """
    if len(data) > limits.octets:
        raise SdpError(f"more than {limits.octets} octets")
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    if len(lines) > limits.lines:
        raise SdpError(f"more than {limits.lines} lines")
    reader = _Reader(limits)
    for number, line in enumerate(lines, start=1):
        try:
            reader.line(line.removesuffix("\r"))
        except SdpError as error:
            raise SdpError(error.detail, line=number) from None
    return reader.description()


@dataclass(slots=True)
class _Section:
    """What a session and a media section have in common, while it grows."""

    seen: set[str] = field(default_factory=set)
    texts: dict[str, list[str]] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)
    bandwidths: list[Bandwidth] = field(default_factory=list)
    attributes: list[Attribute] = field(default_factory=list)

    def text(self, letter: str) -> str:
        return self.texts.get(letter, [""])[0]


class _Reader:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._session = self._section = _Section()
        self._origin: Origin | None = None
        self._timings: list[Timing] = []
        self._media: list[tuple[Media, _Section]] = []

    def line(self, line: str) -> None:
        if not line:
            return
        letter, equals, value = line[0], line[1:2], line[2:]
        read = _READERS.get(letter)
        if read is None or equals != "=":
            raise SdpError("no line type that RFC 8866 knows")
        if value and not rules.is_text(value):
            raise SdpError("NUL or CR in a line")
        if letter != "v" and "v" not in self._session.seen:
            raise SdpError('must begin with "v="')
        if self._media and letter in _SESSION_ONLY:
            raise SdpError(f'"{letter}=" in a media section')
        if letter in _ONCE and letter in self._section.seen:
            raise SdpError(f'a second "{letter}=" in a section')
        self._section.seen.add(letter)
        read(self, letter, value)

    def description(self) -> SessionDescription:
        if self._origin is None:
            raise SdpError('no "o=" line')
        session = self._session
        return SessionDescription(
            origin=self._origin,
            session_name=session.text("s") or "-",
            information=session.text("i"),
            uri=session.text("u"),
            emails=tuple(session.texts.get("e", ())),
            phones=tuple(session.texts.get("p", ())),
            connection=session.connections[0] if session.connections else None,
            bandwidths=tuple(session.bandwidths),
            timings=tuple(self._timings) or (Timing(),),
            key=session.text("k"),
            attributes=tuple(session.attributes),
            media=tuple(
                replace(
                    media,
                    information=section.text("i"),
                    connections=tuple(section.connections),
                    bandwidths=tuple(section.bandwidths),
                    key=section.text("k"),
                    attributes=tuple(section.attributes),
                )
                for media, section in self._media
            ),
        )

    def _read_version(self, letter: str, value: str) -> None:
        if rules.number(value.strip(_BLANKS), 0) is None:
            raise SdpError("not version 0")

    def _read_text(self, letter: str, value: str) -> None:
        if value:
            self._section.texts.setdefault(letter, []).append(value)

    def _read_origin(self, letter: str, value: str) -> None:
        parts = _split(value, 6)
        if not (rules.is_digits(parts[1]) and rules.is_digits(parts[2])):
            raise SdpError("session id and version must be decimal digits")
        self._origin = Origin(
            username=_word(parts[0]),
            session_id=parts[1],
            session_version=parts[2],
            network_type=_token(parts[3]),
            address_type=_token(parts[4]),
            address=_word(parts[5]),
        )

    def _read_connection(self, letter: str, value: str) -> None:
        # RFC 8866 section 5.7: several only in a media section.
        if not self._media and self._section.connections:
            raise SdpError('a second "c=" for the session')
        parts = _split(value, 3)
        self._section.connections.append(
            Connection(
                network_type=_token(parts[0]),
                address_type=_token(parts[1]),
                address=_word(parts[2]),
            )
        )

    def _read_bandwidth(self, letter: str, value: str) -> None:
        kind, _, amount = value.partition(":")
        self._section.bandwidths.append(
            Bandwidth(type=_token(kind.strip(_BLANKS)), value=_uint64(amount.strip(_BLANKS)))
        )

    def _read_timing(self, letter: str, value: str) -> None:
        start, stop = _split(value, 2)
        self._timings.append(Timing(start=_uint64(start), stop=_uint64(stop)))

    def _read_repeat(self, letter: str, value: str) -> None:
        last = self._last_timing(letter)
        if value:
            self._timings[-1] = replace(last, repeats=(*last.repeats, value))

    def _read_zone(self, letter: str, value: str) -> None:
        last = self._last_timing(letter)
        if last.zone:
            raise SdpError('a second "z=" for one "t="')
        self._timings[-1] = replace(last, zone=value)

    def _last_timing(self, letter: str) -> Timing:
        if not self._timings:
            raise SdpError(f'"{letter}=" before any "t="')
        return self._timings[-1]

    def _read_attribute(self, letter: str, value: str) -> None:
        read = _kept_attribute if len(value) <= _LONGEST_KEPT else _attribute
        self._section.attributes.append(read(value))

    def _read_media(self, letter: str, value: str) -> None:
        if len(self._media) >= self._limits.media:
            raise SdpError(f"more than {self._limits.media} media sections")
        parts = _words(value)
        if len(parts) < 3:
            raise SdpError("must have a media type, a port, a protocol and formats")
        port_text, slash, count_text = parts[1].partition("/")
        port = rules.number(port_text, rules.MAX_PORT)
        count = rules.number(count_text, rules.MAX_PORT) if slash else 0
        if port is None or count is None or (slash and not count):
            raise SdpError(f"port and number of ports must be numbers up to {rules.MAX_PORT}")
        if not rules.is_protocol(parts[2]):
            raise SdpError('the protocol must be tokens with "/" between')
        if port and len(parts) == 3:
            raise SdpError("a media line without formats")
        media = Media(
            type=_token(parts[0]),
            port=port,
            port_count=count,
            protocol=parts[2],
            formats=tuple(map(_word, parts[3:])),
        )
        self._section = _Section()
        self._media.append((media, self._section))


_READERS = {
    "v": _Reader._read_version,
    "o": _Reader._read_origin,
    "s": _Reader._read_text,
    "i": _Reader._read_text,
    "u": _Reader._read_text,
    "e": _Reader._read_text,
    "p": _Reader._read_text,
    "c": _Reader._read_connection,
    "b": _Reader._read_bandwidth,
    "t": _Reader._read_timing,
    "r": _Reader._read_repeat,
    "z": _Reader._read_zone,
    "k": _Reader._read_text,
    "a": _Reader._read_attribute,
    "m": _Reader._read_media,
}


def _attribute(value: str) -> Attribute:
    name, colon, rest = value.partition(":")
    return Attribute(name=_token(name.strip(_BLANKS)), value=rest if colon else None)


_kept_attribute = lru_cache(maxsize=_MOST_KEPT)(_attribute)
forgettable(_kept_attribute.cache_clear)


def _split(value: str, count: int) -> list[str]:
    parts: list[str] = _words(value)
    if len(parts) != count:
        raise SdpError(f"must have {count} subfields")
    return parts


def _token(value: str) -> str:
    if not rules.is_token(value):
        raise SdpError("a name must be a token")
    return value


def _word(value: str) -> str:
    if not rules.is_word(value):
        raise SdpError("control character in a subfield")
    return value


def _uint64(value: str) -> int:
    found = rules.number(value, rules.MAX_UINT64)
    if found is None:
        raise SdpError("must be a number of at most 64 bits")
    return found
