"""Connections that nobody needs any more are closed; whoever is reached by one keeps it."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from picosip_server.engine.config import ListenerSpec
from picosip_server.engine.flows import MOST_HELD, Held
from picosip_server.engine.network import Source
from picosip_server.engine.transport.connections import Connections
from picosip_server.engine.transport.listeners import Listeners
from picosip_server.engine.transport.stream import open_listener
from picosip_server.sip.address import Address
from picosip_server.sip.build import response_to
from picosip_server.sip.message import Message, Request
from picosip_server.sip.parse import parse
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Options, Outbound
from picosip_server.sip.ua.incoming_request import UNSAID, registered_for
from picosip_server.sip.uri import Uri
from tests.engine.loopback import PATIENCE, Agent, TcpPeer
from tests.engine.probe import FAR, HERE, Server, octets
from tests.sip import messages

FLOW, OTHER = 7, 8
TCP = Source("TCP", FAR, 5099, HERE, 5060, flow=FLOW)
VIA = "SIP/2.0/TCP pub.green.example:5062;branch=z9hG4bK{}"
BOTH = frozenset((FLOW, OTHER))


class Bench:
    """Connections under a clock that the test moves, and one peer that has connected."""

    def __init__(self, timeout: float) -> None:
        self.now = 1000.0
        self.selector = selectors.DefaultSelector()
        self.listener = open_listener("127.0.0.1", 0)
        address = self.listener.getsockname()
        bound = ListenerSpec(transport="TCP", host=address[0], port=address[1])
        self.asked: list[frozenset[int]] = []
        self.closed: list[int] = []
        self.connections = Connections(
            self.selector,
            Listeners((bound,), "", 0),
            deliver=lambda data, source: None,
            fault=lambda error, source: None,
            failed=lambda sender, detail, flow: None,
            closed=self.closed.append,
            pong=lambda flow: None,
            clock=lambda: self.now,
            idle=self.asked.append,
            idle_timeout=timeout,
        )
        self.peer = socket.create_connection(address, PATIENCE)
        self.connections.accept(0, self.listener)
        # They are counted.
        self.flow = 1

    def after(self, seconds: float) -> list[frozenset[int]]:
        """Time passes, and connections are looked over: which are asked about."""
        self.now += seconds
        before = len(self.asked)
        self.connections.expire(self.now)
        return self.asked[before:]

    def bring(self, data: bytes) -> None:
        """The peer sends something, and it is read."""
        self.peer.sendall(data)
        for key, mask in self.selector.select(PATIENCE):
            key.data(mask)

    def close(self) -> None:
        self.connections.close()
        self.listener.close()
        self.peer.close()
        self.selector.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    one = Bench(300.0)
    yield one
    one.close()


def test_a_connection_is_closed_once_nobody_needs_it(bench: Bench) -> None:
    assert bench.after(299.0) == []
    # Looked at every tenth of the time.
    assert bench.after(30.0) == [{bench.flow}]
    assert bench.closed == []
    bench.connections.end_idle({bench.flow})
    assert bench.closed == [bench.flow]
    assert bench.peer.recv(1) == b""
    assert bench.after(300.0) == []


def test_one_that_is_needed_is_asked_about_again(bench: Bench) -> None:
    assert bench.after(300.0) == [{bench.flow}]
    bench.connections.end_idle(set())
    assert bench.after(29.0) == []
    assert bench.after(1.0) == [{bench.flow}]
    assert bench.closed == []


def test_keep_alives_are_use(bench: Bench) -> None:
    """RFC 5626 section 4.4.1."""
    bench.after(200.0)
    bench.bring(b"\r\n\r\n")
    assert bench.after(299.0) == []
    assert bench.after(30.0) == [{bench.flow}]


def test_what_comes_while_the_question_is_open_saves_it(bench: Bench) -> None:
    assert bench.after(300.0) == [{bench.flow}]
    bench.bring(b"\r\n\r\n")
    bench.connections.end_idle({bench.flow})
    assert bench.closed == []


def test_without_a_limit_nobody_is_asked() -> None:
    bench = Bench(0.0)
    assert bench.after(1e6) == []
    bench.close()


# Who needs a connection.


def needed(server: Server) -> set[int]:
    return server.core.flows_needed(BOTH, server.simulation.now)


def hear(server: Server, method: str, *more: str, **changes: str) -> None:
    changes.setdefault("via", VIA.format(method))
    server.arrive(octets(method, *more, "Content-Length: 0", **changes), TCP)
    server.collect()


def respond(server: Server, *headers: tuple[str, str]) -> None:
    name = server.of(events.IncomingRequest)[-1].name
    options = Options(headers=headers)
    server.submit(
        lambda token: commands.Respond(token=token, name=name, status=200, options=options)
    )


def answer(
    server: Server,
    request: Message,
    flow: int,
    status: int = 200,
    headers: list[tuple[str, str]] | None = None,
) -> None:
    """The far end answers over a connection, and grants what is asked for."""
    assert isinstance(request, Request)
    contacts = [("Contact", each) for each in request.headers.get_all("Contact")]
    more = [*contacts, ("Expires", "3600"), *(headers or [])]
    response = response_to(request, status, to_tag="far", headers=more)
    server.hear(response.encode(), replace(TCP, flow=flow))


def register(server: Server, **fields: object) -> None:
    server.submit(
        lambda token: commands.Register(
            token=token,
            registrar=Uri.parse(f"sip:{FAR};transport=tcp"),
            aor=Address.parse("<sip:kai@far.example>"),
            **fields,  # type: ignore[arg-type]
        )
    )


def test_a_transaction_needs_it_until_it_is_answered() -> None:
    server = Server("MESSAGE")
    hear(server, "MESSAGE")
    assert needed(server) == {FLOW}
    respond(server)
    assert needed(server) == set()


def test_a_call_needs_it_until_it_ends() -> None:
    server = Server()
    hear(server, "INVITE")
    server.answer(server.call())
    response = server.out[-1][2]
    tag = response.partition(b"\r\nTo: ")[2].partition(b";tag=")[2].partition(b"\r\n")[0].decode()
    to = f"<sip:piet@yellow.example>;tag={tag}"
    hear(server, "ACK", to=to)
    server.later(1000.0)
    assert needed(server) == {FLOW}
    hear(server, "BYE", to=to, cseq="8 BYE")
    server.later(64.0)
    assert server.core.stats().active_calls == 0
    assert needed(server) == set()


def test_a_call_of_ours_needs_the_one_that_its_answer_came_by() -> None:
    server = Server()
    server.invite("sip:ute@10.0.0.2;transport=tcp")
    assert needed(server) == set()
    answer(server, server.request("INVITE"), FLOW, 180)
    assert needed(server) == {FLOW}


def test_a_registration_at_an_application_needs_it_while_it_lasts() -> None:
    server = Server("REGISTER")
    hear(server, "REGISTER")
    respond(server, ("Contact", "<sip:olga@pub.green.example:5062>;expires=900"))
    server.later(899.0)
    assert needed(server) == {FLOW}
    server.later(1.0)
    assert needed(server) == set()


def test_a_registration_goes_with_its_connection() -> None:
    server = Server("REGISTER")
    hear(server, "REGISTER")
    respond(server, ("Contact", "<sip:olga@pub.green.example:5062>;expires=900"))
    server.core.flow_closed(FLOW, server.simulation.now)
    assert needed(server) == set()


def test_a_registration_of_ours_needs_its_own() -> None:
    server = Server()
    register(server)
    answer(server, server.request("REGISTER"), FLOW)
    assert needed(server) == {FLOW}


def test_each_flow_of_a_registration_is_needed() -> None:
    """RFC 5626: one for each edge."""
    server = Server()
    edges = tuple(Uri.parse(f"sip:{each};transport=tcp;lr") for each in (FAR, "10.0.0.3"))
    register(server, outbound=Outbound(edges=edges))
    # They are begun one after the other.
    server.later(0.1)
    one, two = (parse(data) for _, _, data in server.out)
    answer(server, one, FLOW, headers=[("Require", "outbound")])
    answer(server, two, OTHER, headers=[("Require", "outbound")])
    assert needed(server) == {FLOW, OTHER}


def test_no_more_than_so_many_are_remembered() -> None:
    """A registration may be answered when its connection has ended, and is told of no more."""
    held = Held()
    for flow in range(MOST_HELD):
        held.note(flow, 60.0)
    held.note(0, 90.0)
    held.note(MOST_HELD, 60.0)
    assert [held.needs(flow, 1.0) for flow in (0, 1, 2, MOST_HELD)] == [True, False, True, True]
    assert not held.needs(2, 60.0)


@pytest.mark.parametrize(
    ("asked", "granted", "seconds"),
    [
        ((), ("<sip:a@h>;expires=60", "<sip:b@h>;expires=90"), 90),
        ((), ("<sip:a@h>",), UNSAID),
        (("Expires: 120",), ("<sip:a@h>",), 120),
        # A registrar that lists nothing: what was asked for.
        ((), (), UNSAID),
        (("Expires: 0",), (), 0),
    ],
)
def test_how_long_a_registration_lasts(
    asked: tuple[str, ...], granted: tuple[str, ...], seconds: float
) -> None:
    """RFC 3261 sections 10.2.1.1 and 10.3."""
    line = "REGISTER sip:yellow.example SIP/2.0"
    request = messages.parsed(messages.request(*asked, line=line, cseq="7 REGISTER"))
    response = response_to(request, 200, headers=[("Contact", each) for each in granted])
    assert registered_for(request, response) == seconds


def test_from_end_to_end() -> None:
    """A caller keeps the connection, somebody idle does not."""
    with (
        Agent("tcp", idle_timeout=0.2, workers=2) as agent,
        TcpPeer.to(agent.address("TCP")) as caller,
        TcpPeer.to(agent.address("TCP")) as idle,
    ):
        caller.send(caller.request("INVITE"))
        caller.response(100)
        agent.wait(events.CallReceived)
        assert idle.closed()
        # Asked about at the same moment.
        caller.ping()
