"""JsSIP, a browser's SIP stack, registers at an application, calls it and is called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import picosip
from picosip.v1 import call_service_pb2 as call_pb
from tests.interop.jssip.browser import Browser
from tests.support.app import App, Call, Event, Termination, media, sdp
from tests.support.server import PicosipServer

pytestmark = pytest.mark.peer("node", "jssip")

AOR = "sip:alice@127.0.0.1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PicosipServer]:
    with PicosipServer(tmp_path_factory.mktemp("picosip"), "--sip=ws:127.0.0.1:0") as running:
        yield running


@pytest.fixture
def app(server: PicosipServer) -> Iterator[App]:
    with App(server.grpc, methods=["REGISTER", "MESSAGE"]) as running:
        yield running
        running.leave_nothing()


@pytest.fixture
def client(server: PicosipServer) -> Iterator[picosip.Client]:
    with picosip.Client(server.grpc) as running:
        yield running


@pytest.fixture
def browser(server: PicosipServer, app: App, tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path / "jssip", f"ws://127.0.0.1:{server.ports['ws']}", AOR) as running:
        yield running


def asked(app: App, method: str, number: int = 1) -> Event:
    """The request of that method that came as the ``number``-th."""

    def matches(event: Event) -> bool:
        return event.incoming_request.method == method

    def enough(event: Event) -> bool:
        return matches(event) and list(filter(matches, app.of_kind("incoming_request"))).index(
            event
        ) == (number - 1)

    return app.wait_for("incoming_request", where=enough)


def registered(app: App, client: picosip.Client, browser: Browser) -> str:
    """Registers the browser; gives its contact."""
    browser.do("register")
    request = asked(app, "REGISTER").incoming_request
    (contact,) = request.contacts
    headers = [("Contact", f"<{contact.uri}>;expires=600")]
    client.respond(request.name, 200, headers=headers)
    browser.wait_for("registered", status=200)
    # RFC 7118 section 5.2: no name that leads anywhere.
    assert ".invalid" in contact.uri
    return contact.uri


def ended(app: App, call: str) -> Termination.Cause.ValueType:
    return app.wait_for("call_ended", call).call_ended.termination.cause


def offer_of(app: App, browser: Browser, server: PicosipServer) -> tuple[str, Event]:
    browser.do("call", uri="sip:bob@127.0.0.1")
    received = app.wait_for("call_received")
    return received.resource, received


def test_register(app: App, client: picosip.Client, browser: Browser) -> None:
    registered(app, client, browser)
    browser.do("unregister")
    request = asked(app, "REGISTER", 2).incoming_request
    assert [(p.name, p.value) for p in request.contacts[0].parameters if p.name == "expires"] == [
        ("expires", "0")
    ]
    client.respond(request.name, 200)
    browser.wait_for("unregistered")


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_browser_calls(app: App, browser: Browser, server: PicosipServer, who: str) -> None:
    call, received = offer_of(app, browser, server)
    offer = received.call_received.offer
    assert media(offer) == [("audio", 9)]
    assert offer.sdp.media[0].protocol == "UDP/TLS/RTP/SAVPF"
    app.progress(call)
    browser.wait_for("progress", who="remote")
    assert app.answer(call).state == Call.STATE_CONFIRMED
    browser.wait_for("confirmed")
    if who == "caller":
        browser.do("hangup")
        assert ended(app, call) == Termination.CAUSE_REMOTE_HANGUP
    else:
        app.hangup(call)
        assert ended(app, call) == Termination.CAUSE_LOCAL_HANGUP
        browser.wait_for("ended", who="remote")


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_browser_is_called(app: App, client: picosip.Client, browser: Browser, who: str) -> None:
    contact = registered(app, client, browser)
    call = app.invite(contact, sender="sip:bob@127.0.0.1")
    browser.wait_for("session", originator="remote")
    app.wait_for("call_progressed", call)
    browser.do("answer")
    answered = app.wait_for("call_answered", call)
    assert media(answered.call_answered.description) == [("audio", 9)]
    app.wait_for("call_confirmed", call)
    browser.wait_for("confirmed")
    if who == "caller":
        app.hangup(call)
        browser.wait_for("ended", who="remote")
        assert ended(app, call) == Termination.CAUSE_LOCAL_HANGUP
    else:
        browser.do("hangup")
        assert ended(app, call) == Termination.CAUSE_REMOTE_HANGUP


def test_browser_is_busy(app: App, client: picosip.Client, browser: Browser) -> None:
    call = app.invite(registered(app, client, browser))
    browser.wait_for("session", originator="remote")
    browser.do("reject", status=486)
    termination = app.wait_for("call_ended", call).call_ended.termination
    assert (termination.cause, termination.status.code) == (Termination.CAUSE_REJECTED, 486)


def test_browser_gives_up(app: App, browser: Browser, server: PicosipServer) -> None:
    call, _ = offer_of(app, browser, server)
    app.progress(call)
    browser.wait_for("progress", who="remote")
    browser.do("hangup")
    assert ended(app, call) == Termination.CAUSE_CANCELLED
    browser.wait_for("failed", cause="Canceled")


def test_hold(app: App, client: picosip.Client, browser: Browser) -> None:
    """From both sides."""
    call = app.invite(registered(app, client, browser))
    browser.wait_for("session", originator="remote")
    browser.do("answer")
    app.wait_for("call_confirmed", call)
    browser.wait_for("confirmed")
    assert app.calls.Hold(call_pb.HoldRequest(name=call), timeout=10).call.local_hold
    browser.wait_for("hold", who="remote")
    assert not app.calls.Resume(call_pb.ResumeRequest(name=call), timeout=10).call.local_hold
    browser.wait_for("unhold", who="remote")
    browser.do("hold")
    request = asked(app, "INVITE").incoming_request
    assert any(a.name == "sendonly" for a in request.offer.sdp.media[0].attributes)
    description = sdp()
    description.raw += b"a=recvonly\r\n"
    client.respond(request.name, 200, description=description)
    app.wait_for("call_held", call, where=lambda e: e.call_held.remote_hold)
    app.hangup(call)
    browser.wait_for("ended", who="remote")


def test_messages(app: App, client: picosip.Client, browser: Browser) -> None:
    contact = registered(app, client, browser)
    assert client.send_message("good morning", "sip:bob@127.0.0.1", contact).code == 200
    told = browser.wait_for("message", body="good morning")
    assert told["from"] == "sip:bob@127.0.0.1"
    browser.do("message", uri="sip:bob@127.0.0.1", text="good night")
    request = asked(app, "MESSAGE").incoming_request
    assert request.body.data == b"good night"
    client.respond(request.name, 202)
    browser.wait_for("sent", status=202)
