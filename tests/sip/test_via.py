"""The Via header (RFC 3261 section 20.42, RFC 3581, RFC 5118)."""

from __future__ import annotations

import pytest

from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import Params
from picosip_server.sip.via import Via, parse_list


def test_every_part() -> None:
    via = Via.parse("SIP/2.0/udp Pub.green.example:5062;branch=z9hG4bKx;rport")
    assert via == Via(
        transport="UDP",
        host="Pub.green.example",
        port=5062,
        params=Params((("branch", "z9hG4bKx"), ("rport", None))),
    )
    assert (via.protocol, via.version) == ("SIP", "2.0")
    assert via.branch == "z9hG4bKx"
    assert via.sent_by == "Pub.green.example:5062"
    assert str(via) == "SIP/2.0/UDP Pub.green.example:5062;branch=z9hG4bKx;rport"


def test_white_space_where_the_grammar_has_it() -> None:
    # RFC 4475 section 3.1.1.1
    text = "SIP  / 2.0 /\tUDP   192.0.2.2 : 5060  ;  branch  = 39x ; a"
    assert str(Via.parse(text)) == "SIP/2.0/UDP 192.0.2.2:5060;branch=39x;a"


def test_what_is_absent() -> None:
    via = Via.parse("SIP/2.0/TCP h")
    assert via.port is None
    assert via.branch == via.received == ""
    assert via.rport is None
    assert not via.wants_rport
    assert via.sent_by == "h"


def test_other_protocols_and_transports_are_read() -> None:
    via = Via.parse("SIP/7.0/UNKNOWN h;branch=1")
    assert (via.protocol, via.version, via.transport) == ("SIP", "7.0", "UNKNOWN")
    assert str(via) == "SIP/7.0/UNKNOWN h;branch=1"


def test_ipv6() -> None:
    via = Via.parse("SIP/2.0/UDP [::ffff:192.0.2.9]:19823;branch=z")
    assert (via.host, via.port) == ("::ffff:192.0.2.9", 19823)
    assert via.sent_by == "[::ffff:192.0.2.9]:19823"
    assert str(via) == "SIP/2.0/UDP [::ffff:192.0.2.9]:19823;branch=z"


@pytest.mark.parametrize("received", ["2001:db8::9", "[2001:db8::9]"])
def test_received_ipv6_with_and_without_brackets(received: str) -> None:
    # RFC 5118 section 4.5
    via = Via.parse(f"SIP/2.0/UDP h;received={received};branch=z")
    assert via.received == "2001:db8::9"
    assert str(via) == f"SIP/2.0/UDP h;received={received};branch=z"


@pytest.mark.parametrize(
    ("params", "rport", "wanted"),
    [
        ("", None, False),
        (";rport", None, True),
        (";RPORT", None, True),
        (";rport=5071", 5071, False),
        (";rport=x", None, False),
        (";rport=65536", None, False),
    ],
)
def test_rport(params: str, rport: int | None, wanted: bool) -> None:
    # RFC 3581 sections 3 and 4
    via = Via.parse(f"SIP/2.0/UDP h{params}")
    assert via.rport == rport
    assert via.wants_rport is wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        "SIP/2.0/UDP",
        "SIP/2.0 h",
        "SIP/2.0/UDPh:",
        "SIP/2.0/UDP h:",
        "SIP/2.0/UDP h:99999",
        "SIP/2.0/UDP h:a",
        "SIP/2.0/UDP h h",
        "SIP/2.0/UDP 2001:db8::1",
        "SIP/2.0/UDP [2001:db8::1",
        "SIP/2.0/UDP h;",
        "SIP/2.0/UDP h;;branch=z",
        "SIP/2.0/UDP h;branch=",
        "SIP/2.0/UDP h;branch=z,SIP/2.0/UDP g",
        "SIP/2.0/UDP h@g",
        "SIP/2.0/UDP ü",
    ],
)
def test_what_is_no_via(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        Via.parse(text)
    assert caught.value.status == 400


def test_lists() -> None:
    vias = parse_list('SIP/2.0/UDP a;x="1,2", SIP/2.0/TCP b')
    assert [via.sent_by for via in vias] == ["a", "b"]
    with pytest.raises(ParseError):
        parse_list("SIP/2.0/UDP a,,")


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("SIP/2.0/UDP h:5;;,;,,", "SIP/2.0/UDP h:5"),
        ("SIP/2.0/UDP h;rport;branch=z;;x", "SIP/2.0/UDP h;rport;branch=z"),
        ("SIP/2.0/UDP h:5x", "SIP/2.0/UDP h:5"),
    ],
)
def test_the_readable_beginning_of_a_malformed_via(text: str, rest: str) -> None:
    # 18.2.2: enough to send a response to.
    assert str(Via.salvage(text)) == rest


@pytest.mark.parametrize("text", ["", "SIP/2.0/UDP", "SIP/2.0/UDP ;branch=z", "x y"])
def test_nothing_of_a_via_is_readable(text: str) -> None:
    assert Via.salvage(text) is None


@pytest.mark.parametrize(
    "tail",
    [
        ";rport;branch=z9hG4bK1",
        ";branch=z9hG4bK1;rport=5062;received=192.0.2.1",
        ";branch=z9hG4bK1;a;b=[::1];c",
        ";BRANCH=z9hG4bK1",
        ' ; branch = z9hG4bK1;x="a;b"',
    ],
)
def test_parameters_are_the_same_however_they_are_read(tail: str) -> None:
    # A text as long as that is read as a whole, a shorter one by its parts.
    long = f";padding={'p' * 2000}"
    whole, parts = Via.parse(f"SIP/2.0/UDP h{tail}{long}"), Via.parse(f"SIP/2.0/UDP h{tail}")
    assert list(parts.params) == list(whole.params)[:-1]
    assert parts.branch == "z9hG4bK1"


@pytest.mark.parametrize(
    "tail", [";", ";;a", ";rport;", ";a=", ";rport;b=a,c", ";rport;b=<a>", ';rport;b="a']
)
def test_malformed_parameters_are_refused(tail: str) -> None:
    with pytest.raises(ParseError):
        Via.parse(f"SIP/2.0/UDP h{tail}")
