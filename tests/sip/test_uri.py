"""SIP URIs (RFC 3261 section 19.1) and what else may stand where one is expected."""

from __future__ import annotations

import pytest

from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import Params
from picosip_server.sip.uri import LONGEST_KEPT, STAR, Uri


def test_every_part_of_a_sip_uri() -> None:
    uri = Uri.parse("SIPS:o%6Cga;x=1:pw@Green.Example:5071;transport=tcp;lr?subject=hi&a=b")
    assert uri == Uri(
        scheme="sips",
        user="o%6Cga;x=1",
        password="pw",
        host="Green.Example",
        port=5071,
        params=Params((("transport", "tcp"), ("lr", None))),
        headers="subject=hi&a=b",
    )
    assert str(uri) == "sips:o%6Cga;x=1:pw@Green.Example:5071;transport=tcp;lr?subject=hi&a=b"
    assert uri.is_sip
    assert uri.secure
    assert uri.transport == "TCP"


def test_a_host_is_enough() -> None:
    uri = Uri.parse("sip:green.example")
    assert uri == Uri(host="green.example")
    assert uri.user is None
    assert uri.port is None
    assert not uri.secure
    assert uri.transport == ""


def test_an_empty_password_is_not_a_missing_one() -> None:
    assert Uri.parse("sip:a:@h").password == ""
    assert str(Uri.parse("sip:a:@h")) == "sip:a:@h"
    assert Uri.parse("sip:a@h").password is None


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("sip:[2001:db8::7]", "2001:db8::7", None),
        # RFC 5118 section 4.3: all inside the brackets is the address.
        ("sip:[2001:db8::7:5070]", "2001:db8::7:5070", None),
        ("sip:[2001:db8::7]:5070", "2001:db8::7", 5070),
        # RFC 5118 section 4.10: a faulty grammar once produced a third colon.
        ("sip:u@[2001:db8:::192.0.2.9]", "2001:db8:::192.0.2.9", None),
    ],
)
def test_ipv6_stands_in_brackets_on_the_wire_only(text: str, host: str, port: int | None) -> None:
    uri = Uri.parse(text)
    assert (uri.host, uri.port) == (host, port)
    assert str(uri) == text


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("sip:piet;day=mo%40x@yellow.example", "piet;day=mo%40x"),
        ("sip:null-%00-%00@h", "null-%00-%00"),
        ("sip:sips%3Apiet%40h@yellow.example", "sips%3Apiet%40h"),
        ("sip:what?/,;;*&=+$@h", "what?/,;;*&=+$"),
        ("sip:#31#555@h", "#31#555"),
        ("sip:jörg@h", "jörg"),
        ("sip:\udcff@h", "\udcff"),
    ],
)
def test_the_user_is_kept_as_it_came(text: str, user: str) -> None:
    assert Uri.parse(text).user == user
    assert str(Uri.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "green.example",
        "sip:",
        "sip:@h",
        "sip:a@",
        "sip:a@b@c",
        "sip:a b@h",
        "sip: a@h",
        "sip:a@h ",
        "sip:a@h\r\nVia: x",
        "sip:a%4@h",
        "sip:a%zz@h",
        'sip:"a"@h',
        "<sip:a@h>",
        "sip:2001:db8::7",
        "sip:[2001]",
        "sip:[2001:db8::7",
        "sip:[::1%eth0]",
        "sip:h:",
        "sip:h:x",
        "sip:h:65536",
        "sip:h:٣",
        "sip:h:-1",
        "sip:h;",
        "sip:h;;lr",
        "sip:h; lr",
        "sip:h;a=",
        'sip:h;a="b"',
        "sip:h;a=b,c",
        "sip:h?",
        "sip:h?a=<b>",
        "sip:ho st",
        "sip:höst",
        "\u017fip:h",
        "1ab:c",
        "tel:",
        "tel:+1 2",
        "urn:a<b>",
    ],
)
def test_what_is_no_uri(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        Uri.parse(text)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("text", "scheme", "opaque"),
    [
        ("tel:+31-20;phone-context=x", "tel", "+31-20;phone-context=x"),
        ("URN:service:sos", "urn", "service:sos"),
        ("beep.soap://192.0.2.3:99/a?b", "beep.soap", "//192.0.2.3:99/a?b"),
    ],
)
def test_other_schemes_stay_opaque(text: str, scheme: str, opaque: str) -> None:
    uri = Uri.parse(text)
    assert uri == Uri(scheme=scheme, opaque=opaque)
    assert str(uri) == f"{scheme}:{opaque}"
    assert not uri.is_sip
    assert uri.aor == str(uri)


def test_the_star() -> None:
    assert str(STAR) == "*"
    assert STAR.scheme == "*"


def test_a_long_uri_is_read_as_well() -> None:
    user = "u" * LONGEST_KEPT
    assert Uri.parse(f"sip:{user}@h") == Uri(user=user, host="h")


def test_a_changed_copy() -> None:
    uri = Uri.parse("sip:a@h:5060;lr")
    assert str(uri.with_(port=None, params=uri.params.with_("transport", "tcp"))) == (
        "sip:a@h;lr;transport=tcp"
    )
    assert str(uri) == "sip:a@h:5060;lr"


@pytest.mark.parametrize(
    ("text", "aor"),
    [
        ("sip:Piet@Yellow.Example:5070;user=phone?a=b", "sip:Piet@yellow.example"),
        ("sips:%70iet:secret@h", "sips:piet@h"),
        ("sip:a%40b%2fc@h", "sip:a%40b%2Fc@h"),
        ("sip:Yellow.Example", "sip:yellow.example"),
        ("sip:a@[2001:DB8::1]:5", "sip:a@[2001:db8::1]"),
    ],
)
def test_address_of_record(text: str, aor: str) -> None:
    assert Uri.parse(text).aor == aor


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("sip:%6Flga@green.example;transport=TCP", "sip:olga@GREEN.example;Transport=tcp"),
        ("sip:olga@green.example", "sip:olga@green.example;new=5"),
        ("sip:green.example;a=1;method=BYE?to=x", "sip:green.example;method=bye;a=1?to=x"),
        ("sip:h?subject=a%20b&priority=c", "sip:h?Priority=c&subject=a%20b"),
        ("sip:h?a=%2f", "sip:h?a=%2F"),
        ("sip:a@h;%6Cr", "sip:a@h;lr"),
        ("tel:+31", "TEL:+31"),
    ],
)
def test_equivalent(one: str, two: str) -> None:
    # 19.1.4
    assert Uri.parse(one).equivalent(Uri.parse(two))
    assert Uri.parse(two).equivalent(Uri.parse(one))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("sip:h", "sips:h"),
        ("sip:OLGA@h", "sip:olga@h"),
        ("sip:olga@h", "sip:h"),
        ("sip:olga:x@h", "sip:olga@h"),
        ("sip:olga:x@h", "sip:olga:X@h"),
        ("sip:h", "sip:g"),
        ("sip:h", "sip:h:5060"),
        ("sip:h", "sip:h;transport=udp"),
        ("sip:h", "sip:h;maddr=192.0.2.1"),
        ("sip:h;user=phone", "sip:h"),
        ("sip:h", "sip:h;ttl=1"),
        ("sip:h", "sip:h;method=INVITE"),
        ("sip:h;new=1", "sip:h;new=2"),
        ("sip:h;new=1", "sip:h;new"),
        ("sip:h", "sip:h?subject=x"),
        ("sip:h?subject=x", "sip:h?subject=y"),
        ("tel:+31", "tel:+32"),
        # A reserved character is not its escape.
        ("sip:a%3Bb@h", "sip:a;b@h"),
    ],
)
def test_not_equivalent(one: str, two: str) -> None:
    # 19.1.4
    assert not Uri.parse(one).equivalent(Uri.parse(two))
    assert not Uri.parse(two).equivalent(Uri.parse(one))
