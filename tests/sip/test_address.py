"""Name-addr and addr-spec (RFC 3261 sections 20 and 25.1)."""

from __future__ import annotations

import pytest

from picosip_server.sip.address import Address, parse_list
from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import Params
from picosip_server.sip.uri import LONGEST_KEPT, STAR, Uri

_OLGA = Uri(user="olga", host="h")


@pytest.mark.parametrize(
    ("text", "display_name"),
    [
        ("<sip:olga@h>", ""),
        (" <sip:olga@h> ", ""),
        ('"" <sip:olga@h>', ""),
        ("Olga <sip:olga@h>", "Olga"),
        # RFC 4475 section 3.1.1.6: no space is needed.
        ("Olga<sip:olga@h>", "Olga"),
        ("Dr. O'Neill \t <sip:olga@h>", "Dr. O'Neill"),
        ("+1 (555) 010 <sip:olga@h>", "+1 (555) 010"),
        ("Ольга <sip:olga@h>", "Ольга"),
        ('"Neill, Olga <x>; \\\\ \\""<sip:olga@h>', 'Neill, Olga <x>; \\ "'),
        ('"%4F%6C"  <sip:olga@h>', "%4F%6C"),
        ('"\\\x00\\\x07" <sip:olga@h>', "\x00\x07"),
    ],
)
def test_display_names(text: str, display_name: str) -> None:
    address = Address.parse(text)
    assert address == Address(display_name=display_name, uri=_OLGA)
    assert Address.parse(str(address)) == address


def test_in_brackets_the_uri_keeps_its_parameters() -> None:
    # RFC 4475 sections 3.3.12 and 3.3.13
    inside = Address.parse("<sip:olga@h;x>")
    assert inside == Address(uri=_OLGA.with_(params=Params((("x", None),))))
    outside = Address.parse("sip:olga@h;x")
    assert outside == Address(uri=_OLGA, params=Params((("x", None),)))
    assert str(outside) == "<sip:olga@h>;x"
    both = Address.parse("<sip:olga@h;x>;y=1")
    assert str(both) == "<sip:olga@h;x>;y=1"


def test_in_brackets_the_uri_keeps_its_headers() -> None:
    # RFC 4475 section 3.3.14
    address = Address.parse("<sip:olga@h?Route=%3Csip:g%3E>")
    assert address.uri.headers == "Route=%3Csip:g%3E"


def test_white_space_and_parameters() -> None:
    address = Address.parse('"O" <sip:olga@h> ; tag = 98a ;q="0.5"')
    assert address.tag == "98a"
    assert str(address) == '"O" <sip:olga@h>;tag=98a;q="0.5"'
    assert Address.parse("sip:olga@h ; tag=1").tag == "1"


def test_tags() -> None:
    address = Address.parse("<sip:olga@h>;x=1")
    assert address.tag == ""
    assert str(address.with_tag("t")) == "<sip:olga@h>;x=1;tag=t"
    assert str(address.with_tag("t").with_tag("u")) == "<sip:olga@h>;x=1;tag=u"


def test_other_schemes() -> None:
    assert str(Address.parse("isbn:123")) == "<isbn:123>"
    assert Address.parse("<http://h/a,b?c>;tag=1").uri == Uri(scheme="http", opaque="//h/a,b?c")
    assert Address.parse("tel:+31;tag=1").tag == "1"


def test_the_star() -> None:
    address = Address.parse(" * ")
    assert address.uri is STAR
    assert str(address) == "*"


def test_a_long_address_is_read_as_well() -> None:
    name = "O" * LONGEST_KEPT
    assert Address.parse(f"{name} <sip:olga@h>").display_name == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "olga",
        "<>",
        "<sip:olga@h",
        "sip:olga@h>",
        "<<sip:olga@h>>",
        "<sip:olga@h> x",
        "<sip:olga@h>;",
        "<sip:olga@h>;;;;",
        "<sip:olga@h>,<sip:olga@h>",
        # RFC 4475 section 3.1.2.6
        '"Olga <sip:olga@h>',
        'Olga" <sip:olga@h>',
        '"Olga" Neill <sip:olga@h>',
        '"Ol\r\nga" <sip:olga@h>',
        # RFC 4475 section 3.1.2.14
        "< sip:olga@h >",
        # RFC 4475 section 3.1.2.15
        "Neill, Olga <sip:olga@h>",
        # RFC 4475 section 3.1.2.13 and RFC 3261 section 20.10
        "sip:olga@h?Route=x",
        "sip:ol,ga@h",
        "*;x",
        "* <sip:olga@h",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        Address.parse(text)
    assert caught.value.status == 400


def test_lists() -> None:
    assert [str(each) for each in parse_list('"A, b" <sip:a@h>;x="1,2" , sip:b@h;lr')] == [
        '"A, b" <sip:a@h>;x="1,2"',
        "<sip:b@h>;lr",
    ]
    assert parse_list("") == []


def test_a_list_has_no_empty_elements() -> None:
    with pytest.raises(ParseError):
        parse_list("<sip:a@h>,,<sip:b@h>")
