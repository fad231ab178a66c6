"""linphone as callee and as caller: calls, hold from both sides, and a message."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import picosip
from picosip.v1 import (
    call_service_pb2 as call_pb,
    request_service_pb2 as request_pb,
    sdp_pb2,
    sip_pb2,
)
from tests.interop.linphone import Linphone
from tests.support.app import App, Call, Event, Termination, media, sdp
from tests.support.server import PicosipServer

pytestmark = [
    pytest.mark.peer("linphonec"),
    pytest.mark.parametrize("transport", ["udp", "tcp"]),
]

PROGRESS = call_pb.InviteRequest.WAIT_FOR_PROGRESS


@pytest.fixture
def app(server: PicosipServer) -> Iterator[App]:
    with App(server.grpc) as running:
        yield running
        running.leave_nothing()


@pytest.fixture
def linphone(tmp_path: Path, transport: str) -> Iterator[Linphone]:
    with Linphone(tmp_path / "linphone", transport=transport) as running:
        yield running


@pytest.fixture
def sink() -> Iterator[int]:
    """Where linphone's RTP goes: a port that is held and never read."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def respond(app: App, event: Event, description: sdp_pb2.SessionDescription | None = None) -> None:
    app.requests.Respond(
        request_pb.RespondRequest(
            name=event.incoming_request.name,
            status=sip_pb2.SipStatus(code=200),
            description=description,
        ),
        timeout=10,
    )


def held(app: App, call: str, local: bool, remote: bool) -> Event:
    def met(event: Event) -> bool:
        told = event.call_held
        return (told.local_hold, told.remote_hold) == (local, remote)

    return app.wait_for("call_held", call, where=met)


def called(app: App, linphone: Linphone, sink: int) -> str:
    """A call to linphone, which a hand answers."""
    call = app.invite(linphone.uri, offer=sdp(sink), wait_for=PROGRESS)
    linphone.wait_for("Receiving new incoming call")
    linphone.say("answer")
    app.wait_for("call_confirmed", call)
    linphone.wait_for(r"Call 1 with .* connected")
    linphone.wait_for(r"Media streams established")
    return call


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_linphone_is_called(app: App, linphone: Linphone, sink: int, who: str) -> None:
    call = called(app, linphone, sink)
    answered = app.wait_for("call_answered", call)
    assert media(answered.call_answered.description)[0][0] == "audio"
    if who == "caller":
        assert app.hangup(call).state == Call.STATE_TERMINATED
        cause = Termination.CAUSE_LOCAL_HANGUP
    else:
        linphone.say("terminate")
        cause = Termination.CAUSE_REMOTE_HANGUP
    linphone.wait_for(r"Call 1 with .* ended \(No error\)")
    assert app.wait_for("call_ended", call).call_ended.termination.cause == cause


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_linphone_calls(
    server: PicosipServer, app: App, linphone: Linphone, sink: int, transport: str, who: str
) -> None:
    linphone.say(f"call {server.uri('somebody', transport)}")
    received = app.wait_for("call_received")
    assert media(received.call_received.offer)[0][0] == "audio"
    app.progress(received.resource)
    linphone.wait_for("ringing")
    assert app.answer(received.resource, description=sdp(sink)).state == Call.STATE_CONFIRMED
    linphone.wait_for(r"Call 1 with .* connected")
    if who == "caller":
        linphone.say("terminate")
        cause = Termination.CAUSE_REMOTE_HANGUP
    else:
        app.hangup(received.resource)
        cause = Termination.CAUSE_LOCAL_HANGUP
    linphone.wait_for(r"Call 1 with .* ended \(No error\)")
    ended = app.wait_for("call_ended", received.resource)
    assert ended.call_ended.termination.cause == cause


def test_linphone_is_cancelled(app: App, linphone: Linphone) -> None:
    call = app.invite(linphone.uri, wait_for=PROGRESS)
    linphone.wait_for("Receiving new incoming call")
    app.hangup(call)
    linphone.wait_for(r"Call 1 with .* ended")
    ended = app.wait_for("call_ended", call).call_ended.termination
    assert ended.cause == Termination.CAUSE_CANCELLED


def test_linphone_is_held(app: App, linphone: Linphone, sink: int) -> None:
    call = called(app, linphone, sink)
    assert app.calls.Hold(call_pb.HoldRequest(name=call), timeout=10).call.local_hold
    linphone.wait_for("Call 1 has been paused by")
    assert not app.calls.Resume(call_pb.ResumeRequest(name=call), timeout=10).call.local_hold
    held(app, call, local=False, remote=False)
    app.hangup(call)
    linphone.wait_for(r"Call 1 with .* ended \(No error\)")


def test_linphone_holds(app: App, linphone: Linphone, sink: int) -> None:
    call = called(app, linphone, sink)
    linphone.say("pause")
    paused = app.wait_for("incoming_request", where=lambda e: e.incoming_request.call == call)
    assert paused.incoming_request.method == "INVITE"
    respond(app, paused, sdp_pb2.SessionDescription(raw=sdp(sink).raw + b"a=recvonly\r\n"))
    linphone.wait_for("Call 1 .*paused")
    held(app, call, local=False, remote=True)
    linphone.say("resume")
    resumed = app.wait_for(
        "incoming_request", where=lambda e: e.incoming_request.name != paused.incoming_request.name
    )
    respond(app, resumed, sdp(sink))
    held(app, call, local=False, remote=False)
    app.hangup(call)
    linphone.wait_for(r"Call 1 with .* ended \(No error\)")


def test_message(server: PicosipServer, linphone: Linphone) -> None:
    with picosip.Client(server.grpc) as client:
        sent = client.send_message("good morning", "sip:alice@127.0.0.1", linphone.uri)
        assert sent.code == 200
    linphone.wait_for("Message received from sip:alice@127.0.0.1: good morning")
