"""Messages that the tests of this folder start from, with names of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from picosip_server.sip.errors import ParseError
from picosip_server.sip.message import Request
from picosip_server.sip.parse import Limits, parse

_CORPORA = Path(__file__).parents[3] / "shared" / "corpora"

BASE = {
    "Via": "SIP/2.0/UDP pub.green.example:5062;branch=z9hG4bKgr1;rport",
    "Max-Forwards": "70",
    "From": '"Olga" <sip:olga@green.example>;tag=o1',
    "To": "<sip:piet@yellow.example>",
    "Call-ID": "c4f1@pub.green.example",
    "CSeq": "7 INVITE",
    "Contact": "<sip:olga@pub.green.example:5062>",
}
_NAMES = {name.lower().replace("-", "_"): name for name in BASE}


def corpus(name: str) -> Path:
    """A folder of the RFCs' own messages; without it the test is skipped."""
    folder = _CORPORA / name
    if not folder.is_dir():
        pytest.skip(f"no corpus {name} beside the repository (../shared/corpora)")
    return folder


def request(
    *more: str,
    line: str = "INVITE sip:piet@yellow.example SIP/2.0",
    body: bytes = b"",
    without: tuple[str, ...] = (),
    changes: dict[str, str] | None = None,
    **headers: str,
) -> bytes:
    """An INVITE.

    ``changes`` replace headers by name, ``headers`` do the same (``max_forwards="1"``),
    ``more`` are further lines.
    """
    fields = BASE | (changes or {})
    fields |= {_NAMES[key]: value for key, value in headers.items()}
    lines = [line, *(f"{name}: {value}" for name, value in fields.items() if name not in without)]
    return "\r\n".join((*lines, *more, "", "")).encode("utf-8", "surrogateescape") + body


def response(
    *more: str,
    line: str = "SIP/2.0 200 OK",
    changes: dict[str, str] | None = None,
    **headers: str,
) -> bytes:
    """A response to that INVITE."""
    named = {_NAMES[key]: value for key, value in headers.items()}
    return request(*more, line=line, changes=(changes or {}) | named)


def parsed(data: bytes) -> Request:
    """The request that these octets are."""
    message = parse(data)
    assert isinstance(message, Request)
    return message


def refused(data: bytes, limits: Limits | None = None, *, stream: bool = False) -> ParseError:
    """The error that refuses these octets."""
    with pytest.raises(ParseError) as caught:
        parse(data, limits or Limits(), stream=stream)
    return caught.value
