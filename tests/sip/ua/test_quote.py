"""Whose a datagram was of which only the beginning is known."""

from __future__ import annotations

import pytest

from picosip_server.sip.ua.quote import key_of_quote

INVITE = (
    b"INVITE sip:ute@far.example SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKab\r\n"
    b"From: <sip:kai@near.ex"
)
BUSY = (
    b"SIP/2.0 486 Busy Here\r\n"
    b"Via: SIP/2.0/UDP pub.example:5070;branch=z9hG4bKab;received=10.0.0.2, SIP/2.0/UDP b\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"Content-Le"
)


def test_a_request() -> None:
    assert key_of_quote(INVITE) == ("c", "z9hG4bKab", "INVITE")


def test_a_response() -> None:
    assert key_of_quote(BUSY) == ("s", "z9hG4bKab", "pub.example:5070", "INVITE")


@pytest.mark.parametrize(
    "quote",
    [
        b"",
        b"\x00\x01\x00\x00!\x12\xa4B",
        INVITE[:60],
        INVITE.replace(b"z9hG4bK", b""),
        INVITE.replace(b"Via: SIP", b"Via: "),
        INVITE.replace(b"Via: ", b"Route: "),
        INVITE.replace(b"SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKab", b""),
    ],
    ids=["nothing", "STUN", "cut", "RFC 2543", "malformed", "no Via", "empty Via"],
)
def test_too_little(quote: bytes) -> None:
    assert key_of_quote(quote) is None


def test_a_response_that_is_cut_before_its_cseq() -> None:
    assert key_of_quote(BUSY[: BUSY.index(b" INVITE")]) == (
        "s",
        "z9hG4bKab",
        "pub.example:5070",
        "",
    )
