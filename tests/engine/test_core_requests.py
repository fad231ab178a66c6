"""Incoming calls that nobody takes, claimed requests, and digest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picosip_server.engine.audience import Nobody
from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.auth.users import User
from picosip_server.sip.message import Message, Response
from picosip_server.sip.parse import parse
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Body, Credentials, Options
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.snapshots import Cause, Termination
from tests.engine.memory import Everybody
from tests.engine.probe import SOURCE, Server, octets

USERS = (User(realm="far", username="olga", password="secret"),)
TCP_VIA = "SIP/2.0/TCP pub.green.example:5062;branch=z9hG4bKgr1"


def statuses(sent: list[tuple[float, Message]]) -> list[tuple[float, int]]:
    return [(at, each.status) for at, each in sent if isinstance(each, Response)]


def incoming(server: Server) -> events.IncomingRequest:
    (event,) = server.of(events.IncomingRequest)
    assert isinstance(event, events.IncomingRequest)
    return event


def respond(server: Server, name: str, status: int = 200, **fields: object) -> object:
    token = server.submit(
        lambda token: commands.Respond(token=token, name=name, status=status, **fields)  # type: ignore[arg-type]
    )
    return server.results[token]


# Calls without an application.


def test_a_call_that_no_application_hears_of_is_refused_after_attach_wait() -> None:
    """21.4.18: 480, and when to try again."""
    server = Server()
    server.core.set_audience(Nobody(), server.simulation.now)
    assert server.ask(octets("INVITE")).status == 100
    sent = server.later(2.0)
    assert statuses(sent) == [(2.0, 480)]
    refusal = sent[0][1]
    assert refusal.headers.get("Retry-After") == "10"
    (ended,) = server.of(events.CallEnded)
    assert isinstance(ended, events.CallEnded)
    assert ended.termination == Termination(
        cause=Cause.TIMEOUT, status=480, reason="Temporarily Unavailable"
    )


def test_an_application_that_comes_in_time_has_the_whole_answer_timeout() -> None:
    server = Server(answer_timeout=30.0)
    server.core.set_audience(Nobody(), server.simulation.now)
    server.hear(octets("INVITE"))
    server.invite("sip:ute@10.0.0.9")
    server.later(1.9)
    server.core.set_audience(Everybody(), server.simulation.now)
    # Whatever calls of our own there are.
    assert statuses(server.later(28.0)) == []
    assert statuses(server.later(0.2)) == [(0.1, 480)]


def test_a_call_that_is_heard_and_not_answered_is_refused_after_answer_timeout() -> None:
    server = Server()
    server.hear(octets("INVITE"))
    (received,) = server.of(events.CallReceived)
    assert isinstance(received, events.CallReceived)
    assert received.answer_by == received.at + 180.0
    assert statuses(server.later(180.0)) == [(180.0, 480)]


# Claimed requests: RFC 3261 section 8.2, RFC 4320.


@pytest.mark.parametrize("method", ["REGISTER", "MESSAGE", "OPTIONS", "NEWMETHOD"])
def test_a_claimed_request_is_the_applications_to_answer(method: str) -> None:
    server = Server(method)
    data = octets(method, "Content-Type: text/plain", body=b"hello")
    assert server.hear(data) == []
    event = incoming(server)
    request = event.message
    assert request is not None
    now = server.simulation.now
    assert event == events.IncomingRequest(
        resource=event.name,
        at=now,
        message=request,
        name=event.name,
        method=method,
        from_address=request.from_,
        to_address=request.to,
        headers=tuple(request.headers),
        body=Body(content_type="text/plain", data=b"hello"),
        offer=None,
        respond_by=now + 10.0,
        contacts=tuple(request.contacts),
    )
    assert event.name.startswith("requests/")
    # 17.2.2: a repetition is absorbed meanwhile.
    assert server.hear(data) == []
    answer = Body(content_type="text/plain", data=b"well", disposition="")
    options = Options(headers=(("Expires", "60"),))
    assert respond(server, event.name, 202, reason="Fine", body=answer, options=options) is None
    response = parse(server.out[0][2])
    assert isinstance(response, Response)
    assert (response.status, response.reason, response.body) == (202, "Fine", b"well")
    assert response.to.tag != ""
    assert response.headers.get("Expires") == "60"
    assert response.content_type == "text/plain"
    # 17.2.2: and then answered with the same octets, for 64*T1.
    server.hear(data)
    assert server.out[1][2] == server.out[0][2]
    assert server.later(100) == []
    assert server.core.idle
    assert server.of(events.IncomingRequestClosed) == []


def test_over_tcp_nothing_lingers() -> None:
    """17.2.2: timer J is zero."""
    server = Server("MESSAGE")
    source = replace(SOURCE, transport="TCP")
    server.hear(octets("MESSAGE", "Content-Length: 0", via=TCP_VIA), source)
    respond(server, incoming(server).name)
    assert server.core.idle


def test_a_request_can_be_answered_once() -> None:
    server = Server("MESSAGE")
    server.hear(octets("MESSAGE"))
    name = incoming(server).name
    assert respond(server, name) is None
    for each in (name, "requests/unknown"):
        failure = respond(server, each)
        assert isinstance(failure, Failure)
        assert failure.kind is FailureKind.NOT_FOUND
    assert len(server.out) == 1


def test_a_slow_application_makes_the_stack_say_100() -> None:
    """RFC 4320 section 4.1: once a client's timer E would have reached T2, not before."""
    server = Server("MESSAGE")
    server.hear(octets("MESSAGE"))
    assert statuses(server.later(5.0)) == [(3.5, 100)]
    # 17.2.2: a repetition gets the 100 again.
    assert server.ask(octets("MESSAGE")).status == 100
    respond(server, incoming(server).name)
    assert [parse(data).status for _, _, data in server.out] == [100, 100, 200]  # type: ignore[union-attr]
    assert server.later(20) == []


def test_an_application_in_time_makes_no_100() -> None:
    server = Server("MESSAGE")
    server.hear(octets("MESSAGE"))
    server.later(3.4)
    respond(server, incoming(server).name)
    assert statuses(server.later(10.0)) == []


def test_an_application_that_does_not_respond_is_answered_for() -> None:
    """RFC 4320 section 4.2: no 408."""
    server = Server("MESSAGE", respond_timeout=6.0)
    server.hear(octets("MESSAGE"))
    assert statuses(server.later(6.0)) == [(3.5, 100), (6.0, 480)]
    name = incoming(server).name
    (closed,) = server.of(events.IncomingRequestClosed)
    assert closed == events.IncomingRequestClosed(
        resource=name,
        at=server.simulation.now,
        name=name,
        status=480,
        reason="Temporarily Unavailable",
    )
    failure = respond(server, name)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.NOT_FOUND


def test_a_claimed_request_may_require_what_the_stack_does_not_know() -> None:
    """8.2.2.3: the application judges."""
    server = Server("MESSAGE")
    assert server.hear(octets("MESSAGE", "Require: strange")) == []
    assert incoming(server).method == "MESSAGE"


# Digest: RFC 3261 section 22.


@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
def test_users_are_asked_who_they_are(method: str) -> None:
    """22.2; RFC 8760 section 2.3: the strongest algorithm first."""
    server = Server("REGISTER", users=USERS)
    challenge = server.ask(octets(method))
    values = challenge.headers.get_all("WWW-Authenticate")
    assert challenge.status == 401
    assert ["SHA-256" in value for value in values] == [True, False]
    assert all('realm="far"' in value for value in values)
    assert (server.events, server.core.idle) == ([], True)

    client = DigestClient((Credentials(username="olga", password="secret"),))
    uri = "sip:piet@10.0.0.1"
    fields = client.answer(challenge, method=method, uri=uri, body=b"", cnonce="c")
    assert fields is not None
    lines = [f"{name}: {value}" for name, value in fields]
    again = octets(
        method, *lines, cseq=f"8 {method}", via="SIP/2.0/UDP pub.example;branch=z9hG4bKb"
    )
    server.hear(again)
    (event,) = server.events
    if isinstance(event, events.CallReceived):
        assert event.call.authenticated_user == "olga"
    else:
        assert isinstance(event, events.IncomingRequest)
        assert event.authenticated_user == "olga"
    # A replay of the same credentials is stale (RFC 7616 section 3.3).
    replay = octets(
        method, *lines, cseq=f"9 {method}", via="SIP/2.0/UDP pub.example;branch=z9hG4bKc"
    )
    stale = server.ask(replay)
    assert stale.status == 401
    assert "stale=true" in (stale.headers.get("WWW-Authenticate") or "").lower()


def test_a_wrong_password_is_asked_again() -> None:
    server = Server(users=USERS)
    challenge = server.ask(octets("INVITE"))
    client = DigestClient((Credentials(username="olga", password="wrong"),))
    fields = client.answer(challenge, method="INVITE", uri="sip:x", body=b"", cnonce="c")
    assert fields is not None
    response = server.ask(octets("INVITE", *(f"{name}: {value}" for name, value in fields)))
    assert response.status == 401
    assert "stale" not in (response.headers.get("WWW-Authenticate") or "").lower()
    assert server.events == []


def test_other_requests_are_not_challenged() -> None:
    server = Server("MESSAGE", users=USERS)
    assert server.ask(octets("OPTIONS")).status == 200
    server.hear(octets("MESSAGE"))
    assert incoming(server).authenticated_user == ""


def test_without_users_nobody_is_asked() -> None:
    server = Server()
    server.hear(octets("INVITE"))
    (event,) = server.events
    assert isinstance(event, events.CallReceived)
    assert event.call.authenticated_user == ""


@pytest.mark.parametrize(
    ("contact", "shown"),
    [
        ("<sip:olga@{0}>", "90"),
        ("<sip:olga@{0}>;expires=30", "30"),
        ("*", "90"),
    ],
)
def test_contacts_of_a_register_say_how_long_they_live(contact: str, shown: str) -> None:
    """RFC 3261 section 10.2.1.1: their own parameter, else the Expires header."""
    server = Server("REGISTER")
    server.hear(octets("REGISTER", "Expires: 90", contact=contact.format("192.0.2.1")))
    (shown_contact,) = incoming(server).contacts
    assert shown_contact.params.get("expires") == shown
