"""Octets to messages (RFC 3261 sections 7, 18.3 and 25).

What a user agent needs in order to answer at all is checked here, once and in full;
everything else is parsed when somebody asks for it.
"""

from __future__ import annotations

import re
from typing import Final

from picosip_server.frozen import dataclass
from picosip_server.mypyc import mypyc_attr
from picosip_server.remembered import forgettable
from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import is_token
from picosip_server.sip.headers import Field, Headers, canonical, known_names
from picosip_server.sip.meaning import address_of, call_id_of, cseq_of, number_of, via_of
from picosip_server.sip.message import Request, Response
from picosip_server.sip.uri import LONGEST_KEPT, MOST_KEPT, STAR
from picosip_server.sip.via import MAGIC_COOKIE, Via


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The largest message that is taken."""

    message_octets: int = 65535
    header_octets: int = 32768
    """Start line and headers together."""
    headers: int = 256
    """Number of header fields."""


DEFAULT_LIMITS: Final = Limits()
_NO_LIMIT: Final = 2**62
OWN: Final = Limits(message_octets=_NO_LIMIT, header_octets=_NO_LIMIT, headers=_NO_LIMIT)
"""For what we wrote ourselves: whoever made us write it was held to limits already."""

_EMPTY_LINE = b"\r\n\r\n"
_ONCE = {"from": "From", "to": "To", "call-id": "Call-ID", "cseq": "CSeq"}

# The look-behind keeps a long run of spaces from being tried from each of its positions.
_unfold = re.compile(r"(?<![ \t])[ \t]*+\r\n[ \t]++").sub


def parse(
    data: bytes, limits: Limits = DEFAULT_LIMITS, *, stream: bool = False
) -> Request | Response:
    """Reads one message from a datagram, or with ``stream`` from one frame of a stream.

    Raises ParseError. Its ``status`` answers the request; its ``request`` is what could
    be read of it: headers may be missing or malformed, and a malformed top Via is cut
    down to its readable beginning, so that the answer finds its way (section 18.2.2).
    """
    if data[:2] == b"\r\n":
        # 7.5: empty lines before the start line are ignored.
        data = data.lstrip(b"\r\n")
    end = data.find(_EMPTY_LINE)
    if end < 0 or end > limits.header_octets:
        request = salvage(data, limits)
        if len(data) > limits.header_octets:
            raise ParseError("header section too large", 513, request=request)
        raise ParseError("no empty line after the headers", request=request)
    message, fault = _read_head(data[:end], limits)
    try:
        if fault is not None:
            raise fault
        if len(data) > limits.message_octets:
            raise ParseError("message too large", 413)
        assert message is not None
        _check(message)
        message.body = _body(data, end + 4, message.headers, stream=stream)
        message.raw = data
    except ParseError as error:
        error.request = _mended(message)
        raise
    return message


def salvage(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Request | None:
    """What can be read of a faulty request, without its body; None if that is no request."""
    head = data[: limits.header_octets]
    end = head.find(_EMPTY_LINE)
    if end < 0:
        # The last line may be cut off.
        end = head.rfind(b"\r\n")
    message, _ = _read_head(head[: max(end, 0)], limits)
    return _mended(message)


def _mended(message: Request | Response | None) -> Request | None:
    """A faulty request whose top Via, if it was malformed, is cut down to what can be read."""
    if not isinstance(message, Request):
        return None
    try:
        _ = message.via
    except ParseError:
        via = Via.salvage(message.headers.get("Via") or "")
        if via is not None:
            message.headers.replace_first("Via", str(via))
    return message


@mypyc_attr(acyclic=True)
class _Start:
    """What a start line says: a request has a method, a response a status."""

    __slots__ = ("method", "reason", "status", "uri_text")

    def __init__(self, method: str, uri_text: str, status: int, reason: str) -> None:
        self.method = method
        self.uri_text = uri_text
        self.status = status
        self.reason = reason

    def message(self, headers: Headers) -> Request | Response:
        """The message that it begins."""
        if self.method:
            return Request(self.method, self.uri_text, headers)
        return Response(self.status, self.reason, headers)


# Most lines came before: in all messages of a peer, in those of its call, or in one that was
# sent again. What was read of them is kept, and with it what they were found to mean. That
# costs a twentieth of reading them, and they are forgotten all at once when they are many.
_known = known_names()
_starts: dict[str, _Start] = {}
_fields: dict[str, Field] = {}
forgettable(_starts.clear)
forgettable(_fields.clear)


def _read_head(head: bytes, limits: Limits) -> tuple[Request | Response | None, ParseError | None]:
    """The message without body, and the first fault."""
    text = head.decode("utf-8", "surrogateescape")
    lines = text.split("\r\n")
    if len(lines) - 1 > limits.headers:
        return _read_odd(text, limits)
    line = lines.pop(0)
    kept = _fields.get
    try:
        start = _starts.get(line) or _start_of(line)
        fields = [kept(line) or _field_of(line) for line in lines]
    except ParseError:
        return _read_odd(text, limits)
    return start.message(Headers.received(fields)), None


def _read_odd(text: str, limits: Limits) -> tuple[Request | Response | None, ParseError | None]:
    """The same for a head that cannot be read line by line: folded, faulty or too long."""
    # 7.3.1: a folded line counts as one, the fold as a space.
    lines = _unfold(" ", text).split("\r\n")
    fault = None
    for number, line in enumerate(lines):
        if "\r" in line or "\n" in line:
            # A lone CR or LF ends no line; passed on, another element might think that it does.
            fault = ParseError("CR or LF inside a line")
            lines[number] = ""
    if len(lines) - 1 > limits.headers:
        fault = fault or ParseError("too many headers", 513)
        del lines[limits.headers + 1 :]
    fields = []
    for line in lines[1:]:
        try:
            fields.append(_field_of(line))
        except ParseError as error:
            fault = fault or error
    start, start_fault = _read_start(lines[0])
    message = None if start is None else start.message(Headers.received(fields))
    return message, start_fault or fault


def _field_of(line: str) -> Field:
    """Reads one header line. Raises ParseError."""
    name, colon, value = line.partition(":")
    key = _known.get(name)
    if key is None:
        name = name.rstrip(" \t")
        key = canonical(name) if is_token(name) else ""
    if not key or not colon or "\r" in value or "\n" in value:
        raise ParseError("malformed header field")
    field = Field(key, name, value.strip(" \t"))
    if len(line) <= LONGEST_KEPT:
        if len(_fields) >= MOST_KEPT:
            _fields.clear()
        _fields[line] = field
    return field


def _start_of(line: str) -> _Start:
    """Reads a start line in which nothing is wrong. Raises ParseError."""
    start, fault = _read_start(line)
    if start is None or fault is not None or "\r" in line or "\n" in line:
        raise fault or ParseError("malformed start line")
    if len(line) <= LONGEST_KEPT:
        if len(_starts) >= MOST_KEPT:
            _starts.clear()
        _starts[line] = start
    return start


def _read_start(line: str) -> tuple[_Start | None, ParseError | None]:
    """What the start line says, as far as it can be read, and what is wrong with it."""
    method, _, rest = line.partition(" ")
    uri, _, version = rest.partition(" ")
    if version == "SIP/2.0" and uri and is_token(method):
        return _Start(method, uri, 0, ""), None
    if method.upper() == "SIP/2.0":
        # 7.2: the reason may be empty, and the space before it forgotten.
        if len(uri) == 3 and uri.isascii() and uri.isdigit() and "100" <= uri < "700":
            return _Start("", "", int(uri), version), None
        return None, ParseError("malformed status code")
    words = line.split()
    if len(words) < 3 or not is_token(words[0]) or not words[-1].upper().startswith("SIP/"):
        return None, ParseError("malformed start line")
    start = _Start(words[0], words[1], 0, "")
    if line != " ".join(words) or len(words) != 3:
        return start, ParseError("malformed start line")
    if version.upper() != "SIP/2.0":
        return start, ParseError("version not supported", 505)
    return start, None


def _check(message: Request | Response) -> None:
    """Raises ParseError unless the message has all that answering or matching it takes."""
    headers = message.headers
    fields = headers.firsts()
    name = "Via"
    try:
        via_field = fields.get("via")
        if via_field is None:
            raise ParseError("Via is missing")
        via = via_of(via_field)
        for key in _ONCE:
            # 20: none of these may be repeated; 8.1.1: each message has them.
            if key not in fields or headers.repeats(key):
                name = _ONCE[key]
                raise ParseError("missing or repeated")
        name = "From"
        address_of(fields["from"])
        name = "To"
        address_of(fields["to"])
        name = "Call-ID"
        call_id_of(fields["call-id"])
        name = "CSeq"
        cseq = cseq_of(fields["cseq"])
        hops = fields.get("max-forwards")
        if hops is not None:
            name = "Max-Forwards"
            if headers.repeats("max-forwards"):
                raise ParseError("repeated")
            number_of(hops, 255)
        if isinstance(message, Request):
            name = "CSeq"
            if cseq.method != message.method:
                raise ParseError("not the method of the request")
            name = "Via"
            if via.branch == MAGIC_COOKIE:
                # RFC 4475 section 3.2.1: a branch of RFC 3261 that identifies nothing.
                raise ParseError("empty branch")
            name = "Request-URI"
            _ = message.uri
            forms_dialog = cseq.method == "INVITE"
            has_bindings = cseq.method == "REGISTER"
        else:
            forms_dialog = cseq.method == "INVITE" and message.status < 300
            has_bindings = False
        if "contact" in fields and (forms_dialog or has_bindings):
            name = "Contact"
            contacts = message.contacts
            if forms_dialog and contacts and contacts[0].uri is STAR:
                # 20.10: only a REGISTER may have it.
                raise ParseError("* is no address here")
        if "record-route" in fields and forms_dialog:
            name = "Record-Route"
            _ = message.record_routes
    except ParseError as error:
        raise ParseError(f"{name}: {error}", error.status) from error


def _body(data: bytes, start: int, headers: Headers, *, stream: bool) -> bytes:
    field = headers.first("content-length")
    if field is None:
        if stream:
            raise ParseError("Content-Length is missing")
        # 18.3: a datagram without Content-Length is all body.
        return data[start:]
    if headers.repeats("content-length"):
        raise ParseError("Content-Length repeated")
    try:
        length = number_of(field, 2**31)
    except ParseError as error:
        raise ParseError(f"Content-Length: {error}") from error
    body = data[start : start + length]
    if len(body) < length:
        # 18.3: a datagram that ends early.
        raise ParseError("body shorter than Content-Length")
    return body
