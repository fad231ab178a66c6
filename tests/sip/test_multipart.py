"""Multipart bodies (RFC 2046 section 5.1, RFC 5621)."""

from __future__ import annotations

import contextlib
import time

import pytest

from picosip_server.sip.errors import LocalProtocolError, ParseError
from picosip_server.sip.multipart import build, find_part

_SDP = "application/sdp"
_BODY = (
    b"preamble\r\n"
    b"--b1\r\n"
    b"Content-Type: text/plain\r\n"
    b"\r\n"
    b"hello\r\n"
    b"--b12 is another boundary\r\n"
    b"--b1 \t\r\n"
    b"content-type : Application/SDP;\r\n"
    b" charset=x\r\n"
    b"Content-Disposition: session\r\n"
    b"Content-Disposition: second\r\n"
    b"\r\n"
    b"v=0\r\n\r\n\x00\n"
    b"\r\n--b1--\r\n"
    b"--b1\r\nContent-Type: application/late\r\n\r\n\r\n--b1--"
)


def test_a_part_with_its_headers() -> None:
    assert find_part("multipart/mixed;boundary=b1", _BODY, _SDP) == (
        {"content-type": "Application/SDP; charset=x", "content-disposition": "session"},
        b"v=0\r\n\r\n\x00\n",
    )


def test_the_first_part_keeps_what_looks_like_a_delimiter() -> None:
    found = find_part('Multipart/Mixed ; boundary="b1"', _BODY, "text/plain")
    assert found is not None
    assert found[1] == b"hello\r\n--b12 is another boundary"


def test_nothing_that_is_wanted() -> None:
    assert find_part("multipart/mixed;boundary=b1", _BODY, "text/html") is None
    # What follows the closing delimiter is no part.
    assert find_part("multipart/mixed;boundary=b1", _BODY, "application/late") is None
    assert find_part("text/plain", b"v=0", _SDP) is None
    assert find_part("", b"v=0", _SDP) is None


def test_a_body_that_is_itself_what_is_wanted() -> None:
    assert find_part("Application/sdp;x=y", b"v=0", "application/SDP") == (
        {"content-type": "Application/sdp;x=y"},
        b"v=0",
    )


def test_nested_parts() -> None:
    inner_type, inner = build([("text/html", b"x", ""), (_SDP, b"v=0", "")], "in")
    outer_type, outer = build([("text/plain", b"y", ""), (inner_type, inner, "")], "out")
    assert find_part(outer_type, outer, _SDP) == ({"content-type": _SDP}, b"v=0")


def test_a_part_without_type_is_plain_text() -> None:
    # RFC 2046 section 5.1
    body = b"--b\r\n\r\nhello\r\n--b--"
    assert find_part("multipart/mixed;boundary=b", body, "text/plain") == ({}, b"hello")


@pytest.mark.parametrize(
    "body",
    [
        b"--b\r\nContent-Type: application/sdp\r\n\r\n\r\n--b--",
        b"--b\r\nContent-Type: application/sdp\r\n\r\n--b--",
        b"--b\r\nContent-Type: application/sdp\r\n--b--",
        b"--b\r\n--b\r\n\r\n--b\r\nContent-Type: application/sdp\r\n\r\n\r\n--b--",
    ],
)
def test_empty_parts(body: bytes) -> None:
    assert find_part("multipart/mixed;boundary=b", body, _SDP) == ({"content-type": _SDP}, b"")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/mixed", b"--b\r\n\r\n\r\n--b--"),
        ("multipart/mixed;boundary", b"--b\r\n\r\n\r\n--b--"),
        ('multipart/mixed;boundary=""', b"--b\r\n\r\n\r\n--b--"),
        ("multipart/mixed;boundary=b;;", b"--b\r\n\r\n\r\n--b--"),
        ("multipart/mixed;boundary=b", b""),
        ("multipart/mixed;boundary=b", b"--b"),
        ("multipart/mixed;boundary=b", b"--b\r\nContent-Type: application/sdp\r\n\r\nv=0"),
        ("multipart/mixed;boundary=b", b"--b\r\nno header\r\n\r\nv=0\r\n--b--"),
        ("multipart/mixed;boundary=b", b"--b\r\na b: c\r\n\r\nv=0\r\n--b--"),
        ("multipart/mixed;boundary=b", b"--b\r\n" * 70 + b"--b--"),
    ],
)
def test_malformed_multiparts(content_type: str, body: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        find_part(content_type, body, _SDP)
    assert caught.value.status == 400


@pytest.mark.parametrize("filler", [b"\r\n--b", b"\r\n--b-", b"--b", b"\r\n", b" ", b"\r\n--b x"])
def test_a_hostile_body_costs_linear_time(filler: bytes) -> None:
    body = b"--b\r\nX: " + filler * (200_000 // len(filler)) + b"\r\n--b--"
    started = time.process_time()
    with contextlib.suppress(ParseError):
        find_part("multipart/mixed;boundary=b", body, _SDP)
    # Quadratic time would be minutes.
    assert time.process_time() - started < 2


def test_nesting_has_an_end() -> None:
    content_type, body = _SDP, b"v=0"
    for depth in range(4):
        content_type, body = build([(content_type, body, "")], f"b{depth}")
    found = find_part(content_type, body, _SDP)
    assert found is not None
    assert found[1] == b"v=0"
    content_type, body = build([(content_type, body, "")], "b4")
    with pytest.raises(ParseError, match="deep"):
        find_part(content_type, body, _SDP)


def test_build() -> None:
    parts = [(_SDP, b"v=0\r\n", "session"), ("image/png", b"\x00\xff", "")]
    assert build(parts, "q7") == (
        "multipart/mixed;boundary=q7",
        b"--q7\r\nContent-Type: application/sdp\r\nContent-Disposition: session\r\n\r\nv=0\r\n\r\n"
        b"--q7\r\nContent-Type: image/png\r\n\r\n\x00\xff\r\n--q7--\r\n",
    )


@pytest.mark.parametrize(
    "part",
    [
        ("text/plain", b"a--q7", ""),
        ("text/plain\r\nX: y", b"", ""),
        ("text/plain", b"", "session\nX: y"),
    ],
)
def test_what_cannot_be_built(part: tuple[str, bytes, str]) -> None:
    with pytest.raises(LocalProtocolError):
        build([part], "q7")
