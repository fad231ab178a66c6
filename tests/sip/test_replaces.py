"""Replaces: RFC 3891, and its form in a Refer-To URI."""

from __future__ import annotations

import pytest

from picosip_server.sip.address import Address
from picosip_server.sip.errors import ParseError
from picosip_server.sip.replaces import Replaces


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@b;from-tag=f;to-tag=t", Replaces(call_id="a@b", to_tag="t", from_tag="f")),
        (
            "98asd ; to-tag=12 ;from-tag=34;early-only",
            Replaces(call_id="98asd", to_tag="12", from_tag="34", early_only=True),
        ),
    ],
)
def test_reads(text: str, expected: Replaces) -> None:
    assert Replaces.parse(text) == expected
    assert Replaces.parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "a", "a;to-tag=1", "a;from-tag=1", ";to-tag=1;from-tag=2", "a b;to-tag=1;from-tag=2"],
)
def test_refuses(text: str) -> None:
    """Section 6.1: a Call-ID, and both tags exactly once."""
    with pytest.raises(ParseError):
        Replaces.parse(text)


def test_goes_through_a_uri() -> None:
    """RFC 3261 section 19.1.1: what a URI cannot hold is escaped."""
    replaces = Replaces(call_id="1%2@h", to_tag="t", from_tag="f")
    header = replaces.as_uri_header()
    assert header == "Replaces=1%252%40h%3Bto-tag%3Dt%3Bfrom-tag%3Df"
    assert Address.parse(f"<sip:a@b?{header}>").uri.headers == header
