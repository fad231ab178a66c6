"""Digest authentication between SIPp and picoSIP, either of them challenging."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from picosip.v1 import call_service_pb2 as call_pb, registration_service_pb2 as reg_pb, sip_pb2
from tests.interop.sipp import Sipp
from tests.support.app import App, Termination
from tests.support.failures import failure_of
from tests.support.server import PicosipServer

pytestmark = pytest.mark.peer("sipp")

FINAL = call_pb.InviteRequest.WAIT_FOR_FINAL


def alice(password: str, realm: str = "") -> sip_pb2.Credentials:
    return sip_pb2.Credentials(realm=realm, username="alice", password=password)


@pytest.fixture
def app(server: PicosipServer) -> Iterator[App]:
    with App(server.grpc, include_messages=True) as running:
        yield running
        running.leave_nothing()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_invite_and_bye_are_challenged(app: App, tmp_path: Path, transport: str) -> None:
    """401, then stale, then the BYE as well: SIPp computes each digest itself."""
    with Sipp("uas_challenges_invite", tmp_path, transport=transport) as sipp:
        call = app.invite(sipp.uri, credentials=[alice("secret")], wait_for=FINAL)
        app.hangup(call)
        sipp.finish()
    app.wait_for("call_ended", call)
    assert app.kinds(call) == ["call_created", "call_answered", "call_confirmed", "call_ended"]


def test_wrong_password_is_refused(app: App, tmp_path: Path) -> None:
    with Sipp("uas_challenges_invite", tmp_path) as sipp:
        with pytest.raises(grpc.RpcError) as raised:
            app.invite(sipp.uri, credentials=[alice("wrong")], wait_for=FINAL)
        sipp.finish()
    failure = failure_of(raised.value)
    assert (failure.code, failure.status) == (grpc.StatusCode.PERMISSION_DENIED, 403)


def test_second_challenge_that_is_not_stale_is_final(app: App, tmp_path: Path) -> None:
    with Sipp("uas_always_challenges", tmp_path) as sipp:
        with pytest.raises(grpc.RpcError) as raised:
            app.invite(sipp.uri, credentials=[alice("wrong")], wait_for=FINAL)
        sipp.finish()
    failure = failure_of(raised.value)
    assert (failure.code, failure.status) == (grpc.StatusCode.UNAUTHENTICATED, 401)
    termination = app.wait_for("call_ended").call_ended.termination
    assert (termination.cause, termination.status.code) == (Termination.CAUSE_REJECTED, 401)


@pytest.mark.parametrize(
    ("status", "challenge"),
    [
        ("401 Unauthorized", "WWW-Authenticate"),
        ("407 Proxy Authentication Required", "Proxy-Authenticate"),
    ],
)
def test_endless_challenges_come_to_an_end(
    app: App, tmp_path: Path, status: str, challenge: str
) -> None:
    keys = {"status": status, "challenge": challenge}
    with Sipp("uas_endless_challenges", tmp_path, keys=keys) as sipp:
        with pytest.raises(grpc.RpcError) as raised:
            app.invite(sipp.uri, credentials=[alice("secret")], wait_for=FINAL)
        invites = [message for message in sipp.received() if message.method == "INVITE"]
    failure = failure_of(raised.value)
    assert (failure.code, failure.status) == (
        grpc.StatusCode.UNAUTHENTICATED,
        int(status[:3]),
    )
    assert 2 < len(invites) < 20


def test_no_credentials_for_the_realm(app: App, tmp_path: Path) -> None:
    keys = {
        "status": "407 Proxy Authentication Required",
        "header": 'Proxy-Authenticate: Digest realm="elsewhere", nonce="n", qop="auth"',
    }
    with Sipp("uas_refuse", tmp_path, keys=keys) as sipp:
        with pytest.raises(grpc.RpcError) as raised:
            app.invite(sipp.uri, credentials=[alice("secret", "interop")], wait_for=FINAL)
        sipp.finish()
    failure = failure_of(raised.value)
    assert (failure.code, failure.status) == (grpc.StatusCode.UNAUTHENTICATED, 407)


def test_proxy_and_callee_both_challenge(app: App, tmp_path: Path) -> None:
    credentials = [alice("secret", "interop"), alice("of the proxy", "proxy")]
    with Sipp("uas_two_realms", tmp_path) as sipp:
        call = app.invite(sipp.uri, credentials=credentials, wait_for=FINAL)
        app.hangup(call)
        sipp.finish()


def test_registration(app: App, tmp_path: Path) -> None:
    """401, stale, 423 with Min-Expires, 200 with Service-Route, and the removal."""
    with Sipp("uas_registrar", tmp_path) as sipp:
        registrar = f"sip:127.0.0.1:{sipp.port}"
        registration = app.register(
            registrar,
            f"sip:alice@127.0.0.1:{sipp.port}",
            expires=Duration(seconds=60),
            credentials=[alice("secret")],
        )
        assert registration.state == reg_pb.Registration.STATE_ACTIVE
        assert registration.expires == Duration(seconds=1800)
        assert list(registration.service_route) == [f"<sip:127.0.0.1:{sipp.port};lr>"]
        removed = app.unregister(registration.name)
        assert removed.state == reg_pb.Registration.STATE_TERMINATED
        sipp.finish()


def test_registration_with_a_wrong_password(app: App, tmp_path: Path) -> None:
    with Sipp("uas_registrar", tmp_path) as sipp:
        with pytest.raises(grpc.RpcError) as raised:
            app.register(
                f"sip:127.0.0.1:{sipp.port}",
                f"sip:alice@127.0.0.1:{sipp.port}",
                credentials=[alice("wrong")],
            )
        sipp.finish()
    failure = failure_of(raised.value)
    assert (failure.code, failure.status) == (grpc.StatusCode.PERMISSION_DENIED, 403)
    assert app.stats().active_registrations == 0


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PicosipServer]:
    """A server that knows one user, by the only kind of secret that SIPp can use."""
    home = tmp_path_factory.mktemp("guarded")
    users = home / "users.toml"
    ha1 = hashlib.md5(b"alice:here:secret").hexdigest()
    users.write_text(f'[[users]]\nrealm = "here"\nuser = "alice"\nha1 = "{ha1}"\n')
    with PicosipServer(home, f"--users={users}") as running:
        yield running


def test_server_knows_the_caller(guarded: PicosipServer, tmp_path: Path) -> None:
    flags = ("-au", "alice", "-ap", "secret")
    with (
        App(guarded.grpc) as app,
        Sipp("uac_authenticated", tmp_path, server=guarded.udp, flags=flags) as sipp,
    ):
        received = app.wait_for("call_received")
        assert received.call_received.call.authenticated_user == "alice"
        app.answer(received.resource)
        sipp.finish()


def test_server_turns_a_wrong_password_away(guarded: PicosipServer, tmp_path: Path) -> None:
    flags = ("-au", "alice", "-ap", "wrong")
    with (
        App(guarded.grpc) as app,
        Sipp("uac_wrong_password", tmp_path, server=guarded.udp, flags=flags) as sipp,
    ):
        sipp.finish()
        app.wait_for_revision(app.latest().revision)
        assert app.events == []
    assert "wrong" not in guarded.process.tail(10**9)
