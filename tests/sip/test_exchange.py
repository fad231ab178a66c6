"""One request of ours until its final response: hops, failover, CANCEL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picosip_server.sip.dialog import Route
from picosip_server.sip.hop import Target
from picosip_server.sip.message import Request
from picosip_server.sip.ua.commands import Body, NextHop
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.uri import Uri
from tests.sip.agent import OTHER, TCP, UDP
from tests.sip.exchanges import ANY, DRAFT, LARGE, Bench


def test_a_request_has_all_that_8_1_1_asks_for() -> None:
    """8.1.1; RFC 3581 section 3: rport."""
    draft = replace(
        LARGE,
        body=Body(content_type="text/plain", data=b"hi", disposition="render"),
        route_set=("<sip:far.example;lr>", "<sip:p2.example;lr>"),
        headers=(("Subject", "x"),),
        contact_user="kai",
    )
    bench = Bench(draft, agent="pico", target=ANY).start()
    assert bench.drive.sent[0].hop == UDP
    assert bench.drive.last() == Request(
        "INVITE",
        "sip:ute@far.example",
        bench.drive.last().headers,
        b"hi",
    )
    assert list(bench.drive.last().headers) == [
        ("Via", "SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK1"),
        ("Route", "<sip:far.example;lr>"),
        ("Route", "<sip:p2.example;lr>"),
        ("From", "<sip:kai@near.example>;tag=k"),
        ("To", "<sip:ute@far.example>"),
        ("Call-ID", "call-1"),
        ("CSeq", "1 INVITE"),
        ("Max-Forwards", "70"),
        ("Contact", "<sip:kai@10.0.0.1:5060>"),
        ("Subject", "x"),
        ("User-Agent", "pico"),
        ("Content-Type", "text/plain"),
        ("Content-Disposition", "render"),
    ]


def test_a_user_agent_of_the_application_stays_the_only_one() -> None:
    bench = Bench(replace(DRAFT, headers=(("User-Agent", "mine"),)), agent="pico").start()
    assert bench.drive.last().headers.get_all("User-Agent") == ["mine"]


def test_a_next_hop_goes_before_uri_and_routes() -> None:
    draft = replace(
        DRAFT,
        route_set=("<sip:p1.example;lr>",),
        next_hop=NextHop(host="10.9.9.9", port=5070, transport="TCP"),
    )
    bench = Bench(draft, target=Target(host="10.9.9.9", port=5070, transport="TCP")).start()
    assert bench.drive.tickets == [(1, bench.target)]
    assert bench.exchange._route == Route(
        request_uri="sip:ute@far.example",
        routes=("<sip:p1.example;lr>",),
        next_hop=Uri.parse("sip:p1.example;lr"),
    )


def test_responses_are_reported_as_they_come() -> None:
    bench = Bench().start()
    bench.drive.answer(100)
    bench.drive.answer(180)
    bench.drive.answer(200)
    bench.drive.answer(200, tag="fork")
    assert bench.user.log == [(0, 100), (0, 180), (0, 200), (0, 200)]
    bench.drive.until(32)
    assert bench.drive.bound == set()


# Failover: RFC 3261 section 8.1.3.1, RFC 3263 section 4.3.


def test_a_hop_that_cannot_be_sent_to_is_passed_over() -> None:
    """8.1.3.1: a transport error counts as 503. Each attempt is a new transaction."""
    bench = Bench(hops=(UDP, OTHER))
    bench.drive.broken.add(("UDP", "10.0.0.2"))
    bench.start()
    assert bench.drive.briefs == [(0, "2 INVITE", "UDP", "10.0.0.3")]
    assert bench.drive.last().via.branch == "z9hG4bK2"
    assert bench.drive.bound == {("c", "z9hG4bK2", "INVITE")}
    assert bench.user.log == []


def test_the_last_failure_is_reported() -> None:
    bench = Bench(hops=(UDP, OTHER))
    bench.drive.broken |= {("UDP", "10.0.0.2"), ("UDP", "10.0.0.3")}
    bench.start()
    assert bench.user.log == [(0, FailureKind.TRANSPORT, "no route")]
    assert bench.drive.bound == set()


@pytest.mark.parametrize(
    ("method", "timer", "copies"), [("INVITE", "timer B", 7), ("OPTIONS", "timer F", 11)]
)
def test_a_hop_that_is_silent_is_given_up_after_64_t1(method: str, timer: str, copies: int) -> None:
    """RFC 3263 4.3: on to the next after a timeout; the last one's is reported."""
    bench = Bench(replace(DRAFT, method=method), hops=(UDP, OTHER)).start()
    bench.drive.until(100)
    assert bench.drive.briefs[:copies] == [
        (sent.at, f"1 {method}", "UDP", "10.0.0.2") for sent in bench.drive.sent[:copies]
    ]
    assert bench.drive.briefs[copies] == (32.0, f"2 {method}", "UDP", "10.0.0.3")
    assert len(bench.drive.sent) == 2 * copies
    detail = f"no final response to {method} within 32 s ({timer})"
    assert bench.user.log == [(64.0, FailureKind.TIMEOUT, detail)]
    assert bench.drive.bound == set()


def test_a_503_sends_us_on_to_the_next_server() -> None:
    """RFC 3263 4.3; the refusal is acknowledged all the same."""
    bench = Bench(hops=(UDP, OTHER)).start()
    bench.drive.answer(503)
    assert bench.drive.briefs == [
        (0, "1 INVITE", "UDP", "10.0.0.2"),
        (0, "1 ACK", "UDP", "10.0.0.2"),
        (0, "2 INVITE", "UDP", "10.0.0.3"),
    ]
    assert bench.user.log == []
    bench.drive.answer(503, to=bench.drive.last("INVITE"))
    assert bench.user.log == [(0, 503)]


@pytest.mark.parametrize("status", [302, 404, 500, 603])
def test_other_refusals_are_final(status: int) -> None:
    bench = Bench(hops=(UDP, OTHER)).start()
    bench.drive.answer(status)
    assert bench.user.log == [(0, status)]


def test_late_words_of_a_hop_given_up_are_not_heard() -> None:
    """A transaction that was left after a 503 only absorbs."""
    bench = Bench(hops=(UDP, OTHER)).start()
    first = bench.drive.last()
    bench.drive.answer(503)
    bench.drive.answer(180, to=first)
    key = ("c", first.via.branch, "INVITE")
    bench.drive.run(bench.user.transport_failed(key, "late", 0))
    assert bench.user.log == []
    assert bench.exchange.current is not None
    assert bench.exchange.current.hop == OTHER


def test_a_failure_to_repeat_the_ack_changes_nothing() -> None:
    """17.1.1.2: Completed only absorbs."""
    bench = Bench(hops=(UDP,)).start()
    bench.drive.answer(486)
    key = ("c", "z9hG4bK1", "INVITE")
    bench.drive.run(bench.user.transport_failed(key, "gone", 0))
    assert bench.user.log == [(0, 486)]
    assert bench.drive.bound == {key}


def test_a_name_that_leads_nowhere_is_a_transport_failure() -> None:
    bench = Bench(hops="the name does not resolve").start()
    assert bench.user.log == [(0, FailureKind.TRANSPORT, "the name does not resolve")]


def test_a_name_without_addresses_is_one_too() -> None:
    bench = Bench(hops=()).start()
    assert bench.user.log == [(0, FailureKind.TRANSPORT, "the target has no address")]


# Large requests: RFC 3261 section 18.1.1.


def large(transport: str = "") -> Bench:
    """A request of more than 1300 octets, to a target that is reached over UDP and TCP."""
    uri = "sip:ute@far.example" + (f";transport={transport}" if transport else "")
    bench = Bench(
        replace(LARGE, target=Uri.parse(uri)), target=replace(ANY, transport=transport.upper())
    )
    bench.drive.hops.setdefault(replace(ANY, transport="TCP"), (TCP,))
    return bench


def test_a_large_request_goes_over_tcp() -> None:
    """18.1.1; Via and Contact say so, and the CSeq number that was not used is."""
    bench = large().start()
    assert bench.drive.briefs == [(0, "1 INVITE", "TCP", "10.0.0.2")]
    assert bench.drive.last().headers.get("Via") == (
        "SIP/2.0/TCP 10.0.0.1:5060;rport;branch=z9hG4bK2"
    )


@pytest.mark.parametrize(("octets", "transport"), [(1300, "UDP"), (1301, "TCP")])
def test_the_limit_is_1300_octets(octets: int, transport: str) -> None:
    """18.1.1: larger than 1300 bytes."""
    bare = len(Bench(replace(DRAFT, headers=(("Subject", ""),))).start().drive.last().encode())
    bench = Bench(replace(DRAFT, headers=(("Subject", "x" * (octets - bare)),)))
    bench.drive.hops[replace(ANY, transport="TCP")] = (TCP,)
    bench.start()
    assert [each.hop.transport for each in bench.drive.sent] == [transport]
    assert len(bench.drive.last().encode()) == octets


@pytest.mark.parametrize("why", ["refused", "unknown"])
def test_where_tcp_fails_udp_is_taken_after_all(why: str) -> None:
    """18.1.1: whatever its size."""
    bench = large()
    if why == "refused":
        bench.drive.broken.add(("TCP", "10.0.0.2"))
    else:
        bench.drive.hops[replace(ANY, transport="TCP")] = "no TCP listener"
    bench.start()
    number = 2 if why == "refused" else 1
    assert bench.drive.briefs == [(0, f"{number} INVITE", "UDP", "10.0.0.2")]
    assert bench.user.log == []


def test_a_503_over_tcp_is_not_asked_for_again_over_udp() -> None:
    """21.5.4: the same server would say the same."""
    bench = large().start()
    bench.drive.answer(503)
    assert bench.user.log == [(0, 503)]


def test_where_the_uri_says_udp_it_stays_udp() -> None:
    """The transport parameter is an explicit wish (RFC 3263 4.1)."""
    bench = large("udp").start()
    assert bench.drive.briefs == [(0, "1 INVITE", "UDP", "10.0.0.2")]


# Hops of several transports, as NAPTR and SRV records give them.

TCP_OTHER = replace(TCP, host="10.0.0.3")


def test_each_hop_has_its_transport_in_the_via() -> None:
    bench = Bench(hops=(TCP, OTHER))
    bench.drive.broken.add(("TCP", "10.0.0.2"))
    bench.start()
    assert bench.drive.briefs == [(0, "2 INVITE", "UDP", "10.0.0.3")]
    assert str(bench.drive.last().headers.get("Via")).startswith("SIP/2.0/UDP ")


def test_who_has_answered_at_all_is_not_passed_over() -> None:
    """RFC 3263 4.3: a timeout is a failure only without any response before it."""
    bench = Bench(replace(DRAFT, method="OPTIONS"), hops=(UDP, OTHER)).start()
    bench.drive.answer(100)
    bench.drive.until(100)
    assert {each.hop for each in bench.drive.sent} == {UDP}
    assert bench.user.log[0] == (0, 100)
    assert [each[1] for each in bench.user.log[1:]] == [FailureKind.TIMEOUT]


def test_a_large_request_takes_the_tcp_hops_that_are_known() -> None:
    """18.1.1: no further question is asked; UDP comes last, in its old order."""
    bench = Bench(LARGE, hops=(UDP, TCP_OTHER, OTHER))
    bench.drive.broken |= {("TCP", "10.0.0.3"), ("UDP", "10.0.0.2")}
    bench.start()
    assert bench.drive.tickets == [(1, ANY)]
    assert bench.drive.briefs == [(0, "3 INVITE", "UDP", "10.0.0.3")]


def test_tcp_that_has_failed_is_not_asked_for_again() -> None:
    bench = Bench(LARGE, hops=(TCP, OTHER))
    bench.drive.broken.add(("TCP", "10.0.0.2"))
    bench.start()
    assert bench.drive.tickets == [(1, ANY)]
    assert bench.drive.briefs == [(0, "2 INVITE", "UDP", "10.0.0.3")]


def test_a_large_message_never_goes_over_udp() -> None:
    """RFC 3428 section 8: not even where TCP has failed."""
    bench = Bench(replace(LARGE, method="MESSAGE"), hops=(TCP, OTHER))
    bench.drive.broken.add(("TCP", "10.0.0.2"))
    bench.start()
    assert bench.drive.sent == []
    assert bench.user.log == [(0, FailureKind.TRANSPORT, "no route")]
