"""What a server answers without any state, and how it finds the way back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picosip_server.engine.network import Source
from picosip_server.sip.message import Response
from picosip_server.sip.ua import commands, events, inspect
from tests.engine.probe import FAR, HERE, SOURCE, Server, octets
from tests.sip import capabilities, messages

ALLOW = ("Allow", capabilities.ALLOW)
ECHOED = [
    ("Via", f"SIP/2.0/UDP pub.green.example:5062;branch=z9hG4bKgr1;rport=5099;received={FAR}"),
    ("From", '"Olga" <sip:olga@green.example>;tag=o1'),
]


def tagged(response: Response) -> str:
    """The tag that was given; the same request gets the same."""
    tag = response.to.tag
    assert len(tag) == 16
    return tag


@pytest.mark.parametrize(
    ("data", "status", "header"),
    [
        # 8.2.1: known and unknown methods.
        (octets("REGISTER"), 405, ALLOW),
        (octets("MESSAGE"), 405, ("Allow", inspect.ALLOW.replace(", MESSAGE", ""))),
        # RFC 6665 4.2.1.1 and 4.1.3: no such event, no such subscription.
        (octets("SUBSCRIBE", "Event: presence"), 489, None),
        (octets("NOTIFY", "Event: presence"), 481, None),
        (octets("NEWMETHOD"), 501, ALLOW),
        # 8.2.2.1
        (octets("INVITE", uri="http://example.com"), 416, None),
        # 8.2.2.3
        (octets("INVITE", "Require: frob, 100rel"), 420, ("Unsupported", "frob")),
        (octets("OPTIONS", "Require: outbound"), 420, ("Unsupported", "outbound")),
        # 8.2.3
        (
            octets("INVITE", "Content-Type: text/plain", body=b"x"),
            415,
            ("Accept", "application/sdp"),
        ),
        (
            octets("INVITE", "Content-Type: application/sdp", "Content-Encoding: gzip", body=b"x"),
            415,
            ("Accept-Encoding", "identity"),
        ),
        # RFC 4475 3.3.15
        (octets("INVITE", "Accept: text/plain"), 406, None),
        # 12.2.2: outside a dialog, or in one that does not exist.
        (octets("BYE"), 481, None),
        (octets("PRACK", "RAck: 1 1 INVITE"), 481, None),
        # 9.2
        (octets("CANCEL"), 481, None),
    ],
)
def test_requests_that_the_stack_refuses_itself(
    data: bytes, status: int, header: tuple[str, str] | None
) -> None:
    server = Server()
    response = server.ask(data)
    assert response.status == status
    to = ("To", f"<sip:piet@yellow.example>;tag={tagged(response)}")
    cseq = response.cseq
    assert list(response.headers) == [
        *ECHOED,
        to,
        ("Call-ID", "c4f1@pub.green.example"),
        ("CSeq", f"7 {cseq.method}"),
        *([header] if header else []),
        ("Content-Length", "0"),
    ]
    # 8.2.7: a repetition gets the very same, though nothing was kept.
    server.hear(data)
    assert server.out[0][2] == server.out[1][2]
    assert server.core.idle
    assert server.events == []


def test_a_request_in_a_dialog_that_does_not_exist_gets_481() -> None:
    """12.2.2; an ACK gets nothing."""
    server = Server("MESSAGE")
    for method in ("BYE", "INVITE", "MESSAGE", "NEWMETHOD"):
        response = server.ask(octets(method, to="<sip:piet@yellow.example>;tag=gone"))
        assert (response.status, response.to.tag) == (481, "gone")
    assert server.hear(octets("ACK", to="<sip:piet@yellow.example>;tag=gone")) == []


@pytest.mark.parametrize(
    ("data", "status", "fault"),
    [
        (octets("INVITE", max_forwards="300"), 400, "Max-Forwards: number above 255"),
        (octets("INVITE", "Content-Length: 9"), 400, "body shorter than Content-Length"),
        (octets("INVITE", body=b"v=0"), 400, "a body without Content-Type"),
        (octets("INVITE", "Expires: soon"), 400, "Expires: not a number"),
        (octets("PRACK", "RAck: x"), 400, "malformed RAck"),
        (
            octets("INVITE", contact="<sip:a@x>, <sip:b@x>"),
            400,
            "what makes a dialog needs exactly one Contact, with a SIP URI",
        ),
        (
            octets("INVITE", contact="<tel:+31>"),
            400,
            "what makes a dialog needs exactly one Contact, with a SIP URI",
        ),
    ],
)
def test_faulty_requests_are_answered_with_the_reason(data: bytes, status: int, fault: str) -> None:
    """21.4.1; 8.2.6.2: with a To tag; 18.2: back to where they came from."""
    server = Server()
    response = server.ask(data)
    assert (response.status, response.headers.get("Warning")) == (
        status,
        f'399 picosip "{fault}"',
    )
    assert list(response.headers)[:2] == ECHOED
    tagged(response)
    assert server.out[0][1].port == 5099
    assert server.counter("parse_errors") == 1


def test_an_unsupported_version_gets_505() -> None:
    """21.5.6."""
    assert Server().ask(messages.request(line="INVITE sip:a@b SIP/7.0")).status == 505


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        # RFC 3261 18.1.2, 17.1.1.3: neither responses nor ACKs have a response.
        messages.response(line="SIP/2.0 999 Odd"),
        octets("ACK", max_forwards="300"),
        octets("INVITE", via="nonsense"),
        messages.request(without=("Via",)),
    ],
)
def test_what_cannot_be_answered_is_dropped(data: bytes) -> None:
    server = Server()
    assert server.hear(data) == []
    assert server.counter("parse_errors") == 1


@pytest.mark.parametrize("to", ["<sip:piet", "<sip:piet@yellow.example>;tag=old"])
def test_a_faulty_request_keeps_a_to_that_cannot_take_a_tag(to: str) -> None:
    """8.2.6.2: one that cannot be read, or has a tag, is echoed."""
    server = Server()
    server.arrive(octets("INVITE", to=to, max_forwards="300"), SOURCE)
    assert f"To: {to}\r\n".encode() in server.out[0][2]


def test_a_faulty_request_keeps_all_its_vias_in_their_order() -> None:
    """8.2.6.2."""
    server = Server()
    more = [f"SIP/2.0/TCP p{number}.example;branch=z9hG4bK{number}" for number in (1, 2, 3)]
    response = server.ask(octets("INVITE", *(f"Via: {via}" for via in more), max_forwards="300"))
    assert response.headers.get_all("Via") == [ECHOED[0][1], *more]


def test_a_header_that_is_missing_cannot_be_echoed() -> None:
    """21.4.1: the rest of what 8.2.6.2 names is."""
    server = Server()
    server.arrive(messages.request(without=("Call-ID",)), SOURCE)
    lines = server.out[0][2].decode().split("\r\n")
    assert lines[0] == "SIP/2.0 400 Bad Request"
    assert [line.split(":")[0] for line in lines[1:6]] == [
        *("Via", "From", "To", "CSeq", "Warning")
    ]


def test_options_tell_what_this_server_can_do() -> None:
    """11.2."""
    server = Server(accept=("application/isup",))
    response = server.ask(octets("OPTIONS", "Accept: application/sdp"))
    assert (response.status, list(response.headers)[5:]) == (
        200,
        [
            ALLOW,
            ("Accept", "application/sdp, application/isup"),
            ("Accept-Encoding", "identity"),
            ("Accept-Language", "en"),
            ("Supported", capabilities.SUPPORTED),
            ("Content-Length", "0"),
        ],
    )


@pytest.mark.parametrize(
    ("method", "status"), [("OPTIONS", 200), ("INVITE", 100), ("MESSAGE", 405)]
)
def test_max_forwards_is_not_for_those_who_answer(method: str, status: int) -> None:
    """8.2 asks nothing of it, and section 11 has whoever gets an OPTIONS with 0 answer it."""
    server = Server()
    assert server.ask(octets(method, max_forwards="0")).status == status
    assert len(server.of(events.CallReceived)) == (1 if method == "INVITE" else 0)


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_the_same_request_by_another_way_gets_482(method: str) -> None:
    """8.2.2.2: same From tag, Call-ID and CSeq, another branch."""
    server = Server("MESSAGE")
    server.hear(octets(method))
    other = octets(method, via="SIP/2.0/UDP other.example;branch=z9hG4bKother;rport")
    assert server.ask(other).status == 482
    assert len(server.events) == 1


def test_an_ack_that_matches_nothing_is_dropped() -> None:
    server = Server()
    assert server.hear(octets("ACK")) == []
    assert server.counter("acks_unmatched") == 1


def test_a_retransmitted_invite_gets_the_same_octets_again() -> None:
    """17.2.1."""
    server = Server()
    assert server.ask(octets("INVITE")).status == 100
    assert server.ask(octets("INVITE")).status == 100
    assert server.out[0][2] == server.out[1][2]
    assert server.counter("retransmissions_received") == 1
    assert server.counter("retransmissions_sent") == 1
    assert [type(event) for event in server.events] == [events.CallReceived]


def test_a_retransmitted_cancel_gets_the_same_octets_again() -> None:
    """9.2, 17.2.2."""
    server = Server()
    server.hear(octets("INVITE"))
    answers = server.hear(octets("CANCEL"))
    assert [(each.status, each.cseq.method) for each in answers if isinstance(each, Response)] == [
        (200, "CANCEL"),
        (487, "INVITE"),
    ]
    (again,) = server.hear(octets("CANCEL"))
    assert again == answers[0]
    assert server.counter("retransmissions_received") == 1
    # 9.2: with the To tag of the INVITE's responses.
    assert answers[0].to.tag == answers[1].to.tag != ""


def test_a_request_without_cookie_is_matched_as_rfc_2543_has_it() -> None:
    """17.2.3: Request-URI, From tag, Call-ID, CSeq number, sent-by and method."""
    server = Server()
    old = "SIP/2.0/UDP old.example:5062;branch=1"
    server.hear(octets("INVITE", via=old))
    (again,) = server.hear(octets("INVITE", via=old))
    assert isinstance(again, Response)
    assert (again.status, server.counter("retransmissions_received")) == (100, 1)
    server.on_call(commands.Reject, server.call(), status=486)
    refusal = server.out[-1][2]
    assert refusal.startswith(b"SIP/2.0 486")
    # The ACK stops the refusal: timer G would send it again.
    server.hear(octets("ACK", via=old))
    assert server.later(40) == []


@pytest.mark.parametrize(
    "more",
    [
        (),
        # 8.1.3.3: a second Via means that it is not for us.
        ("Via: SIP/2.0/UDP second.example;branch=z9hG4bK2",),
        ("Via: nonsense",),
    ],
)
def test_a_response_that_matches_nothing_is_dropped(more: tuple[str, ...]) -> None:
    """18.1.2, 17.1.3."""
    server = Server()
    assert server.hear(messages.response(*more)) == []
    assert server.counter("responses_unmatched") == 1
    assert server.counter("responses_received_2xx") == 1


def test_a_response_with_two_vias_does_not_reach_its_transaction() -> None:
    """8.1.3.3."""
    server = Server()
    server.invite(f"sip:ute@{FAR}")
    via = server.request().headers.get("Via") or ""
    lines = [f"Via: {via}", "Via: SIP/2.0/UDP x;branch=z9hG4bK2", "From: <sip:a@b>;tag=1"]
    lines += ["To: <sip:a@b>;tag=2", "Call-ID: x", "CSeq: 1 INVITE", "Content-Length: 0", "", ""]
    server.hear("\r\n".join(("SIP/2.0 486 Busy", *lines)).encode())
    assert server.counter("responses_unmatched") == 1
    assert server.of(events.CallEnded) == []


# The way back: RFC 3261 sections 18.2.1 and 18.2.2, RFC 3581.


@pytest.mark.parametrize(
    ("via", "stamped", "host", "port"),
    [
        # RFC 3581 section 4: rport is filled in, and received with it.
        (
            f"SIP/2.0/UDP {FAR}:5062;branch=z9hG4bKa;rport",
            f"SIP/2.0/UDP {FAR}:5062;branch=z9hG4bKa;rport=5099;received={FAR}",
            FAR,
            5099,
        ),
        # 18.2.1: a host that differs from the source is noted.
        (
            "SIP/2.0/UDP pub.example:5062;branch=z9hG4bKa",
            f"SIP/2.0/UDP pub.example:5062;branch=z9hG4bKa;received={FAR}",
            FAR,
            5062,
        ),
        ("SIP/2.0/UDP pub.example;branch=z9hG4bKa", None, FAR, 5060),
        # 18.2.1: nothing to note.
        (f"SIP/2.0/UDP {FAR}:5062;branch=z9hG4bKa", "", FAR, 5062),
        # 18.2.2: maddr, and the port of sent-by.
        (f"SIP/2.0/UDP {FAR}:5062;branch=z9hG4bKa;maddr=224.2.0.1", "", "224.2.0.1", 5062),
        (f"SIP/2.0/UDP {FAR};branch=z9hG4bKa;maddr=some.name", "", FAR, 5060),
    ],
)
def test_responses_go_where_the_top_via_and_the_source_lead(
    via: str, stamped: str | None, host: str, port: int
) -> None:
    server = Server()
    response = server.ask(octets("OPTIONS", via=via))
    if stamped is not None:
        assert response.headers.get("Via") == (stamped or via)
    _, hop, _ = server.out[0]
    assert (hop.transport, hop.host, hop.port) == ("UDP", host, port)
    assert (hop.local_host, hop.local_port) == (HERE, 5060)


def test_only_the_top_via_is_stamped() -> None:
    """18.2.1; several values in one line are kept apart from it."""
    server = Server()
    via = f"SIP/2.0/UDP a.example;branch=z9hG4bKa;rport , SIP/2.0/UDP {FAR};branch=z9hG4bKb;rport"
    assert server.ask(octets("OPTIONS", via=via)).headers.elements("Via") == [
        f"SIP/2.0/UDP a.example;branch=z9hG4bKa;rport=5099;received={FAR}",
        f"SIP/2.0/UDP {FAR};branch=z9hG4bKb;rport",
    ]


def test_over_tcp_the_answer_takes_the_connection_that_it_came_by() -> None:
    """18.2.2: reusing it; else to the sent-by port."""
    server = Server()
    source: Source = replace(SOURCE, transport="TCP", listener=1, flow=17)
    via = "SIP/2.0/TCP pub.example:5070;branch=z9hG4bKa;rport"
    server.ask(octets("OPTIONS", "Content-Length: 0", via=via), source)
    _, hop, _ = server.out[0]
    assert (hop.transport, hop.host, hop.port, hop.listener, hop.flow) == (
        *("TCP", FAR, 5070, 1, 17),
    )


def test_a_way_back_that_does_not_exist_is_counted() -> None:
    """17.2.4."""
    server = Server()
    server.unreachable.add(FAR)
    assert server.hear(octets("OPTIONS")) == []
    assert server.counter("transport_failures") == 1
