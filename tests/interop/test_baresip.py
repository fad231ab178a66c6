"""baresip as callee and as caller."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from picosip.v1 import call_service_pb2 as call_pb
from tests.interop.baresip import Baresip
from tests.support.app import App, Call, Termination, media, sdp
from tests.support.server import PicosipServer

pytestmark = [
    pytest.mark.peer("baresip"),
    pytest.mark.parametrize("transport", ["udp", "tcp"]),
]

PROGRESS = call_pb.InviteRequest.WAIT_FOR_PROGRESS


@pytest.fixture
def app(server: PicosipServer) -> Iterator[App]:
    with App(server.grpc) as running:
        yield running
        running.leave_nothing()


@pytest.fixture
def sink() -> Iterator[int]:
    """Where baresip's RTP goes: a port that is held and never read."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_baresip_is_called(app: App, sink: int, tmp_path: Path, transport: str, who: str) -> None:
    with Baresip(tmp_path / "baresip", answers=True, transport=transport) as baresip:
        call = app.invite(baresip.uri, offer=sdp(sink))
        answered = app.wait_for("call_answered", call)
        assert media(answered.call_answered.description)[0][0] == "audio"
        app.wait_for("call_confirmed", call)
        baresip.wait_for("CALL_ESTABLISHED")
        if who == "caller":
            assert app.hangup(call).state == Call.STATE_TERMINATED
            cause = Termination.CAUSE_LOCAL_HANGUP
        else:
            baresip.hang_up()
            cause = Termination.CAUSE_REMOTE_HANGUP
        baresip.wait_for("CALL_CLOSED")
        assert app.wait_for("call_ended", call).call_ended.termination.cause == cause


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_baresip_calls(
    server: PicosipServer, app: App, sink: int, tmp_path: Path, transport: str, who: str
) -> None:
    with Baresip(tmp_path / "baresip", transport=transport) as baresip:
        baresip.dial(f"sip:interop@127.0.0.1:{server.ports[transport]}")
        received = app.wait_for("call_received")
        assert media(received.call_received.offer)[0][0] == "audio"
        app.progress(received.resource)
        baresip.wait_for("CALL_RINGING")
        call = app.answer(received.resource, description=sdp(sink))
        assert call.state == Call.STATE_CONFIRMED
        baresip.wait_for("CALL_ESTABLISHED")
        if who == "caller":
            baresip.hang_up()
            cause = Termination.CAUSE_REMOTE_HANGUP
        else:
            app.hangup(received.resource)
            cause = Termination.CAUSE_LOCAL_HANGUP
        baresip.wait_for("CALL_CLOSED")
        ended = app.wait_for("call_ended", received.resource)
        assert ended.call_ended.termination.cause == cause


def test_server_knows_who_calls(tmp_path: Path, transport: str, sink: int) -> None:
    """With an MD5 secret alone, as this baresip gives up where SHA-256 is offered beside it."""
    ha1 = hashlib.md5(b"alice:here:secret").hexdigest()
    users = tmp_path / "users.toml"
    users.write_text(f'[[users]]\nrealm = "here"\nuser = "alice"\nha1 = "{ha1}"\n')
    with (
        PicosipServer(tmp_path / "server", f"--users={users}") as server,
        App(server.grpc) as app,
        Baresip(tmp_path / "baresip", transport=transport, secret=("alice", "secret")) as baresip,
    ):
        baresip.dial(f"sip:interop@127.0.0.1:{server.ports[transport]}")
        received = app.wait_for("call_received")
        assert received.call_received.call.authenticated_user == "alice"
        app.answer(received.resource, description=sdp(sink))
        app.hangup(received.resource)
        baresip.wait_for("CALL_CLOSED")


def test_baresip_is_cancelled(app: App, tmp_path: Path, transport: str) -> None:
    with Baresip(tmp_path / "baresip", transport=transport) as baresip:
        call = app.invite(baresip.uri, wait_for=PROGRESS)
        baresip.wait_for("CALL_INCOMING")
        app.hangup(call)
        baresip.wait_for("CALL_CLOSED")
        ended = app.wait_for("call_ended", call).call_ended.termination
        assert ended.cause == Termination.CAUSE_CANCELLED


def test_baresip_gives_up(server: PicosipServer, app: App, tmp_path: Path, transport: str) -> None:
    with Baresip(tmp_path / "baresip", transport=transport) as baresip:
        baresip.dial(f"sip:interop@127.0.0.1:{server.ports[transport]}")
        received = app.wait_for("call_received")
        app.progress(received.resource)
        baresip.wait_for("CALL_RINGING")
        baresip.hang_up()
        ended = app.wait_for("call_ended", received.resource).call_ended.termination
        assert ended.cause == Termination.CAUSE_CANCELLED
