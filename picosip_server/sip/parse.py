"""Octets to messages (RFC 3261 sections 7, 18.3 and 25).

What a user agent needs in order to answer at all is checked here, once and in full;
everything else is parsed when somebody asks for it.
"""

from __future__ import annotations

import re
from typing import Final

from picosip_server.frozen import dataclass
from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import is_token, number
from picosip_server.sip.headers import Headers, canonical, known_names
from picosip_server.sip.message import Request, Response
from picosip_server.sip.uri import STAR
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

_EMPTY_LINE = b"\r\n\r\n"
_ONCE = {"from": "From", "to": "To", "call-id": "Call-ID", "cseq": "CSeq"}

# The look-behind keeps a long run of spaces from being tried from each of its positions.
_unfold = re.compile(r"(?<![ \t])[ \t]*+\r\n[ \t]++").sub
_is_call_id = re.compile(r"[^\x00-\x20\x7f]++").fullmatch


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
    message, index, fault = _read_head(data[:end], limits)
    try:
        if fault is not None:
            raise fault
        if len(data) > limits.message_octets:
            raise ParseError("message too large", 413)
        assert message is not None
        _check(message, index)
        message.body = _body(data, end + 4, index, stream=stream)
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
    message, _, _ = _read_head(head[: max(end, 0)], limits)
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


def _read_head(
    head: bytes, limits: Limits
) -> tuple[Request | Response | None, dict[str, list[str]], ParseError | None]:
    """The message without body, its header values by canonical name, and the first fault."""
    text = head.decode("utf-8", "surrogateescape")
    if "\r\n " in text or "\r\n\t" in text:
        # 7.3.1: a folded line counts as one, the fold as a space.
        text = _unfold(" ", text)
    lines = text.split("\r\n")
    fault = None
    if text.count("\n") >= len(lines) or text.count("\r") >= len(lines):
        # A lone CR or LF ends no line; passed on, another element might think that it does.
        fault = ParseError("CR or LF inside a line")
        lines = ["" if "\r" in line or "\n" in line else line for line in lines]
    message, start_fault = _read_start(lines[0])
    items: list[tuple[str, str]] = []
    index: dict[str, list[str]] = {}
    if len(lines) - 1 > limits.headers:
        fault = fault or ParseError("too many headers", 513)
        del lines[limits.headers + 1 :]
    known = known_names().get
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        key = known(name)
        if key is None or not colon:
            name = name.rstrip(" \t")
            if not colon or not is_token(name):
                fault = fault or ParseError("malformed header field")
                continue
            key = canonical(name)
        value = value.strip(" \t")
        items.append((name, value))
        if key in index:
            index[key].append(value)
        else:
            index[key] = [value]
    if message is not None:
        message.headers = Headers.adopt(items, index)
    return message, index, start_fault or fault


def _read_start(line: str) -> tuple[Request | Response | None, ParseError | None]:
    """The message that the start line begins, and what is wrong with the line."""
    method, _, rest = line.partition(" ")
    uri, _, version = rest.partition(" ")
    if version == "SIP/2.0" and uri and is_token(method):
        return Request(method, uri, Headers()), None
    if method.upper() == "SIP/2.0":
        # 7.2: the reason may be empty, and the space before it forgotten.
        if len(uri) == 3 and uri.isascii() and uri.isdigit() and "100" <= uri < "700":
            return Response(int(uri), version, Headers()), None
        return None, ParseError("malformed status code")
    words = line.split()
    if len(words) < 3 or not is_token(words[0]) or not words[-1].upper().startswith("SIP/"):
        return None, ParseError("malformed start line")
    request = Request(words[0], words[1], Headers())
    if line != " ".join(words) or len(words) != 3:
        return request, ParseError("malformed start line")
    if version.upper() != "SIP/2.0":
        return request, ParseError("version not supported", 505)
    return request, None


def _check(message: Request | Response, index: dict[str, list[str]]) -> None:
    """Raises ParseError unless the message has all that answering or matching it takes."""
    name = "Via"
    try:
        via = message.via
        for key in _ONCE:
            # 20: none of these may be repeated; 8.1.1: each message has them.
            if len(index.get(key, ())) != 1:
                name = _ONCE[key]
                raise ParseError("missing or repeated")
        name = "From"
        _ = message.from_
        name = "To"
        _ = message.to
        name = "Call-ID"
        if _is_call_id(index["call-id"][0]) is None:
            raise ParseError("malformed")
        name = "CSeq"
        cseq = message.cseq
        if "max-forwards" in index:
            name = "Max-Forwards"
            if len(index["max-forwards"]) != 1:
                raise ParseError("repeated")
            number(index["max-forwards"][0], 255)
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
        if "contact" in index and (forms_dialog or has_bindings):
            name = "Contact"
            contacts = message.contacts
            if forms_dialog and contacts and contacts[0].uri is STAR:
                # 20.10: only a REGISTER may have it.
                raise ParseError("* is no address here")
        if "record-route" in index and forms_dialog:
            name = "Record-Route"
            _ = message.record_routes
    except ParseError as error:
        raise ParseError(f"{name}: {error}", error.status) from error


def _body(data: bytes, start: int, index: dict[str, list[str]], *, stream: bool) -> bytes:
    values = index.get("content-length")
    if values is None:
        if stream:
            raise ParseError("Content-Length is missing")
        # 18.3: a datagram without Content-Length is all body.
        return data[start:]
    if len(values) != 1:
        raise ParseError("Content-Length repeated")
    try:
        length = number(values[0], 2**31)
    except ParseError as error:
        raise ParseError(f"Content-Length: {error}") from error
    body = data[start : start + length]
    if len(body) < length:
        # 18.3: a datagram that ends early.
        raise ParseError("body shorter than Content-Length")
    return body
