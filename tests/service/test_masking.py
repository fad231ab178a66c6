"""Credentials never leave."""

from __future__ import annotations

import pytest

from picosip_server.service import masking


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Authorization", 'Digest username="a", response="5ec2e7"', "Digest ***"),
        ("PROXY-AUTHORIZATION", "Basic YTpi", "Basic ***"),
        ("authorization", "Digest\tresponse=5ec2e7", "Digest ***"),
        ("Authorization", "", "***"),
        ("WWW-Authenticate", 'Digest realm="x"', 'Digest realm="x"'),
        ("Subject", "Authorization: x", "Authorization: x"),
    ],
)
def test_a_header_field(name: str, value: str, expected: str) -> None:
    assert masking.headers([(name, value)]) == [(name, expected)]


def test_raw_octets() -> None:
    message = (
        b"REGISTER sip:x SIP/2.0\r\n"
        b"Subject: Authorization: Digest keep\r\n"
        b'AUTHORIZATION : Digest username="a",\r\n'
        b' response="5ec2e7"\r\n'
        b"Proxy-Authorization:Basic\r\n"
        b"\tYTpi\r\n"
        b"X-Authorization: keep\r\n"
        b"\r\n"
        b"Authorization: Digest body\r\n"
    )
    assert masking.raw(message) == (
        b"REGISTER sip:x SIP/2.0\r\n"
        b"Subject: Authorization: Digest keep\r\n"
        b"AUTHORIZATION: Digest ***\r\n"
        b"Proxy-Authorization: Basic ***\r\n"
        b"X-Authorization: keep\r\n"
        b"\r\n"
        b"Authorization: Digest body\r\n"
    )


def test_raw_octets_with_bare_line_ends_and_without_an_end() -> None:
    assert masking.raw(b"A: b\nAuthorization: Digest \xff\n c\n\nAuthorization: x") == (
        b"A: b\nAuthorization: Digest ***\n\nAuthorization: x"
    )
    assert masking.raw(b"\nauthorization: Digest x") == b"\nauthorization: Digest ***"
