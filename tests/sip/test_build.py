"""Messages made from other messages: RFC 3261 sections 8.2.6, 9.1 and 17.1.1.3."""

from __future__ import annotations

import pytest

from picosip_server.sip.build import ack_for_refusal, cancel_for, response_to
from picosip_server.sip.message import Request
from picosip_server.sip.parse import parse
from tests.sip import messages

ECHOED = [
    ("Via", "SIP/2.0/UDP pub.green.example:5062;branch=z9hG4bKgr1;rport"),
    ("Via", "SIP/2.0/TCP second.example;branch=z9hG4bK2, SIP/2.0/UDP third;branch=z9hG4bK3"),
    ("From", '"Olga" <sip:olga@green.example>;tag=o1'),
    ("To", "<sip:piet@yellow.example>"),
    ("Call-ID", "c4f1@pub.green.example"),
    ("CSeq", "7 INVITE"),
]


def invite(*more: str, **changes: str) -> Request:
    message = parse(messages.request(f"Via: {ECHOED[1][1]}", *more, **changes))  # type: ignore[arg-type]
    assert isinstance(message, Request)
    return message


def test_a_response_echoes_what_8_2_6_2_names_and_adds_the_tag() -> None:
    response = response_to(invite("Record-Route: <sip:p;lr>", "Subject: x"), 180, to_tag="t1")
    assert (response.status, response.reason, response.body) == (180, "Ringing", b"")
    assert list(response.headers) == [
        *ECHOED[:3],
        ("To", "<sip:piet@yellow.example>;tag=t1"),
        *ECHOED[4:],
    ]


def test_a_tag_that_is_there_stays() -> None:
    """8.2.6.2: the To of a request with a tag is echoed as it is."""
    response = response_to(invite(to="<sip:p@y.example>;tag=old"), 200, to_tag="new")
    assert response.headers.get("To") == "<sip:p@y.example>;tag=old"


def test_a_100_needs_no_tag_and_copies_the_timestamp() -> None:
    """8.2.6.1."""
    response = response_to(invite("Timestamp: 54.2"), 100)
    assert list(response.headers) == [*ECHOED, ("Timestamp", "54.2")]
    assert response.reason == "Trying"


def test_a_late_100_says_how_late_it_is() -> None:
    """8.2.6.1, 20.38: seconds since the request came."""
    response = response_to(invite("Timestamp: 54.2"), 100, delay=3.5)
    assert response.headers.get("Timestamp") == "54.2 3.500"
    assert response_to(invite("Timestamp: 54"), 100, delay=1e-5).headers.get("Timestamp") == "54"


def test_a_100_to_a_request_without_timestamp_has_none() -> None:
    assert list(response_to(invite(), 100).headers) == ECHOED


@pytest.mark.parametrize("status", [180, 200, 486])
def test_other_responses_do_not_copy_the_timestamp(status: int) -> None:
    assert not response_to(invite("Timestamp: 54.2"), status, to_tag="t").headers.has("Timestamp")


def test_reason_headers_and_body_of_the_caller() -> None:
    response = response_to(
        invite(),
        200,
        "Fine",
        to_tag="t1",
        headers=[("Server", "x"), ("Allow", "INVITE")],
        content_type="text/plain",
        body=b"hi",
    )
    assert (response.reason, response.body) == ("Fine", b"hi")
    assert list(response.headers)[6:] == [
        ("Server", "x"),
        ("Allow", "INVITE"),
        ("Content-Type", "text/plain"),
    ]


def ours() -> Request:
    """An INVITE as we send it: with one Via."""
    message = parse(
        messages.request("Route: <sip:p1;lr>", "Route: <sip:p2;lr>", "Require: 100rel", body=b"x")
    )
    assert isinstance(message, Request)
    return message


def test_a_cancel_is_the_request_in_short() -> None:
    """9.1: Request-URI, Call-ID, To, CSeq number, From, the top Via, Route; no Require."""
    cancel = cancel_for(ours())
    assert (cancel.method, cancel.uri_text, cancel.body) == (
        "CANCEL",
        "sip:piet@yellow.example",
        b"",
    )
    assert list(cancel.headers) == [
        ECHOED[0],
        ("Route", "<sip:p1;lr>"),
        ("Route", "<sip:p2;lr>"),
        *ECHOED[2:5],
        ("CSeq", "7 CANCEL"),
        ("Max-Forwards", "70"),
    ]


def test_the_ack_to_a_refusal_takes_its_to_from_the_response() -> None:
    """17.1.1.3."""
    request = ours()
    ack = ack_for_refusal(request, response_to(request, 486, to_tag="busy"))
    assert (ack.method, ack.uri_text, ack.body) == ("ACK", "sip:piet@yellow.example", b"")
    assert list(ack.headers) == [
        ECHOED[0],
        ("Route", "<sip:p1;lr>"),
        ("Route", "<sip:p2;lr>"),
        ECHOED[2],
        ("To", "<sip:piet@yellow.example>;tag=busy"),
        ECHOED[4],
        ("CSeq", "7 ACK"),
        ("Max-Forwards", "70"),
    ]
