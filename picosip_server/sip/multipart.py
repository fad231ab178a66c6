"""MIME multipart bodies (RFC 2046 section 5.1, RFC 5621)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from picosip_server.sip.errors import LocalProtocolError, ParseError
from picosip_server.sip.grammar import Params, is_token

_DEEPEST = 4
_MOST_PARTS = 64

_unfold = re.compile(r"(?<![ \t])[ \t]*+\r\n[ \t]++").sub


def find_part(
    content_type_header: str, body: bytes, wanted: str
) -> tuple[dict[str, str], bytes] | None:
    """The first part of type ``wanted`` (``application/sdp``), nested ones included.

    The headers come under lower-case names. A body that is itself of that type counts
    as its own only part; None if nothing matches. Raises ParseError if a multipart is
    malformed.
    """
    return _find({"content-type": content_type_header}, body, wanted.lower(), _DEEPEST)


def build(parts: Iterable[tuple[str, bytes, str]], boundary: str) -> tuple[str, bytes]:
    """A multipart/mixed from (content type, octets, disposition or empty); its type and octets.

    Raises LocalProtocolError if the boundary occurs in a part, or a type or disposition
    holds a line end.
    """
    delimiter = b"--" + boundary.encode("ascii")
    lines: list[bytes] = []
    for content_type, data, disposition in parts:
        if delimiter in data:
            raise LocalProtocolError("the boundary occurs in a part")
        lines += [delimiter, _field("Content-Type", content_type)]
        if disposition:
            lines.append(_field("Content-Disposition", disposition))
        lines += [b"", data]
    lines += [delimiter + b"--", b""]
    return f"multipart/mixed;boundary={boundary}", b"\r\n".join(lines)


def _field(name: str, value: str) -> bytes:
    if "\r" in value or "\n" in value:
        raise LocalProtocolError(f"line end in {name}")
    return f"{name}: {value}".encode("utf-8", "surrogateescape")


def _find(
    headers: dict[str, str], body: bytes, wanted: str, depth: int
) -> tuple[dict[str, str], bytes] | None:
    type_, semicolon, params = headers.get("content-type", "text/plain").partition(";")
    type_ = type_.strip(" \t").lower()
    if type_ == wanted:
        return headers, body
    if not type_.startswith("multipart/"):
        return None
    if not depth:
        raise ParseError("multipart nested too deep")
    boundary = Params.parse(semicolon + params).text("boundary")
    if not boundary:
        raise ParseError("multipart without boundary")
    for part in _split(body, boundary.encode("utf-8", "surrogateescape")):
        found = _find(*_read(part), wanted, depth - 1)
        if found is not None:
            return found
    return None


def _split(body: bytes, boundary: bytes) -> list[bytes]:
    """The parts between the delimiter lines, with their headers."""
    # The line end before a delimiter belongs to it; the first may open the body.
    text = b"\r\n" + body
    delimiter = b"\r\n--" + boundary
    parts: list[bytes] = []
    start = -1
    found = text.find(delimiter)
    while found >= 0:
        after = found + len(delimiter)
        line_end = text.find(b"\r\n", after)
        if line_end < 0:
            line_end = len(text)
        rest = text[after:line_end].rstrip(b" \t")
        if rest == b"" or rest == b"--":
            if start >= 0:
                # Where one delimiter's line end opens the next, nothing is between them.
                parts.append(text[start : max(start, found)])
            if rest:
                return parts
            if len(parts) == _MOST_PARTS:
                raise ParseError("too many parts")
            start = line_end + 2
        # The line end behind one delimiter may open the next.
        found = text.find(delimiter, line_end)
    raise ParseError("multipart without closing delimiter")


def _read(part: bytes) -> tuple[dict[str, str], bytes]:
    if part.startswith(b"\r\n"):
        return {}, part[2:]
    # RFC 2046 section 5.1.1: a part may end with its headers.
    head, _, data = part.partition(b"\r\n\r\n")
    text = _unfold(" ", head.decode("utf-8", "surrogateescape")).removesuffix("\r\n")
    headers: dict[str, str] = {}
    for line in text.split("\r\n") if text else ():
        name, colon, value = line.partition(":")
        name = name.strip(" \t").lower()
        if not colon or not is_token(name):
            raise ParseError("malformed header in a part")
        headers.setdefault(name, value.strip(" \t"))
    return headers, data
