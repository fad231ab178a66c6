"""Keep-alives over one flow: RFC 5626 section 4.4, RFC 5389 section 7.2.1."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picosip_server.sip import stun
from picosip_server.sip.hop import Hop
from picosip_server.sip.stun import Kind, StunMessage
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import FlowAnswered, FlowFailed, Probe
from picosip_server.sip.ua.flow_keeper import FlowKeeper
from tests.sip.agent import TCP, UDP, Driver, Numbered

STREAM = replace(TCP, flow=7)


class Keeper(Driver):
    keeper: FlowKeeper

    def __init__(self, hop: Hop = STREAM, share: float = 0.5) -> None:
        self.keeper = FlowKeeper(Context(identity=Numbered(share=share)), hop)
        super().__init__(self.keeper)

    def keep(self, timer: float | None = None, *, answered: bool = True) -> Keeper:
        self.run(self.keeper.keep(timer, self.now, answered=answered))
        return self

    def pong(self) -> None:
        self.run(self.keeper.pong(self.now))

    def mapped(self, host: str = "203.0.113.7", port: int = 4, **fields: object) -> None:
        """The last request is answered."""
        probe = self.probes[-1][1]
        message = StunMessage(kind=Kind.SUCCESS, id=probe[8:20], mapped=(host, port))
        message = replace(message, **fields)  # type: ignore[arg-type]
        self.run(self.keeper.stun(message, self.now))

    @property
    def probes(self) -> list[tuple[float, bytes]]:
        return [(at, each.data) for at, each in self.flows if isinstance(each, Probe)]

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.probes]

    @property
    def failures(self) -> list[tuple[float, str]]:
        return [(at, each.detail) for at, each in self.flows if isinstance(each, FlowFailed)]

    @property
    def answers(self) -> int:
        return sum(isinstance(each, FlowAnswered) for _, each in self.flows)


@pytest.mark.parametrize(
    ("hop", "timer", "share", "at"),
    [
        (STREAM, None, 0.0, 95.0),
        (STREAM, None, 1.0, 120.0),
        (STREAM, 50.0, 0.0, 40.0),
        (STREAM, 50.0, 1.0, 50.0),
        (UDP, None, 0.0, 24.0),
        (UDP, None, 1.0, 29.0),
        (UDP, 10.0, 0.5, 9.0),
    ],
)
def test_when_keep_alives_are_sent(hop: Hop, timer: float | None, share: float, at: float) -> None:
    """4.4, 4.4.1, 4.4.2: by the Flow-Timer, or by the defaults of the transport."""
    keeper = Keeper(hop, share).keep(timer)
    keeper.until(at - 0.001)
    assert keeper.probes == []
    keeper.until(at)
    assert keeper.times == [at]
    assert keeper.flows[0][1] == Probe(hop, keeper.probes[0][1])


def test_a_ping_that_is_answered_is_followed_by_the_next() -> None:
    """4.4.1."""
    keeper = Keeper().keep(100.0)
    keeper.until(90)
    assert keeper.probes == [(90.0, b"\r\n\r\n")]
    keeper.until(99.9)
    keeper.pong()
    assert keeper.answers == 1
    keeper.until(189.9)
    assert keeper.times == [90.0, 189.9]
    # One that nobody asked for says nothing.
    keeper.pong()
    keeper.pong()
    assert keeper.answers == 2


def test_a_ping_without_answer_fails_the_flow_after_10_seconds() -> None:
    """4.4.1."""
    keeper = Keeper().keep(100.0)
    keeper.until(99.9)
    assert keeper.failures == []
    keeper.until(300)
    assert keeper.failures == [(100.0, "no answer to a keep-alive within 10 s")]
    assert keeper.times == [90.0]


def test_pings_to_those_who_need_not_answer() -> None:
    """4.4: they may be sent over any connection; only who supports them answers."""
    keeper = Keeper().keep(100.0, answered=False)
    keeper.until(200)
    assert keeper.times == [90.0, 180.0]
    assert keeper.failures == []


def test_an_edge_that_wants_more_of_them_gets_more() -> None:
    keeper = Keeper().keep(100.0)
    keeper.until(10)
    # The same wish again, as with each refresh, moves nothing.
    keeper.keep(100.0)
    keeper.keep(20.0)
    keeper.until(28)
    assert keeper.times == [28.0]
    keeper.keep(10.0)
    keeper.pong()
    keeper.until(37)
    assert keeper.times == [28.0, 37.0]


def test_a_stun_request_that_is_answered() -> None:
    """4.4.2."""
    keeper = Keeper(UDP).keep()
    keeper.until(26.5)
    assert stun.parse(keeper.probes[0][1]).kind is Kind.REQUEST
    # Answers to others' requests, and to earlier ones, are not this one's.
    keeper.mapped(id=b"another one.")
    assert keeper.answers == 0
    keeper.mapped()
    assert keeper.answers == 1
    keeper.mapped()
    assert keeper.answers == 1
    keeper.until(53)
    assert keeper.times == [26.5, 53.0]
    assert keeper.probes[0][1] != keeper.probes[1][1]
    # While one is under way the next is not planned.
    keeper.keep(5.0)
    keeper.until(53.2)
    keeper.mapped()
    assert keeper.failures == []


def test_a_stun_request_is_repeated_and_then_given_up() -> None:
    """RFC 5389 section 7.2.1: seven times, and 39.5 s after the first."""
    keeper = Keeper(UDP).keep()
    keeper.until(26.5 + 39.4)
    assert [at - 26.5 for at in keeper.times] == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert len({data for _, data in keeper.probes}) == 1
    keeper.until(400)
    assert keeper.failures == [(66.0, "no answer to 7 STUN requests")]
    assert len(keeper.probes) == 7


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"kind": Kind.ERROR, "mapped": None}, "a keep-alive was answered with a STUN error"),
        ({"mapped": None}, "a keep-alive was answered with a STUN error"),
        ({"port": 5}, "the address that the far end sees has changed"),
        ({"host": "203.0.113.8"}, "the address that the far end sees has changed"),
    ],
)
def test_answers_that_fail_the_flow(fields: dict[str, object], detail: str) -> None:
    """4.4.2: a Binding Error Response, or another XOR-MAPPED-ADDRESS than before."""
    keeper = Keeper(UDP).keep()
    keeper.until(26.5)
    keeper.mapped()
    keeper.until(53)
    keeper.mapped(**fields)  # type: ignore[arg-type]
    assert keeper.failures == [(53.0, detail)]
    keeper.until(100)
    assert len(keeper.probes) == 2


def test_nothing_is_sent_once_it_is_stopped() -> None:
    keeper = Keeper().keep(100.0)
    keeper.run(keeper.keeper.stop())
    assert keeper.keeper.finished
    keeper.until(1000)
    assert keeper.probes == []
