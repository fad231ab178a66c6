"""What is refused by the octets of its head gets what it would get if it were parsed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picosip_server.engine.guard.head import Head, acknowledges_refusal
from picosip_server.engine.guard.refusals import Refusals
from picosip_server.engine.intake import retry_later, stamp, stateless_response, way_back
from picosip_server.engine.network import Source
from picosip_server.sip.message import Request
from picosip_server.sip.parse import parse
from picosip_server.sip.ua.keys import server_key

SECRET = b"s" * 16
SOURCE = Source("UDP", "10.0.0.2", 5099, "10.0.0.1", 5060, 3)
BRANCH = "branch=z9hG4bK77ef"


def head(method: str = "INVITE", uri: str = "sip:b@x", **lines: str) -> bytes:
    """A request; what stands for ``via``, ``to``... is a whole line, or several."""
    fields = {
        "via": f"Via: SIP/2.0/UDP 10.0.0.2:5062;{BRANCH}",
        "from": 'From: "A: B" <sip:a@y;x=1>;tag=9',
        "to": "To: <sip:b@x>",
        "call_id": "Call-ID: 1-2@y",
        "cseq": f"CSeq: 1 {method}",
        "other": "Contact: <sip:a@10.0.0.2:5062>\r\nMax-Forwards: 70\r\nContent-Length: 0",
    } | lines
    return "\r\n".join((f"{method} {uri} SIP/2.0", *fields.values(), "", "")).encode()


USUAL = [
    head(),
    head("OPTIONS", "sips:b@x;transport=tcp"),
    head("MESSAGE", to="To: B <sip:b@x:5060;user=phone>"),
    head(via="Via: SIP/2.0/UDP 10.0.0.2;" + BRANCH),
    head(via=f"Via: SIP/2.0/UDP 10.0.0.9:5070;{BRANCH}"),
    head(via=f"Via: SIP/2.0/UDP pub.example;rport;{BRANCH};x=y"),
    head(via=f"Via: SIP/2.0/UDP 10.0.0.2:5062;{BRANCH};rport"),
    head(via=f"v: SIP/2.0/UDP [2001:db8::1]:5070;{BRANCH};rport"),
    head(
        via=f"Via: SIP/2.0/UDP 10.0.0.2;{BRANCH}\r\nVia: SIP/2.0/TCP 10.0.0.7;branch=z9hG4bKa",
        other="Record-Route: <sip:p>\r\nX: y",
    ),
    head(**{"from": "f: sip:a@y;tag=1", "to": "t:<sip:b@x>", "call_id": "i:\t77"}),
    head(other="Subject : spaces before the colon\r\nsubject:"),
]

UNUSUAL = [
    b"",
    b"nothing of the kind\r\n\r\n",
    head()[:-2],
    head("ACK"),
    head("CANCEL"),
    head(uri="tel:+1"),
    head(to="To: <sip:b@x>;tag=0123456789abcdef"),
    head(to="To: sip:b@x"),
    head(to='To: "quo\\"ted" <sip:b@x>'),
    head(via=f"Via: SIP/2.0/UDP 10.0.0.2;{BRANCH}, SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKb"),
    head(via="Via: SIP/2.0/UDP 10.0.0.2;branch=1"),
    head(via="Via: SIP/2.0/UDP 10.0.0.2"),
    head(via=f"Via: SIP/2.0/UDP 10.0.0.2:65536;{BRANCH}"),
    head(via=f"Via: SIP/2.0/TCP 10.0.0.2;{BRANCH}"),
    head(via=f"Via: SIP/2.0/UDP 10.0.0.2;{BRANCH};maddr=224.2.0.1"),
    head(via=f"Via: SIP/2.0/UDP 10.0.0.2;{BRANCH};received=10.0.0.3"),
    head(via=f"Via: SIP/2.0/UDP 10.0.0.2;{BRANCH};rport=9"),
    head(via=f"Via: SIP/2.0/UDP 10.0.0.2;{BRANCH};Branch=z9hG4bKc"),
    head(via=f"Via: SIP/2.0/UDP 10.0.0.2\r\n ;{BRANCH}"),
    head(cseq="CSeq: 1 BYE"),
    head(cseq="CSeq: x INVITE"),
    head(call_id="Call-ID: 1\r\ni: 2"),
    head(call_id="X: y"),
    head(other="X: a\nb"),
    head(other="X: a\rb"),
]


@pytest.mark.parametrize("source", [SOURCE, replace(SOURCE, host="2001:db8::1")])
@pytest.mark.parametrize("data", USUAL)
def test_it_is_the_answer_that_a_parser_leads_to(data: bytes, source: Source) -> None:
    found = Head.of_new(data, source)
    assert found is not None
    request = parse(data)
    assert isinstance(request, Request)
    stamp(request, source)
    assert found.key == server_key(request)
    assert (found.port, found.secure) == (
        way_back(request, source).port,
        way_back(request, source).secure,
    )
    full = stateless_response(request, 503, SECRET, (retry_later(request, SECRET),))
    brief = parse(found.refuse(found.tag(SECRET)))
    for name in ("Via", "From", "To", "Call-ID", "CSeq", "Retry-After"):
        assert brief.headers.get_all(name) == full.headers.get_all(name), name
    assert (brief.status, brief.reason, brief.body) == (full.status, full.reason, b"")  # type: ignore[union-attr]


@pytest.mark.parametrize("data", UNUSUAL)
def test_whatever_is_unusual_is_for_the_parser(data: bytes) -> None:
    assert Head.of_new(data, SOURCE) is None


def test_what_comes_over_a_connection_is_for_the_parser() -> None:
    assert Head.of_new(head(), replace(SOURCE, transport="TCP")) is None


def acknowledgement(data: bytes) -> tuple[bytes, bytes]:
    """The ACK to the refusal of an INVITE, and the tag of both."""
    found = Head.of_new(data, SOURCE)
    assert found is not None
    tag = parse(found.refuse(found.tag(SECRET))).to.tag.encode()
    return data.replace(b"INVITE", b"ACK").replace(b"<sip:b@x>", b"<sip:b@x>;tag=" + tag), tag


@pytest.mark.parametrize("data", USUAL[3:8])
def test_its_ack_is_known_again(data: bytes) -> None:
    ack, _ = acknowledgement(data)
    assert acknowledges_refusal(ack, SOURCE, SECRET)
    assert not acknowledges_refusal(ack, SOURCE, b"another" * 2)
    assert not acknowledges_refusal(ack.replace(b"77ef", b"77ee"), SOURCE, SECRET)
    assert not acknowledges_refusal(data, SOURCE, SECRET)


def test_the_tags_of_late_are_remembered() -> None:
    # Its Via is no longer the one that the tag was made from, so that nothing else can tell.
    ack, tag = acknowledgement(USUAL[3])
    ack = ack.replace(b"z9hG4bK", b"z9hG4bKx")
    refusals = Refusals(SECRET, most=2)
    assert not refusals.acknowledged_by(ack, SOURCE)
    refusals.gave(tag)
    refusals.gave(b"another")
    assert refusals.acknowledged_by(ack, SOURCE)
    assert not refusals.acknowledged_by(ack.replace(tag, tag[:-1] + b"g"), SOURCE)
    assert not refusals.acknowledged_by(ack.replace(b"ACK", b"BYE"), SOURCE)
    refusals.gave(b"a third one")
    assert not refusals.acknowledged_by(ack, SOURCE)


def test_an_ack_that_was_forgotten_is_read() -> None:
    ack, tag = acknowledgement(USUAL[3])
    refusals = Refusals(SECRET)
    assert refusals.acknowledged_by(ack, SOURCE)
    # One that has a tag before it which begins as ours do, too.
    ack = ack.replace(b";tag=9", b";tag=" + tag[:4] + b"0" * 12)
    assert refusals.acknowledged_by(ack, SOURCE)
