"""Reliable provisional responses of a UAS: RFC 3262 section 3."""

from __future__ import annotations

import pytest

from picosip_server.sip.message import Request, Response
from picosip_server.sip.timers import Timers
from picosip_server.sip.ua.call.reliable import ReliableSender
from tests.sip.machines import request, response


class Bench:
    """A sender that starts at RSeq 700, for the INVITE with CSeq 31."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, Response]] = []
        self.sender = ReliableSender(
            lambda what, now: self.sent.append((now, what)), Timers(), 700, 31
        )

    def until(self, end: float) -> list[bool]:
        """Lets time pass until it gives up; what ``timeout`` said each time."""
        said = []
        while (due := self.sender.deadline()) is not None and due <= end:
            said.append(self.sender.timeout(due))
            if not said[-1]:
                break
        return said


def prack(rack: str | None) -> Request:
    return request("PRACK", *([] if rack is None else [("RAck", rack)]))


def test_it_is_sent_with_require_and_rseq() -> None:
    """Section 3: Require 100rel, RSeq from the chosen first number."""
    bench, ringing = Bench(), response(180)
    assert bench.sender.deadline() is None
    bench.sender.send(ringing, False, 0)
    assert bench.sent == [(0, ringing)]
    assert list(ringing.headers)[-2:] == [("Require", "100rel"), ("RSeq", "700")]
    assert bench.sender.deadline() == 0.5


def test_it_is_repeated_with_doubling_intervals_until_64_t1() -> None:
    """Section 3: T1, doubling without an upper bound; then the caller is to refuse with 5xx."""
    bench, ringing = Bench(), response(180)
    bench.sender.send(ringing, True, 0)
    assert bench.until(100) == [True] * 6 + [False]
    assert bench.sent == [(at, ringing) for at in (0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5)]
    assert bench.sender.deadline() == 32.0


def test_nothing_happens_before_its_time() -> None:
    bench = Bench()
    assert bench.sender.timeout(0) is True
    bench.sender.send(response(180), False, 0)
    assert bench.sender.timeout(0.4) is True
    assert len(bench.sent) == 1


def test_its_prack_stops_it() -> None:
    """Section 3: RAck with its RSeq, the INVITE's CSeq number and method."""
    bench = Bench()
    bench.sender.send(response(180), False, 0)
    assert bench.sender.acknowledge(prack("700 31 INVITE"), 0.2)
    assert (bench.sender.deadline(), bench.until(100)) == (None, [])
    # A second PRACK matches nothing any more: 481.
    assert not bench.sender.acknowledge(prack("700 31 INVITE"), 0.3)


@pytest.mark.parametrize(
    "rack", [None, "701 31 INVITE", "699 31 INVITE", "700 32 INVITE", "700 31 PRACK"]
)
def test_another_prack_does_not(rack: str | None) -> None:
    """Section 3: one that matches no outstanding response is answered with 481."""
    bench = Bench()
    bench.sender.send(response(180), False, 0)
    assert not bench.sender.acknowledge(prack(rack), 0.2)
    assert bench.sender.deadline() == 0.5


def test_a_second_one_waits_for_the_first() -> None:
    """Section 3: not before the first is acknowledged; RSeq rises by one."""
    bench, first, second, third = Bench(), response(180), response(183), response(182)
    bench.sender.send(first, False, 0)
    bench.sender.send(second, True, 0.1)
    bench.sender.send(third, False, 0.2)
    bench.sender.proceed(0.2)
    assert [each for _, each in bench.sent] == [first]
    assert not bench.sender.acknowledge(prack("701 31 INVITE"), 0.3)
    assert bench.sender.acknowledge(prack("700 31 INVITE"), 0.3)
    bench.sender.proceed(0.3)
    assert bench.sent[1:] == [(0.3, second)]
    assert second.headers.get("RSeq") == "701"
    assert bench.sender.deadline() == 0.8
    assert bench.sender.acknowledge(prack("701 31 INVITE"), 0.4)
    bench.sender.proceed(0.4)
    assert third.headers.get("RSeq") == "702"
    assert bench.sender.acknowledge(prack("702 31 INVITE"), 0.5)
    bench.sender.proceed(0.5)
    assert (len(bench.sent), bench.sender.deadline()) == (3, None)


def test_a_description_holds_the_2xx_back_while_it_is_not_acknowledged() -> None:
    """Section 3: no 2xx before the PRACK of a provisional with a description."""
    bench = Bench()
    bench.sender.send(response(180), False, 0)
    assert not bench.sender.description_outstanding
    bench.sender.send(response(183), True, 0)
    assert bench.sender.description_outstanding
    bench.sender.acknowledge(prack("700 31 INVITE"), 1)
    bench.sender.proceed(1)
    assert bench.sender.description_outstanding
    bench.sender.acknowledge(prack("701 31 INVITE"), 2)
    assert not bench.sender.description_outstanding


def test_a_final_response_ends_all_repetitions() -> None:
    """Section 3: no repetition after the final response; a PRACK may still be on its way."""
    bench = Bench()
    bench.sender.send(response(180), False, 0)
    bench.sender.send(response(183), True, 0)
    bench.sender.stop()
    assert (bench.sender.deadline(), bench.sender.timeout(100)) == (None, True)
    assert not bench.sender.description_outstanding
    assert bench.sender.acknowledge(prack("700 31 INVITE"), 1)
    bench.sender.proceed(1)
    assert len(bench.sent) == 1
