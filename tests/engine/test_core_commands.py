"""Commands: what is refused, what a registration lends to calls, draining, tracing."""

from __future__ import annotations

import pytest

from picosip_server.engine.stats import EngineStats
from picosip_server.sip.address import Address
from picosip_server.sip.auth.authorization import parse_authorization
from picosip_server.sip.message import Response
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Command, Credentials, NextHop, Options
from picosip_server.sip.ua.outputs import Failure, FailureKind, Traced
from picosip_server.sip.ua.snapshots import RegistrationSnapshot, RegistrationState
from picosip_server.sip.uri import Uri
from tests.engine.probe import FAR, HERE, SOURCE, Server, octets
from tests.sip import messages

REGISTRAR = Uri.parse(f"sip:{FAR}")
AOR = Address.parse(f"<sip:caller@{HERE}>")
KAI = (Credentials(username="caller", password="w"),)
CHALLENGE = ("WWW-Authenticate", 'Digest realm="far", nonce="n1", qop="auth"')


def register(server: Server, **fields: object) -> object:
    fields = {"registrar": REGISTRAR, "aor": AOR, **fields}
    return server.submit(lambda token: commands.Register(token=token, **fields))  # type: ignore[arg-type]


def ping(server: Server, uri: str = f"sip:{FAR}", **fields: object) -> object:
    return server.submit(
        lambda token: commands.Ping(token=token, uri=Uri.parse(uri), **fields)  # type: ignore[arg-type]
    )


def registered(server: Server, *headers: tuple[str, str], **fields: object) -> str:
    token = register(server, **fields)
    server.reply(200, *headers)
    snapshot = server.results[token]
    assert isinstance(snapshot, RegistrationSnapshot)
    return snapshot.name


@pytest.mark.parametrize(
    "kind",
    [
        *(commands.Progress, commands.Answer, commands.Reject, commands.Redirect),
        *(commands.Hangup, commands.GetCall, commands.Unregister, commands.GetRegistration),
    ],
)
@pytest.mark.parametrize("name", ["calls/n1-0-none", "registrations/n1-0-none", ""])
def test_a_name_that_does_not_exist_is_not_found(kind: type[Command], name: str) -> None:
    server = Server()
    token = server.submit(lambda token: kind(token=token, name=name))  # type: ignore[call-arg]
    failure = server.failure(token)
    assert failure == Failure(
        kind=FailureKind.NOT_FOUND, detail=f"{name} does not exist, or has ended already"
    )


def test_routes_that_cannot_be_read_are_the_commands_fault() -> None:
    server = Server()
    options = Options(routes=("<sip:",))
    tokens = [
        server.invite(f"sip:a@{FAR}", options=options),
        register(server, options=options),
        ping(server, options=options),
    ]
    for token in tokens:
        failure = server.failure(token)
        assert (failure.kind, failure.field) == (FailureKind.INVALID, "options")
    assert (server.out, server.core.idle) == ([], True)


# OPTIONS of ours: RFC 3261 section 11.


@pytest.mark.parametrize("status", [200, 404, 503])
def test_a_ping_gives_back_whatever_answer_comes(status: int) -> None:
    server = Server()
    token = ping(server, from_address=AOR, options=Options(headers=(("Subject", "x"),)))
    request = server.request()
    assert (request.method, request.uri_text) == ("OPTIONS", f"sip:{FAR}")
    assert request.from_.uri == AOR.uri
    assert request.from_.tag != ""
    assert request.headers.get("To") == f"<sip:{FAR}>"
    assert [request.headers.get(name) for name in ("Accept", "Subject", "Contact")] == [
        *("application/sdp", "x", f"<sip:caller@{HERE}:5060>")
    ]
    server.reply(100)
    assert token not in server.results
    server.reply(status)
    answer = server.results[token]
    assert isinstance(answer, Response)
    assert answer.status == status
    server.later(10)
    assert server.core.idle


def test_a_ping_without_an_answer_fails() -> None:
    server = Server()
    token = ping(server)
    assert server.core.size() == 1
    server.later(32)
    assert server.failure(token).kind is FailureKind.TIMEOUT
    assert server.core.idle
    assert server.core.size() == 0


@pytest.mark.parametrize(
    ("options", "route", "host"),
    [
        (Options(), [f"<sip:{FAR}:5070;lr>"], FAR),
        (Options(routes=("<sip:10.0.0.7;lr>",)), ["<sip:10.0.0.7;lr>"], "10.0.0.7"),
        (Options(next_hop=NextHop(host="10.0.0.8")), [], "10.0.0.8"),
    ],
)
def test_the_outbound_proxy_is_a_loose_route(options: Options, route: list[str], host: str) -> None:
    """8.1.2."""
    server = Server(outbound_proxy=f"sip:{FAR}:5070")
    ping(server, "sip:ute@far.example", options=options)
    assert server.request().headers.get_all("Route") == route
    assert server.out[0][1].host == host
    assert Server(outbound_proxy="sip:p.example;lr").core.context.outbound_proxy == (
        "<sip:p.example;lr>"
    )


# Addresses that come later.


def test_hops_that_are_found_later_are_taken_then() -> None:
    server = Server()
    token = ping(server, "sip:slow.example")
    (ticket,) = server.tickets
    assert server.out == []
    other = Server()
    ping(other)
    server.core.located(ticket, (other.out[0][1],), server.simulation.now)
    server.reply(200)
    assert isinstance(server.results[token], Response)


def test_a_name_that_turns_out_to_lead_nowhere_fails_the_command() -> None:
    server = Server()
    token = ping(server, "sip:slow.example")
    server.core.not_located(server.tickets[0], "no such name", server.simulation.now)
    server.collect()
    assert server.failure(token) == Failure(kind=FailureKind.TRANSPORT, detail="no such name")


def test_a_failure_that_the_network_finds_later_is_told() -> None:
    """8.1.3.1, 17.1.4."""
    server = Server()
    token = ping(server)
    (sender,) = server.senders
    assert sender is not None
    server.core.failed(sender, "connection refused", server.simulation.now)
    server.collect()
    assert server.failure(token).detail == "connection refused"
    assert server.counter("transport_failures") == 1
    assert server.core.idle


# What a registration lends to calls.


def test_a_call_uses_the_credentials_and_the_service_route_of_its_address() -> None:
    """RFC 3608 section 5; 22.3."""
    server = Server()
    registered(server, ("Service-Route", f"<sip:{FAR}:5075;lr>"), credentials=KAI)
    server.invite("sip:ute@far.example")
    assert server.request("INVITE").headers.get_all("Route") == [f"<sip:{FAR}:5075;lr>"]
    assert server.out[-1][1].port == 5075
    server.reply(401, CHALLENGE, to="INVITE")
    (given,) = parse_authorization(server.request("INVITE").headers.get_all("Authorization"))
    assert (given.username, given.nonce) == ("caller", "n1")


def test_what_the_invite_says_itself_goes_first() -> None:
    server = Server()
    registered(server, ("Service-Route", f"<sip:{FAR}:5075;lr>"), credentials=KAI)
    own = (Credentials(username="own", password="x"),)
    server.invite(f"sip:ute@{FAR}", credentials=own, options=Options(routes=("<sip:10.0.0.7;lr>",)))
    assert server.request("INVITE").headers.get_all("Route") == ["<sip:10.0.0.7;lr>"]
    server.reply(401, CHALLENGE, to="INVITE")
    (given,) = parse_authorization(server.request("INVITE").headers.get_all("Authorization"))
    assert given.username == "own"
    server.invite(f"sip:ute@{FAR}", options=Options(next_hop=NextHop(host="10.0.0.8")))
    assert server.request("INVITE").headers.get_all("Route") == []


@pytest.mark.parametrize("who", ["sip:other@10.0.0.1", "sip:caller@10.0.0.9"])
def test_other_addresses_have_nothing_of_it(who: str) -> None:
    server = Server()
    registered(server, ("Service-Route", f"<sip:{FAR}:5075;lr>"), credentials=KAI)
    server.invite(f"sip:ute@{FAR}", from_address=Address.parse(f"<{who}>"))
    assert server.request("INVITE").headers.get_all("Route") == []
    server.reply(401, CHALLENGE, to="INVITE")
    assert len(server.of(events.CallEnded)) == 1


def test_after_unregister_nothing_is_lent_any_more() -> None:
    server = Server()
    name = registered(server, ("Service-Route", f"<sip:{FAR}:5075;lr>"), credentials=KAI)
    token = server.submit(lambda token: commands.Unregister(token=token, name=name))
    server.reply(200)
    snapshot = server.results[token]
    assert isinstance(snapshot, RegistrationSnapshot)
    assert snapshot.state is RegistrationState.TERMINATED
    server.invite(f"sip:ute@{FAR}")
    assert server.request("INVITE").headers.get_all("Route") == []
    gone = server.submit(lambda token: commands.GetRegistration(token=token, name=name))
    assert server.failure(gone).kind is FailureKind.NOT_FOUND


# Limits and the end.


def test_a_draining_server_takes_no_new_work() -> None:
    """21.5.4: 503 with Retry-After."""
    server = Server("MESSAGE")
    server.core.refuse_new_work()
    for token in (server.invite(f"sip:a@{FAR}"), register(server), ping(server)):
        assert server.failure(token).kind is FailureKind.UNAVAILABLE
    for method in ("INVITE", "MESSAGE", "OPTIONS"):
        refusal = server.ask(octets(method))
        assert (refusal.status, refusal.headers.get("Retry-After")) == (503, "5")
    assert server.counter("refused_draining") == 6
    assert server.events == []


def test_a_draining_server_still_serves_the_calls_it_has() -> None:
    server = Server()
    server.hear(octets("INVITE"))
    server.core.refuse_new_work()
    server.answer(server.call())
    assert [each[2][:11] for each in server.out] == [b"SIP/2.0 100", b"SIP/2.0 200"]


def test_no_more_calls_than_allowed() -> None:
    server = Server("MESSAGE", max_calls=1)
    assert server.ask(octets("INVITE")).status == 100
    failure = server.failure(server.invite(f"sip:a@{FAR}"))
    assert failure.kind is FailureKind.EXHAUSTED
    other = octets("INVITE", via="SIP/2.0/UDP b;branch=z9hG4bKb")
    assert server.ask(other).status == 503
    # Neither pings nor the answer to OPTIONS are calls.
    ping(server)
    assert server.request().method == "OPTIONS"
    assert server.ask(octets("OPTIONS", via="SIP/2.0/UDP c;branch=z9hG4bKc")).status == 200
    assert server.counter("refused_overload") == 2


def test_no_more_transactions_than_allowed() -> None:
    server = Server("MESSAGE", max_transactions=1)
    ping(server)
    for token in (ping(server), register(server), server.invite(f"sip:a@{FAR}")):
        assert server.failure(token).kind is FailureKind.EXHAUSTED
    assert server.ask(octets("MESSAGE")).status == 503


def test_the_end_takes_registrations_back_and_ends_calls() -> None:
    server = Server()
    ended: list[str] = []
    registered(server)
    server.hear(octets("INVITE"))
    server.core.end_all(lambda: ended.append("all"), server.simulation.now)
    server.collect()
    assert server.request("REGISTER").headers.get("Expires") == "0"
    assert b"SIP/2.0 503" in server.out[-1][2]
    assert ended == []
    server.reply(200, to="REGISTER")
    assert ended == ["all"]
    server.later(100)
    assert (server.core.idle, ended) == (True, ["all"])


def test_the_end_of_an_idle_server_comes_at_once() -> None:
    server, ended = Server(), []
    server.core.end_all(lambda: ended.append("all"), server.simulation.now)
    assert ended == ["all"]


def test_figures_and_snapshot_show_what_lives() -> None:
    server = Server()
    name = registered(server)
    server.hear(octets("INVITE"))
    stats = server.core.stats()
    assert (stats.active_calls, stats.active_registrations) == (1, 1)
    assert stats.calls_by_state == {"incoming": 1}
    snapshot = server.core.snapshot()
    assert [call.name for call in snapshot.calls] == [server.call()]
    assert [each.name for each in snapshot.registrations] == [name]
    twice = EngineStats.total((stats, stats))
    assert (twice.active_calls, twice.active_transactions) == (2, 2 * stats.active_transactions)
    assert twice.calls_by_state == {"incoming": 2}
    assert twice.counters["messages_received"] == 2 * stats.counters["messages_received"]


# Tracing.


def traced(server: Server, data: bytes) -> list[tuple[bool, str, bool, bool]]:
    """For each message: sent, start line, whether it belongs to something, repeated."""
    server.core.set_tracing(True)
    server.arrive(data, SOURCE)
    found = [each for each in server.core.take() if isinstance(each, Traced)]
    server.collect()
    for each in found:
        assert (each.transport, each.local) == ("UDP", (HERE, 5060))
        assert each.remote == (FAR, 5099)
        assert each.raw == (each.message.encode() if each.sent else data)
    return [
        (each.sent, each.message.start_line, each.resource != "", each.retransmission)
        for each in found
    ]


def test_every_message_is_traced_once() -> None:
    line = "sip:piet@10.0.0.1 SIP/2.0"
    server = Server("MESSAGE")
    assert traced(server, octets("INVITE")) == [
        (False, f"INVITE {line}", True, False),
        (True, "SIP/2.0 100 Trying", True, False),
    ]
    assert traced(server, octets("INVITE")) == [
        (False, f"INVITE {line}", True, True),
        (True, "SIP/2.0 100 Trying", True, True),
    ]
    assert traced(server, octets("CANCEL")) == [
        (False, f"CANCEL {line}", True, False),
        (True, "SIP/2.0 200 OK", True, False),
        (True, "SIP/2.0 487 Request Terminated", True, False),
    ]
    assert traced(server, octets("CANCEL")) == [
        (False, f"CANCEL {line}", True, True),
        (True, "SIP/2.0 200 OK", True, True),
    ]
    assert traced(server, octets("ACK")) == [(False, f"ACK {line}", True, False)]
    assert traced(server, octets("MESSAGE")) == [(False, f"MESSAGE {line}", True, False)]
    assert traced(Server(), octets("OPTIONS")) == [
        (False, f"OPTIONS {line}", False, False),
        (True, "SIP/2.0 200 OK", False, False),
    ]
    assert traced(Server(), octets("ACK")) == [(False, f"ACK {line}", False, False)]
    assert traced(Server(), octets("BYE", to="<sip:a@b>;tag=x")) == [
        (False, f"BYE {line}", False, False),
        (True, "SIP/2.0 481 Call/Transaction Does Not Exist", False, False),
    ]
    assert traced(Server(), messages.response()) == [(False, "SIP/2.0 200 OK", False, False)]
