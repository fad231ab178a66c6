"""Typed access to headers, and messages written to octets (RFC 3261 sections 7 and 20)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from picosip_server.sip.address import Address
from picosip_server.sip.errors import LocalProtocolError, ParseError
from picosip_server.sip.headers import Headers
from picosip_server.sip.message import Message, Request, Response
from picosip_server.sip.uri import STAR, Uri
from picosip_server.sip.values import CSeq, RAck
from picosip_server.sip.via import Via


def _request(*fields: tuple[str, str], body: bytes = b"") -> Request:
    return Request("INVITE", "sip:piet@h", Headers(fields), body)


def test_the_typed_headers() -> None:
    message = _request(
        ("v", "SIP/2.0/UDP a;branch=1, SIP/2.0/TCP b"),
        ("Via", "SIP/2.0/TLS c"),
        ("f", "<sip:olga@h>;tag=1"),
        ("t", "<sip:piet@h>"),
        ("i", "x@y"),
        ("CSeq", "7 INVITE"),
        ("m", "<sip:1@h>, sip:2@h;q=0.5"),
        ("Contact", "<sip:3@h>"),
        ("Route", "<sip:r1;lr>,<sip:r2;lr>"),
        ("Record-Route", "<sip:q1;lr>"),
        ("Require", "100rel, TIMER"),
        ("k", "Replaces"),
        ("Supported", "100rel,"),
        ("Allow", "INVITE, ACK"),
        ("c", "Application / SDP ; charset=x"),
        ("Expires", "60"),
        ("Max-Forwards", "0070"),
        ("RSeq", "4294967295"),
        ("RAck", "3 7 INVITE"),
    )
    assert message.via == Via.parse("SIP/2.0/UDP a;branch=1")
    assert [via.sent_by for via in message.vias] == ["a", "b", "c"]
    assert message.from_ == Address.parse("<sip:olga@h>;tag=1")
    assert message.to == Address.parse("<sip:piet@h>")
    assert message.call_id == "x@y"
    assert message.cseq == CSeq(7, "INVITE")
    assert [each.uri.user for each in message.contacts] == ["1", "2", "3"]
    assert [each.uri.host for each in message.routes] == ["r1", "r2"]
    assert [each.uri.host for each in message.record_routes] == ["q1"]
    assert message.require == ["100rel", "timer"]
    assert message.supported == ["replaces", "100rel"]
    assert message.allow == ["INVITE", "ACK"]
    assert message.content_type == "application/sdp"
    assert message.expires == 60
    assert message.max_forwards == 70
    assert message.rseq == 4294967295
    assert message.rack == RAck(3, 7, "INVITE")
    assert message.uri == Uri.parse("sip:piet@h")


def test_headers_that_may_be_absent() -> None:
    message = _request()
    assert message.vias == []
    assert message.contacts == message.routes == message.record_routes == ()
    assert message.require == message.supported == message.allow == []
    assert message.content_type == ""
    assert message.expires is message.max_forwards is message.rseq is None
    assert message.rack is None


_MANDATORY: list[tuple[str, Callable[[Message], object]]] = [
    ("Via", lambda message: message.via),
    ("From", lambda message: message.from_),
    ("To", lambda message: message.to),
    ("Call-ID", lambda message: message.call_id),
    ("CSeq", lambda message: message.cseq),
]


@pytest.mark.parametrize(("name", "read"), _MANDATORY)
def test_headers_that_must_not_be_absent(name: str, read: Callable[[Message], object]) -> None:
    with pytest.raises(ParseError, match=f"^{name} is missing$"):
        read(_request())


_BAD: list[tuple[str, str, Callable[[Message], object]]] = [
    ("Via", "SIP/2.0/UDP a;;", lambda message: message.via),
    ("Via", "SIP/2.0/UDP a,", lambda message: message.vias),
    ("From", '"a', lambda message: message.from_),
    ("From", "*", lambda message: message.from_),
    ("To", "a b", lambda message: message.to),
    ("To", "*", lambda message: message.to),
    ("CSeq", "INVITE", lambda message: message.cseq),
    ("CSeq", "1INVITE", lambda message: message.cseq),
    ("CSeq", "1 INVITE x", lambda message: message.cseq),
    ("CSeq", "-1 INVITE", lambda message: message.cseq),
    ("CSeq", "٣ INVITE", lambda message: message.cseq),
    # 8.1.1.5
    ("CSeq", "2147483648 INVITE", lambda message: message.cseq),
    ("CSeq", f"{10**30} INVITE", lambda message: message.cseq),
    ("Contact", "a b", lambda message: message.contacts),
    ("Contact", "<sip:a>,*", lambda message: message.contacts),
    ("Contact", "*,*", lambda message: message.contacts),
    ("Route", "<sip:a", lambda message: message.routes),
    ("Route", "*", lambda message: message.routes),
    ("Record-Route", "<sip:a>,", lambda message: message.record_routes),
    ("Content-Type", "text", lambda message: message.content_type),
    ("Content-Type", "", lambda message: message.content_type),
    ("Content-Type", "a b/c", lambda message: message.content_type),
    ("Content-Type", "text/", lambda message: message.content_type),
    ("Expires", "soon", lambda message: message.expires),
    ("Expires", "4294967296", lambda message: message.expires),
    ("Expires", "1" + "0" * 100, lambda message: message.expires),
    ("Max-Forwards", "256", lambda message: message.max_forwards),
    ("RSeq", "4294967296", lambda message: message.rseq),
    ("RAck", "1 INVITE", lambda message: message.rack),
    ("RAck", "1 2 (", lambda message: message.rack),
    ("RAck", "4294967296 1 INVITE", lambda message: message.rack),
    ("RAck", "1 2147483648 INVITE", lambda message: message.rack),
]


@pytest.mark.parametrize(("name", "value", "read"), _BAD)
def test_bad_values_raise_when_they_are_read(
    name: str, value: str, read: Callable[[Message], object]
) -> None:
    message = _request((name, value))
    for _ in range(2):
        with pytest.raises(ParseError) as caught:
            read(message)
        assert caught.value.status == 400


def test_the_star_is_a_contact_when_it_is_alone() -> None:
    (contact,) = _request(("Contact", "*")).contacts
    assert contact.uri is STAR


def test_a_value_is_parsed_once_until_the_headers_change() -> None:
    message = _request(
        ("Via", "SIP/2.0/UDP a"),
        ("To", "<sip:a>"),
        ("From", "<sip:a>"),
        ("CSeq", "1 A"),
        ("Contact", "<sip:a>"),
    )
    reads: list[Callable[[], object]] = [
        lambda: message.via,
        lambda: message.vias,
        lambda: message.to,
        lambda: message.from_,
        lambda: message.cseq,
        lambda: message.contacts,
    ]
    before = [read() for read in reads]
    assert all(read() is value for read, value in zip(reads, before, strict=True))
    message.headers.set("To", "<sip:b>")
    assert message.to.uri.host == "b"
    message.headers.insert(0, "Via", "SIP/2.0/UDP b")
    assert message.via.host == "b"
    assert len(message.vias) == 2
    message.headers = Headers([("To", "<sip:c>")])
    assert message.to.uri.host == "c"


def test_the_top_via_is_replaced_in_its_place() -> None:
    message = _request(
        ("Max-Forwards", "1"),
        ("v", "SIP/2.0/UDP a;rport, SIP/2.0/UDP b"),
        ("Via", "SIP/2.0/UDP c"),
        ("To", "<sip:t>"),
    )
    to = message.to
    assert len(message.vias) == 3
    via = message.via
    message.replace_top_via(
        Via(transport="UDP", host="a", params=via.params.with_("received", "192.0.2.1"))
    )
    assert list(message.headers)[1:3] == [
        ("Via", "SIP/2.0/UDP a;rport;received=192.0.2.1, SIP/2.0/UDP b"),
        ("Via", "SIP/2.0/UDP c"),
    ]
    assert message.via.received == "192.0.2.1"
    assert [each.received for each in message.vias] == ["192.0.2.1", "", ""]
    assert message.to is to


def test_the_uri_of_a_request_is_parsed_when_it_is_read() -> None:
    uri = Uri.parse("sip:a@h;lr")
    assert Request("ACK", uri, Headers()).uri is uri
    assert Request("ACK", uri, Headers()).uri_text == "sip:a@h;lr"
    request = Request("ACK", "sip:a@h;lr", Headers())
    assert request.uri == uri
    with pytest.raises(ParseError):
        _ = Request("ACK", "<sip:a>", Headers()).uri


def test_content_length_is_appended() -> None:
    fields = [("To", "<sip:a@h>"), ("x", "д\udcff")]
    assert Request("BYE", "sip:a@h", Headers(fields), b"\x00\r").encode() == (
        b"BYE sip:a@h SIP/2.0\r\nTo: <sip:a@h>\r\nx: \xd0\xb4\xff\r\n"
        b"Content-Length: 2\r\n\r\n\x00\r"
    )


def test_content_length_is_set_right_where_it_stands() -> None:
    fields = [("l", "99"), ("To", "<sip:a@h>"), ("Content-Length", "7")]
    message = Response(180, "Ringing", Headers(fields), b"abc")
    assert message.encode() == b"SIP/2.0 180 Ringing\r\nl: 3\r\nTo: <sip:a@h>\r\n\r\nabc"
    assert list(message.headers) == fields


def test_an_empty_reason_keeps_its_space() -> None:
    assert Response(100, "", Headers()).encode() == b"SIP/2.0 100 \r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "message",
    [
        Request("BYE", "sip:a\r\nVia: x", Headers()),
        Request("BYE\n", "sip:a", Headers()),
        Response(200, "O\rK", Headers()),
        Response(200, "\ud800", Headers()),
    ],
)
def test_what_cannot_be_written(message: Message) -> None:
    with pytest.raises(LocalProtocolError):
        message.encode()


def test_messages_compare_by_content() -> None:
    one = _request(("To", "<sip:a>"), body=b"x")
    assert one == _request(("To", "<sip:a>"), body=b"x")
    assert one != _request(("To", "<sip:a>"), body=b"y")
    assert one != _request(("To", "<sip:b>"), body=b"x")
    assert one != Request("ACK", "sip:piet@h", one.headers, b"x")
    assert one != Request("INVITE", "sip:olga@h", one.headers, b"x")
    answer = Response(200, "OK", Headers())
    assert answer == Response(200, "OK", Headers())
    assert answer != Response(202, "OK", Headers())
    assert answer != Response(200, "Fine", Headers())
    assert answer != Response(200, "OK", Headers([("a", "b")]))
    assert answer != Response(200, "OK", Headers(), b"x")
    assert answer != one
    assert one != answer


def test_a_message_is_a_request_or_a_response() -> None:
    with pytest.raises(NotImplementedError):
        _ = Message().start_line


def test_repr_shows_the_start_line_only() -> None:
    assert repr(_request(("Authorization", "secret"))) == "<Request INVITE sip:piet@h>"
    assert repr(Response(486, "Busy Here", Headers())) == "<Response 486 Busy Here>"


def test_values_are_written_as_they_are_read() -> None:
    assert str(CSeq.parse("0009 \t INVITE")) == "9 INVITE"
    assert str(CSeq.parse("2147483647 x%")) == "2147483647 x%"
    assert str(RAck.parse("1  02\tINVITE")) == "1 2 INVITE"


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1", "1 ", " INVITE", "INVITE", "-1 INVITE", "+1 INVITE", "1 a b", "1 a,"),
        *("\u0661 INVITE", "1 \u00fc", "1\nINVITE", "2147483648 INVITE", "9" * 30 + " INVITE"),
    ],
)
def test_what_is_no_cseq(text: str) -> None:
    with pytest.raises(ParseError):
        CSeq.parse(text)
