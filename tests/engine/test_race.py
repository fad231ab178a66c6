"""Two families of one server: the first address that answers is used (RFC 8305, RFC 7984)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from picosip_server.engine.network import Unreachable
from picosip_server.engine.transport.race import HEAD_START, Races, rival
from picosip_server.sip.hop import Hop, Target
from picosip_server.sip.locating import Candidate, Question, Records, Srv, candidates
from picosip_server.sip.message import Response
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.uri import Uri
from tests.engine.loopback import Agent, TcpHost
from tests.support.nameserver import NameServer


def hop(host: str) -> Hop:
    return Hop(transport="TCP", host=host, port=5060, local_host="x", local_port=5060)


SIX, FOUR = hop("2001:db8::1"), hop("192.0.2.1")


class Bench:
    """Connections that come about when the test says so, under a clock that it moves."""

    def __init__(self) -> None:
        self.races = Races(self, self._after)
        self.opened: list[Hop] = []
        """The number of each is its place, from 1."""
        self.standing: set[Hop] = set()
        self.at_once: set[Hop] = set()
        self.unreachable: set[Hop] = set()
        self.dropped: list[int] = []
        self.outcomes: list[tuple[tuple[Hop, ...], str]] = []
        self.timers: list[tuple[float, Callable[[float], None]]] = []

    def begin(self) -> list[Hop]:
        self.races.run((SIX, FOUR), lambda order, detail: self.outcomes.append((order, detail)))
        return self.opened

    def head_start_over(self) -> list[Hop]:
        """A quarter of a second later; what is tried by then."""
        ((delay, work),) = self.timers
        assert delay == HEAD_START == 0.25
        work(delay)
        return self.opened

    def _after(self, delay: float, work: Callable[[float], None]) -> None:
        self.timers.append((delay, work))

    # As the track.

    def reaches(self, hop: Hop) -> bool:
        return hop in self.standing

    def open(self, hop: Hop) -> int:
        if hop in self.unreachable:
            raise Unreachable(f"no route to {hop.host}")
        self.opened.append(hop)
        return len(self.opened)

    def ready(self, number: int) -> bool:
        return self.opened[number - 1] in self.at_once

    def drop_unused(self, number: int) -> None:
        self.dropped.append(number)
        # As closing it does.
        self.races.closed(number, "dropped")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_better_one_in_time_is_alone(bench: Bench) -> None:
    assert bench.begin() == [SIX]
    bench.races.stands(1)
    assert bench.outcomes == [((SIX, FOUR), "")]
    assert bench.head_start_over() == [SIX]


def test_the_other_one_begins_after_a_quarter_of_a_second(bench: Bench) -> None:
    bench.begin()
    assert bench.head_start_over() == [SIX, FOUR]
    bench.races.stands(2)
    assert bench.outcomes == [((FOUR, SIX), "")]
    assert bench.dropped == [1]
    # Late words.
    bench.races.stands(1)
    bench.races.closed(2, "closed by the peer")
    assert len(bench.outcomes) == 1


def test_the_better_one_may_still_win(bench: Bench) -> None:
    bench.begin()
    bench.head_start_over()
    bench.races.stands(1)
    assert bench.outcomes == [((SIX, FOUR), "")]
    assert bench.dropped == [2]


def test_a_refusal_ends_the_head_start(bench: Bench) -> None:
    bench.begin()
    bench.races.closed(1, "refused")
    assert bench.opened == [SIX, FOUR]
    assert bench.head_start_over() == [SIX, FOUR]
    bench.races.stands(2)
    assert bench.outcomes == [((FOUR, SIX), "")]


def test_no_route_ends_it_too(bench: Bench) -> None:
    bench.unreachable.add(SIX)
    assert bench.begin() == [FOUR]
    assert bench.timers == []
    bench.races.stands(1)
    assert bench.outcomes == [((FOUR, SIX), "")]


def test_both_fail(bench: Bench) -> None:
    bench.begin()
    bench.head_start_over()
    bench.races.closed(2, "refused")
    assert bench.outcomes == []
    bench.races.closed(1, "timed out")
    assert bench.outcomes == [((), "timed out")]


def test_nothing_can_be_begun(bench: Bench) -> None:
    bench.unreachable |= {SIX, FOUR}
    bench.begin()
    assert bench.outcomes == [((), "no route to 192.0.2.1")]
    assert bench.timers == []


def test_a_connection_that_stands_needs_no_race(bench: Bench) -> None:
    bench.standing.add(FOUR)
    assert bench.begin() == []
    assert bench.outcomes == [((FOUR, SIX), "")]


def test_one_that_stands_at_once(bench: Bench) -> None:
    bench.at_once.add(SIX)
    bench.begin()
    assert bench.outcomes == [((SIX, FOUR), "")]
    assert bench.timers == []


# Who races with whom.

TCP6 = Candidate("TCP", "2001:db8::1", 5060, "a.test")
TCP4 = Candidate("TCP", "192.0.2.1", 5060, "a.test")


@pytest.mark.parametrize(
    ("found", "index"),
    [
        ((TCP6, TCP4), 1),
        ((TCP4, Candidate("TCP", "192.0.2.2", 5060, "a.test"), TCP6), 2),
        ((TCP6,), None),
        # RFC 2782: a server of another name has to wait for its turn.
        ((TCP6, Candidate("TCP", "192.0.2.1", 5060, "b.test")), None),
        ((TCP6, Candidate("TCP", "192.0.2.1", 5070, "a.test")), None),
        ((TCP6, Candidate("TLS", "192.0.2.1", 5060, "a.test")), None),
        (
            (Candidate("UDP", "2001:db8::1", 5060, "a"), Candidate("UDP", "192.0.2.1", 5060, "a")),
            None,
        ),
    ],
)
def test_the_rival_is_the_same_server(found: tuple[Candidate, ...], index: int | None) -> None:
    assert rival(found) == index


def test_candidates_know_whose_they_are() -> None:
    records = {
        Question("_sip._tcp.a.test", "SRV"): Records(
            srv=(Srv(priority=1, weight=0, port=5070, target="h.a.test"),)
        ),
        Question("h.a.test", "A"): Records(addresses=("192.0.2.1",)),
        Question("h.a.test", "AAAA"): Records(addresses=("2001:db8::1",)),
    }
    offered = {"TCP": frozenset((4, 6))}
    found = candidates(
        Target(host="a.test", transport="TCP"), offered, lambda each: records[each], lambda n: 0
    )
    assert [each.name for each in found] == ["h.a.test", "h.a.test"]
    assert rival(found) == 1


# On sockets.


@pytest.fixture
def silent() -> Iterator[int]:
    """A port of ::1 that neither takes nor refuses connections: its queue is full."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket(socket.AF_INET6))
        server.bind(("::1", 0))
        server.listen(0)
        for _ in range(4):
            each = stack.enter_context(socket.socket(socket.AF_INET6))
            each.setblocking(False)
            each.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_silent_address_costs_no_time(silent: int, workers: int) -> None:
    """Without a race it would have been given up, as a failure, and only then passed over."""
    with (
        NameServer({"AAAA far.test": ["::1"], "A far.test": ["127.0.0.1"]}) as names,
        TcpHost("127.0.0.1", silent) as far,
        Agent("tcp", "tcp:::1", dns_servers=(names.address,), workers=workers) as agent,
    ):
        uri = Uri.parse(f"sip:x@far.test:{silent};transport=tcp")
        first = agent.submit(commands.Ping, uri=uri)
        with far.accept() as peer:
            options = peer.expect("OPTIONS")
            # The Via is that of the family which won.
            assert options.via.host == "127.0.0.1"
            peer.reply(options, 200)
            assert isinstance(agent.result(first), Response)
            # The next one goes over the connection that stands.
            second = agent.submit(commands.Ping, uri=uri)
            peer.reply(peer.expect("OPTIONS"), 200)
            assert isinstance(agent.result(second), Response)
        assert agent.counter("transport_failures") == 0


def test_where_neither_answers_the_reason_is_told() -> None:
    with (
        NameServer({"AAAA far.test": ["::1"], "A far.test": ["127.0.0.1"]}) as names,
        TcpHost("127.0.0.1") as closed,
        Agent("tcp", "tcp:::1", dns_servers=(names.address,)) as agent,
    ):
        closed.socket.close()
        uri = Uri.parse(f"sip:x@far.test:{closed.port};transport=tcp")
        failure = agent.failure(agent.submit(commands.Ping, uri=uri))
        assert failure.kind is FailureKind.TRANSPORT
        where = f"127.0.0.1 port {closed.port}/TCP"
        assert failure.detail == f"cannot connect to {where}: Connection refused"
