"""Header sections: one message of our own per hazard of RFC 4475 and RFC 5118."""

from __future__ import annotations

import pytest

from picosip_server.sip.parse import parse
from picosip_server.sip.uri import STAR
from tests.sip.messages import BASE, parsed, refused, request, response


def test_white_space_folds_and_compact_names() -> None:
    # RFC 4475 section 3.1.1.1
    message = parsed(
        b"INVITE sip:piet@yellow.example;odd SIP/2.0\r\n"
        b"TO :\r\n sip:piet@yellow.example ;   tag    = 191n\r\n"
        b'f   : "Olga \\\\\\""       <sip:olga@green.example>\r\n  ;\r\n  tag = 98\r\n'
        b"MaX-fOrWaRdS: 0068\r\n"
        b"i: c4f1@h\r\n"
        b"cseq: 0009\r\n  INVITE\r\n"
        b"Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.8;branch=390x\r\n"
        b"s :\r\n"
        b"NewName:   new value  \r\n\t continued \t\r\n \r\n"
        b"OddValue: ;;,,;;,;\r\n"
        b"v:  SIP  / 2.0  / TCP     g.example   ;\r\n  branch  =   z9hG4bKi  ,\r\n"
        b" SIP  /    2.0   / UDP  192.168.9.1   ; branch=\r\n z9hG4bK30\r\n"
        b'm:"Quoted \\"\\"" <sip:olga@green.example> ; new =\r\n      value ;\r\n'
        b"  second ; q = 0.33\r\n"
        b"\r\n"
    )
    assert message.to.tag == "191n"
    assert message.from_.display_name == 'Olga \\"'
    assert message.from_.tag == "98"
    assert message.max_forwards == 68
    assert message.cseq.number == 9
    assert [(via.transport, via.host, via.branch) for via in message.vias] == [
        ("UDP", "192.0.2.8", "390x"),
        ("TCP", "g.example", "z9hG4bKi"),
        ("UDP", "192.168.9.1", "z9hG4bK30"),
    ]
    assert message.headers.get("Subject") == ""
    assert message.headers.get("newname") == "new value continued"
    assert message.headers.get("oddvalue") == ";;,,;;,;"
    (contact,) = message.contacts
    assert contact.display_name == 'Quoted ""'
    assert tuple(contact.params) == (("new", "value"), ("second", None), ("q", "0.33"))


def test_the_text_of_headers_survives() -> None:
    # RFC 4475 section 3.1.1.2
    message = parsed(
        request(
            "odd-!.%*+_`'~:\ufeff日本",
            "X: \udcff\udc80",
            "x:  a  b ",
            to='"\\\x07 \\\x00 \\\x7f" <sip:p_1~(o!k)&a+$/b?,/;;*@yellow.example>',
            call_id="a%Zz*{}[]<>()!-_+.'`~?@b:\\/\"",
        )
    )
    assert list(message.headers)[-3:] == [
        ("odd-!.%*+_`'~", "\ufeff日本"),
        ("X", "\udcff\udc80"),
        ("x", "a  b"),
    ]
    assert message.to.display_name == "\x07 \x00 \x7f"
    assert message.to.uri.user == "p_1~(o!k)&a+$/b?,/;;*"
    assert message.call_id == "a%Zz*{}[]<>()!-_+.'`~?@b:\\/\""


@pytest.mark.parametrize(
    "line",
    ["no colon", ": no name", "a b: c", "ä: b", "Via", "X(y): z", "X\x00: y"],
)
def test_malformed_fields(line: str) -> None:
    error = refused(request(line, "Subject: read on"))
    assert error.status == 400
    assert error.request is not None
    assert list(error.request.headers) == [*BASE.items(), ("Subject", "read on")]


@pytest.mark.parametrize("line", ["X: a\nVia: b", "X: a\rb", "\n", "X: a\r"])
def test_a_lone_cr_or_lf_is_refused_and_not_passed_on(line: str) -> None:
    error = refused(request(line))
    assert error.status == 400
    assert error.request is not None
    assert list(error.request.headers) == list(BASE.items())


def test_empty_lines_before_the_start_line() -> None:
    # 7.5
    assert parsed(b"\r\n\r\n\r\n" + request()) == parsed(request())


def test_without_the_empty_line() -> None:
    # RFC 4475 section 3.1.2.15 in its archive form
    error = refused(request()[:-2])
    assert error.status == 400
    assert error.request is not None
    assert error.request.call_id == BASE["Call-ID"]


@pytest.mark.parametrize(
    "data", [b"", b"\r\n", b"\r\n\r\n", b"\x00", b"\xff" * 50, b"x\r\n\r\n", b"\n\n"]
)
def test_hopeless_octets(data: bytes) -> None:
    error = refused(data)
    assert error.status == 400
    assert error.request is None


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_mandatory_fields(name: str) -> None:
    # RFC 4475 section 3.3.1
    error = refused(request(without=(name,)))
    assert error.status == 400
    assert error.request is not None
    assert not error.request.headers.has(name)
    assert len(error.request.headers) == len(BASE) - 1
    assert name in str(error)


@pytest.mark.parametrize("name", ["From", "t", "i", "CSeq", "Max-Forwards", "To", "Call-ID"])
def test_fields_that_must_not_be_repeated(name: str) -> None:
    # RFC 4475 section 3.3.8
    long = {"t": "To", "i": "Call-ID"}.get(name, name)
    error = refused(request(f"{name}: {BASE[long]}"))
    assert error.status == 400
    assert error.request is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"From": '"Olga <sip:olga@h>;tag=1'},
        {"To": '"Piet <sip:piet@h>'},
        {"To": "< sip:piet@h >"},
        {"To": "Niet, Piet <sip:piet@h>"},
        {"To": "*"},
        {"To": ""},
        {"Call-ID": ""},
        {"Call-ID": "a b"},
        {"CSeq": "INVITE"},
        {"CSeq": "7"},
        {"CSeq": "98765432109876543210 INVITE"},
        {"CSeq": "2147483648 INVITE"},
        {"CSeq": "7 OPTIONS"},
        {"CSeq": "7 invite"},
        {"Max-Forwards": "256"},
        {"Max-Forwards": "-1"},
        {"Max-Forwards": ""},
        {"Max-Forwards": "\u0667"},
        {"Contact": '"O" <sip:olga@h>;;;;'},
        {"Contact": "sip:olga@h?Route=%3Csip:g%3E"},
        {"Contact": "*"},
        {"Contact": "<sip:olga@h>,"},
        # RFC 4475 section 3.2.1
        {"Via": "SIP/2.0/UDP pub.green.example:5062;branch=z9hG4bK"},
    ],
)
def test_malformed_values(changes: dict[str, str]) -> None:
    error = refused(request(changes=changes))
    assert error.status == 400
    assert error.request is not None
    assert error.request.via.sent_by == "pub.green.example:5062"


def test_a_malformed_via_is_cut_down_to_what_an_answer_needs() -> None:
    # RFC 4475 section 3.1.2.1
    error = refused(request("Via: SIP/2.0/TCP next", via="SIP/2.0/UDP 192.0.2.77;;,;,"))
    assert error.status == 400
    assert error.request is not None
    assert error.request.headers.get_all("Via") == [
        "SIP/2.0/UDP 192.0.2.77",
        "SIP/2.0/TCP next",
    ]
    assert error.request.via.host == "192.0.2.77"


def test_a_hopeless_via_stays() -> None:
    error = refused(request(via="nonsense"))
    assert error.request is not None
    assert error.request.headers.get("Via") == "nonsense"


def test_only_the_top_via_matters() -> None:
    # RFC 4475 section 3.1.1.10
    message = parsed(request("Via: SIP/2.0/UNKNOWN t2;branch=z9hG4bKk", "Via: nonsense"))
    assert message.via.branch == "z9hG4bKgr1"
    assert parsed(request(via="SIP/2.0/UDP a;branch=1, nonsense")).via.host == "a"


def test_escapes_are_not_undone() -> None:
    # RFC 4475 sections 3.1.1.3 and 3.1.1.4
    message = parsed(
        request(
            "Contact: <sip:%00%00@h>",
            line="INVITE sip:sips%3Apiet%40h@yellow.example SIP/2.0",
            contact="<sip:%00@h;%6C%72;n%61me=v%61lue%25%34%31>",
            to="sip:null-%00-null@yellow.example",
        )
    )
    assert message.uri.user == "sips%3Apiet%40h"
    assert message.to.uri.user == "null-%00-null"
    assert [each.uri.user for each in message.contacts] == ["%00", "%00%00"]
    assert tuple(message.contacts[0].uri.params) == (
        ("%6C%72", None),
        ("n%61me", "v%61lue%25%34%31"),
    )


def test_a_semicolon_in_the_user_part() -> None:
    # RFC 4475 section 3.1.1.9
    message = parsed(request(line="INVITE sip:piet;par=u%40g@yellow.example SIP/2.0"))
    assert (message.uri.user, message.uri.host) == ("piet;par=u%40g", "yellow.example")
    assert tuple(message.uri.params) == ()


def test_what_is_tolerated() -> None:
    # RFC 4475 sections 3.1.2.12, 3.3.4, 3.3.7, 3.3.11, 3.4.1 and 3.1.2.3 (CSeq 0)
    message = parsed(
        request(
            "Date: Mon, 03 Feb 2020 08:00:00 CET",
            "Authorization: Riddle a=b",
            "Expires: " + "9" * 100,
            max_forwards="0",
            to="isbn:901",
            contact="<nick:piet>",
            via="SIP/2.0/UDP old.example",
            cseq="0 INVITE",
        )
    )
    assert message.max_forwards == 0
    assert message.to.uri.scheme == "isbn"
    assert message.via.branch == ""
    assert parsed(request(without=("Max-Forwards",))).max_forwards is None
    assert message.cseq.number == 0


def test_contacts_matter_where_they_are_used() -> None:
    bad = {"Contact": "<sip:olga@h"}
    assert parse(request(line="OPTIONS sip:a SIP/2.0", cseq="7 OPTIONS", changes=bad))
    assert (
        refused(request(line="REGISTER sip:a SIP/2.0", cseq="7 REGISTER", changes=bad)).request
        is not None
    )
    assert parse(response(line="SIP/2.0 302 Moved", changes=bad))
    assert refused(response(line="SIP/2.0 180 Ringing", changes=bad)).request is None
    star = request(line="REGISTER sip:a SIP/2.0", cseq="7 REGISTER", contact="*")
    assert parsed(star).contacts[0].uri is STAR


def test_a_route_set_that_a_dialog_would_need() -> None:
    # 12.1.1
    assert refused(request("Record-Route: sip:a b")).status == 400
    assert parse(request("Record-Route: sip:a b", line="OPTIONS sip:a SIP/2.0", cseq="7 OPTIONS"))


@pytest.mark.parametrize("cseq", ["123456789012345678901234 INVITE", "x"])
def test_a_bad_response_is_not_answered(cseq: str) -> None:
    # RFC 4475 section 3.1.2.5
    assert refused(response(cseq=cseq)).request is None


def test_a_response_may_have_any_branch() -> None:
    assert parse(response(via="SIP/2.0/UDP a;branch=z9hG4bK")).via.branch == "z9hG4bK"


def test_ipv6() -> None:
    # RFC 5118 sections 4.1 to 4.10
    message = parsed(
        request(
            line="INVITE sip:piet@[2001:db8:::192.0.2.1]:5070 SIP/2.0",
            via="SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3",
            contact='"O" <sip:olga@[::ffff:192.0.2.2]>',
        )
    )
    assert (message.uri.host, message.uri.port) == ("2001:db8:::192.0.2.1", 5070)
    assert message.via.host == "2001:db8::9:1"
    assert message.via.received == "2001:db8::9:255"
    assert message.contacts[0].uri.host == "::ffff:192.0.2.2"
