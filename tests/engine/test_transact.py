"""Single requests of ours outside dialogs: RFC 3261 section 8.1, RFC 3428."""

from __future__ import annotations

import pytest

from picosip_server.engine.identity import call_id_like, worker_for
from picosip_server.engine.network import Ticket, Unreachable
from picosip_server.sip.address import Address
from picosip_server.sip.build import response_to
from picosip_server.sip.hop import Hop, Target
from picosip_server.sip.message import Request, Response
from picosip_server.sip.parse import parse
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Body, Credentials, NextHop, Options
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.uri import Uri
from tests.engine.probe import Server

ALICE = Address.parse("<sip:alice@10.0.0.1>")
BOB = Address.parse('"Bob" <sip:bob@10.0.0.2>')
HELLO = Body(content_type="text/plain", data=b"hello")
CHALLENGE = ("WWW-Authenticate", 'Digest realm="far", nonce="n", algorithm=MD5, qop="auth"')


def transact(server: Server, method: str, **fields: object) -> object:
    fields.setdefault("uri", Uri.parse("sip:bob@10.0.0.2"))
    return server.submit(
        lambda token: commands.Transact(
            token=token,
            method=method,
            from_address=ALICE,
            to_address=BOB,
            **fields,  # type: ignore[arg-type]
        )
    )


def status(server: Server, token: object) -> int:
    result = server.results[token]
    assert isinstance(result, Response), result
    return result.status


@pytest.mark.parametrize("answer", [200, 302, 404, 503, 604])
def test_a_message(answer: int) -> None:
    """RFC 3428 section 4: no Contact, and no dialog comes of it."""
    server = Server()
    token = transact(server, "MESSAGE", body=HELLO)
    request = server.request("MESSAGE")
    assert request.start_line == "MESSAGE sip:bob@10.0.0.2 SIP/2.0"
    names = [name for name, _ in request.headers]
    assert names == [
        *("Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards", "User-Agent"),
        *("Content-Type", "Content-Length"),
    ]
    assert request.headers.get("To") == '"Bob" <sip:bob@10.0.0.2>'
    assert request.body == b"hello"
    server.reply(answer)
    assert status(server, token) == answer
    server.later(40)
    assert server.core.idle


@pytest.mark.parametrize(
    ("method", "contact"),
    [
        ("OPTIONS", "<sip:alice@10.0.0.1:5060>"),
        ("SUBSCRIBE", "<sip:alice@10.0.0.1:5060>"),
        ("REFER", "<sip:alice@10.0.0.1:5060>"),
        # 10.2.3: a REGISTER without one only asks.
        ("REGISTER", None),
        ("FROBNICATE", None),
    ],
)
def test_which_methods_have_a_contact(method: str, contact: str | None) -> None:
    server = Server()
    transact(server, method)
    assert server.request(method).headers.get("Contact") == contact
    given = Options(headers=(("m", "<sip:x@y>"),))
    transact(server, method, options=given)
    assert server.request(method).headers.get_all("Contact") == ["<sip:x@y>"]


def test_where_it_goes() -> None:
    """8.1.2: routes, a next hop, the outbound proxy, the URI, in this order."""
    server = Server(outbound_proxy="sip:10.0.0.7")
    transact(server, "FROB")
    assert server.out[-1][1].host == "10.0.0.7"
    assert server.request().headers.get_all("Route") == ["<sip:10.0.0.7;lr>"]
    transact(server, "FROB", options=Options(routes=("<sip:10.0.0.8;lr>",)))
    assert server.out[-1][1].host == "10.0.0.8"
    transact(server, "FROB", options=Options(next_hop=NextHop(host="10.0.0.9", port=5)))
    assert (server.out[-1][1].host, server.out[-1][1].port) == ("10.0.0.9", 5)
    assert not server.request().headers.has("Route")
    assert server.request().uri_text == "sip:bob@10.0.0.2"


def test_a_uri_that_leads_nowhere() -> None:
    server = Server()
    failure = server.failure(transact(server, "FROB", uri=Uri.parse("tel:+31")))
    assert failure.field == "uri"
    failure = server.failure(transact(server, "MESSAGE", uri=Uri.parse("tel:+31")))
    assert (failure.kind, failure.field) == (FailureKind.INVALID, "to_address.uri")
    transact(
        server, "MESSAGE", uri=Uri.parse("tel:+31"), options=Options(routes=("<sip:10.0.0.8;lr>",))
    )
    assert server.request().start_line == "MESSAGE tel:+31 SIP/2.0"


def test_a_challenge_is_answered() -> None:
    """22.2, with the credentials given."""
    server = Server()
    mine = (Credentials(username="alice", password="wonder"),)
    token = transact(server, "MESSAGE", body=HELLO, credentials=mine)
    server.reply(401, CHALLENGE)
    again = server.request("MESSAGE")
    assert 'username="alice"' in (again.headers.get("Authorization") or "")
    assert (again.cseq.number, again.body) == (2, b"hello")
    server.reply(200)
    assert status(server, token) == 200


def test_a_registration_lends_what_it_knows() -> None:
    """Its credentials, and its Service-Route (RFC 3608 section 5), but not to a REGISTER."""
    server = Server()
    server.submit(
        lambda token: commands.Register(
            token=token,
            registrar=Uri.parse("sip:10.0.0.2"),
            aor=ALICE,
            credentials=(Credentials(username="alice", password="wonder"),),
        )
    )
    contact = server.request().headers.get("Contact") or ""
    server.reply(200, ("Contact", f"{contact};expires=600"), ("Service-Route", "<sip:10.0.0.5;lr>"))
    for method, routes in (("MESSAGE", ["<sip:10.0.0.5;lr>"]), ("REGISTER", [])):
        token = transact(server, method)
        assert server.request().headers.get_all("Route") == routes
        server.reply(401, CHALLENGE, to=method)
        assert server.request().headers.has("Authorization")
        server.reply(200, to=method)
        assert status(server, token) == 200


def test_a_large_message_goes_by_tcp_or_not_at_all() -> None:
    """18.1.1, RFC 3428 section 8: of another method it would go by UDP then."""
    large = Body(content_type="text/plain", data=b"x" * 1300)
    server = Server()
    token = transact(server, "MESSAGE", body=large)
    assert server.out[-1][1].transport == "TCP"
    server.reply(200)
    assert status(server, token) == 200

    class OnlyUdp(Server):
        def locate(self, target: Target, ticket: Ticket) -> tuple[Hop, ...] | None:
            if target.transport == "TCP":
                raise Unreachable("no TCP here")
            return super().locate(target, ticket)

    server = OnlyUdp()
    failure = server.results[transact(server, "MESSAGE", body=large)]
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.detail) == (FailureKind.TRANSPORT, "no TCP here")
    transact(server, "PUBLISH", body=large)
    assert server.out[-1][1].transport == "UDP"


def test_nobody_answers() -> None:
    """17.1.2.2, timer F."""
    server = Server()
    token = transact(server, "FROBNICATE")
    server.later(32.1)
    assert server.failure(token).kind is FailureKind.TIMEOUT
    assert server.core.idle


def test_a_server_that_drains_sends_no_more() -> None:
    server = Server()
    server.core.refuse_new_work()
    assert server.failure(transact(server, "MESSAGE")).kind is FailureKind.UNAVAILABLE


def test_messages_to_one_uri_do_not_overlap() -> None:
    """RFC 3428 section 8; those to another one, and other methods, do not wait."""
    server = Server()
    other = Uri.parse("sip:bob@10.0.0.3")
    bodies = [Body(content_type="text/plain", data=text) for text in (b"1", b"2", b"3")]
    tokens = [transact(server, "MESSAGE", body=body) for body in bodies]
    transact(server, "MESSAGE", uri=other)
    transact(server, "FROB")
    assert [hop.host for _, hop, _ in server.out] == ["10.0.0.2", "10.0.0.3", "10.0.0.2"]
    for number, (token, answer) in enumerate(zip(tokens, (200, 486, 202), strict=True)):
        request = next(
            message
            for message in map(parse, (data for _, _, data in reversed(server.out)))
            if isinstance(message, Request)
            and message.uri_text == "sip:bob@10.0.0.2"
            and message.method == "MESSAGE"
        )
        assert request.body == bodies[number].data
        assert token not in server.results
        server.hear(response_to(request, answer, to_tag="far").encode())
        assert status(server, token) == answer
    server.later(40)
    assert server.core.idle


def test_the_silence_after_a_message_is_told_to_those_behind_it() -> None:
    """They would wait for as long again, each of them; a later one tries anew."""
    server = Server()
    tokens = [transact(server, "MESSAGE") for _ in range(3)]
    server.later(32.1)
    assert [server.failure(token).kind for token in tokens] == [FailureKind.TIMEOUT] * 3
    token = transact(server, "MESSAGE")
    server.reply(200)
    assert status(server, token) == 200


def test_messages_that_cannot_be_sent_fail_one_by_one() -> None:
    server = Server()
    first = transact(server, "MESSAGE")
    tokens = [transact(server, "MESSAGE") for _ in range(1001)]
    assert server.failure(tokens[-1]).kind is FailureKind.EXHAUSTED
    server.unreachable.add("10.0.0.2")
    server.reply(200)
    assert status(server, first) == 200
    assert {server.failure(token).kind for token in tokens[:-1]} == {FailureKind.TRANSPORT}
    server.later(40)
    assert server.core.idle


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_messages_to_one_uri_meet_on_one_worker(workers: int) -> None:
    """By a Call-ID that leads there, another one for each."""
    uri = "sip:bob@10.0.0.2"
    made = [call_id_like(uri, workers) for _ in range(20)]
    assert {worker_for(call_id, workers) for call_id in made} == {worker_for(uri, workers)}
    assert len(set(made)) == 20
