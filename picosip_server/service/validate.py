"""Every request is checked whole before anything is sent; each fault names its field.

A ``Check`` collects violations while a request is converted. Where a value is wrong
it gives a stand-in, so that the rest is looked at too; ``done`` raises at the end.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from google.protobuf.duration_pb2 import Duration

from picosip_server.service.errors import FieldViolation, invalid
from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import is_token
from picosip_server.sip.headers import canonical
from picosip_server.sip.uri import Uri

RESERVED_HEADER = "RESERVED_HEADER"

ALWAYS_RESERVED = frozenset(
    (
        *("via", "cseq", "call-id", "from", "to", "max-forwards", "content-length"),
        *("content-type", "route", "record-route", "rseq", "rack"),
    )
)
"""Headers that the stack owns in every message, in their canonical names."""
CONTACT_RESERVED = ALWAYS_RESERVED | {"contact"}
REFER_RESERVED = CONTACT_RESERVED | {"refer-to", "referred-by", "refer-sub"}
"""The same for a REFER, whose own headers have fields of their own."""
NOT_FROM_URI = CONTACT_RESERVED | {
    *("body", "authorization", "proxy-authorization", "supported", "allow", "require"),
    *("session-expires", "min-se", "organization", "user-agent", "accept", "date"),
}
"""Headers of a URI that make no header of the request (RFC 3261 section 19.1.5)."""
REGISTER_RESERVED = CONTACT_RESERVED | {"expires"}
"""The same where the stack also makes the Contact."""

_MOST_VIOLATIONS = 16
_controls = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search
_identifier = re.compile(r"[a-z0-9-]+").fullmatch
_media_type = re.compile(r"([^/;\s]+)/([^/;\s]+)[ \t]*(?:;.*)?").fullmatch
_NOBODY = Uri(host="invalid")
# google.protobuf.Duration says so: about 10,000 years.
_LONGEST_SECONDS = 315_576_000_000
_NANOS = 999_999_999


class Check:
    """The violations found in one request so far."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: list[FieldViolation] = []

    def fail(
        self,
        field: str,
        description: str,
        reason: str = "INVALID_FIELD",
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Notes that ``field`` is wrong."""
        if len(self._found) < _MOST_VIOLATIONS:
            self._found.append(
                FieldViolation(
                    field=field, description=description, reason=reason, metadata=metadata
                )
            )

    def done(self) -> None:
        """Raises ApiError INVALID_ARGUMENT if anything was wrong."""
        if self._found:
            raise invalid(self._found)

    def text(self, field: str, value: str, *, required: bool = False, most: int = 16_384) -> str:
        """Text for one line: no control characters, at most ``most`` characters."""
        if required and not value:
            self.fail(field, "is required")
        elif len(value) > most:
            self.fail(field, f"must not be longer than {most} characters")
        elif _controls(value):
            self.fail(field, "must not hold CR, LF, NUL or another control character")
        return value

    def token(self, field: str, value: str) -> str:
        """A token of RFC 3261 section 25.1."""
        if not is_token(value):
            self.fail(field, "must be a token (RFC 3261 section 25.1)")
        return value

    def name(self, field: str, value: str, collection: str) -> str:
        """A resource name: ``collection`` and an id."""
        prefix, slash, identifier = value.partition("/")
        if prefix != collection or not slash or not _identifier(identifier):
            self.fail(field, f'must be a name such as "{collection}/..."')
        return value

    def uri(self, field: str, value: str, *, sip: bool = False, headers: bool = False) -> Uri:
        """A URI; ``sip``: only sip and sips; ``headers``: it may carry some after a "?"."""
        if not value:
            self.fail(field, "is required")
            return _NOBODY
        try:
            # What cannot be written as UTF-8 cannot be here: protobuf refuses it.
            uri = Uri.parse(value)
        except ParseError as error:
            self.fail(field, f"is no URI: {error}")
            return _NOBODY
        if sip and not uri.is_sip:
            self.fail(field, "must be a sip or sips URI")
        # RFC 3261 section 19.1.1, table 1: only in Contact and outside SIP messages.
        if uri.headers and not headers:
            self.fail(field, "must not carry headers (RFC 3261 section 19.1.1)")
        return uri

    def media_type(self, field: str, value: str) -> str:
        """A Content-Type, with or without parameters."""
        match = _media_type(self.text(field, value, required=True))
        if value and (match is None or not is_token(match[1]) or not is_token(match[2])):
            self.fail(field, 'must be a media type such as "text/plain"')
        return value

    def header(self, field: str, name: str, value: str, reserved: Collection[str]) -> None:
        """A header field that the application adds, none of the stack's own."""
        if not is_token(name):
            self.fail(f"{field}.name", "must be a token (RFC 3261 section 25.1)")
        elif canonical(name) in reserved:
            self.fail(
                f"{field}.name",
                f"{name} is set by the stack",
                RESERVED_HEADER,
                (("header", name),),
            )
        self.text(f"{field}.value", value)

    def code(self, field: str, value: int, least: int, most: int) -> int:
        """A status code in the range that the RPC may send."""
        if not least <= value <= most:
            self.fail(field, f"must be from {least} to {most}")
        return value

    def number(self, field: str, value: int, least: int, most: int) -> int:
        """A number from ``least`` to ``most``."""
        if not least <= value <= most:
            self.fail(field, f"must be from {least} to {most}")
        return value

    def seconds(self, field: str, value: Duration) -> float:
        """An interval: well-formed and not negative."""
        seconds, nanos = value.seconds, value.nanos
        if abs(seconds) > _LONGEST_SECONDS or abs(nanos) > _NANOS or seconds * nanos < 0:
            self.fail(field, "is no valid Duration")
            return 0.0
        if seconds < 0 or nanos < 0:
            self.fail(field, "must not be negative")
            return 0.0
        return seconds + nanos / 1e9

    def positive(self, field: str, value: Duration) -> float:
        """An interval above zero."""
        before = len(self._found)
        seconds = self.seconds(field, value)
        if len(self._found) == before and seconds == 0:
            self.fail(field, "must be longer than zero")
        return seconds

    def count(self, field: str, number: int, most: int) -> None:
        """How many elements a list has."""
        if number > most:
            self.fail(field, f"must not have more than {most} elements")

    def labels(self, field: str, labels: Mapping[str, str]) -> dict[str, str]:
        """Labels: few and short, since every event carries them."""
        self.count(field, len(labels), 64)
        # A map comes in any order.
        for key, value in sorted(labels.items()):
            if not key:
                self.fail(field, "must not have an empty key")
            self.text(field, key, most=128)
            self.text(f'{field}["{key}"]', value, most=1024)
        return dict(labels)

    def request_id(self, value: str) -> None:
        """The idempotency key: optional, any short text."""
        self.text("request_id", value, most=128)
