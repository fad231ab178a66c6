"""STUN messages: RFC 5389, with the vectors of RFC 5769."""

from __future__ import annotations

import pytest

from picosip_server.sip import stun
from picosip_server.sip.errors import ParseError
from picosip_server.sip.stun import Kind, StunMessage

ID = bytes.fromhex("b7e7a701bc34d686fa87dfae")
IPV4 = bytes.fromhex(
    "0101003c 2112a442 b7e7a701bc34d686fa87dfae"
    "8022000b 7465737420766563746f7220"
    "00200008 0001a147e112a643"
    "00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004 c07d4c96"
)
IPV6 = bytes.fromhex(
    "01010048 2112a442 b7e7a701bc34d686fa87dfae"
    "8022000b 7465737420766563746f7220"
    "00200014 0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014 a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004 c8fb0b4c"
)


def test_the_responses_of_rfc_5769() -> None:
    """Sections 2.2 and 2.3; MESSAGE-INTEGRITY (8) is not ours to check, and so unknown."""
    assert stun.parse(IPV4) == StunMessage(
        kind=Kind.SUCCESS, id=ID, mapped=("192.0.2.1", 32853), unknown=(8,)
    )
    mapped = ("2001:db8:1234:5678:11:2233:4455:6677", 32853)
    assert stun.parse(IPV6).mapped == mapped


@pytest.mark.parametrize("address", [("192.0.2.1", 32853), ("2001:db8::1", 1), ("fe80::1", 9)])
def test_a_request_is_answered_with_its_source(address: tuple[str, int]) -> None:
    """RFC 5626 section 8: no attribute but XOR-MAPPED-ADDRESS."""
    data = stun.binding_request(ID)
    assert data.hex() == "000100002112a442" + ID.hex()
    request = stun.parse(data)
    assert request == StunMessage(kind=Kind.REQUEST, id=ID)
    assert stun.looks_like_stun(data)
    answer = stun.parse(stun.answer(request, *address))
    assert answer == StunMessage(kind=Kind.SUCCESS, id=ID, mapped=address)


def test_a_zone_is_nobody_elses_affair() -> None:
    answer = stun.parse(stun.answer(StunMessage(kind=Kind.REQUEST, id=ID), "fe80::1%eth0", 9))
    assert answer.mapped == ("fe80::1", 9)


def test_a_request_with_an_attribute_that_must_be_understood_is_refused() -> None:
    """RFC 5389 section 7.3.1: 420, and which they are."""
    data = bytes.fromhex("0001000c2112a442") + ID + bytes.fromhex("00030004000000008abc0000")
    request = stun.parse(data)
    assert request.unknown == (3,)
    answer = stun.answer(request, "192.0.2.1", 5)
    assert answer[20:28] == bytes.fromhex("0009001500000414")
    assert answer[28:45] == b"Unknown Attribute"
    assert answer[-8:] == bytes.fromhex("000a000200030000")
    assert stun.parse(answer).kind is Kind.ERROR


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"OPTIONS sip:a SIP/2.0\r\n\r\n",
        stun.binding_request(ID)[:-1],
        stun.binding_request(ID) + b"\0",
        # Another cookie, as in RFC 3489.
        bytes.fromhex("0001000000000000") + ID,
        # A length that is no multiple of four, or not that of the message.
        bytes.fromhex("000100022112a442") + ID + b"\0\0",
        bytes.fromhex("000100042112a442") + ID,
        # Another method.
        bytes.fromhex("000300002112a442") + ID,
        # An attribute that is longer than what is left.
        bytes.fromhex("000100042112a442") + ID + bytes.fromhex("00200008"),
        # Addresses of the wrong length or family.
        bytes.fromhex("010100082112a442") + ID + bytes.fromhex("0020000400010000"),
        bytes.fromhex("0101000c2112a442") + ID + bytes.fromhex("002000080003a147e112a643"),
    ],
)
def test_what_is_no_binding_message_is_refused(data: bytes) -> None:
    with pytest.raises(ParseError):
        stun.parse(data)
