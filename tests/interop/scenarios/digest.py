"""Digest authentication between SIPp and picoSIP, either of them challenging."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from picosip.v1 import (
    call_service_pb2 as call_pb,
    registration_service_pb2 as reg_pb,
    request_service_pb2 as request_pb,
    sip_pb2,
)
from tests.interop.sipp import SCENARIOS
from tests.interop.suite import Play, scenario
from tests.support.app import Termination
from tests.support.failures import failure_of

FINAL = call_pb.InviteRequest.WAIT_FOR_FINAL


def alice(password: str, realm: str = "") -> sip_pb2.Credentials:
    return sip_pb2.Credentials(realm=realm, username="alice", password=password)


@scenario("rfc3261-s22.2-challenges-uas", over=["udp", "tcp"])
def invite_and_bye_are_challenged(play: Play, transport: str) -> None:
    """401, then stale, then the BYE as well: SIPp computes each digest itself."""
    app = play.app
    with play.callee(transport=transport) as sipp:
        call = app.invite(sipp.uri, credentials=[alice("secret")], wait_for=FINAL)
        app.hangup(call)
        sipp.finish()
    app.wait_for("call_ended", call)
    assert app.kinds(call) == ["call_created", "call_answered", "call_confirmed", "call_ended"]


@scenario("rfc3261-s22.2-challenges-uas")
def wrong_password_is_refused(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        with pytest.raises(grpc.RpcError) as raised:
            app.invite(sipp.uri, credentials=[alice("wrong")], wait_for=FINAL)
        sipp.finish()
    failure = failure_of(raised.value)
    assert (failure.code, failure.status) == (grpc.StatusCode.PERMISSION_DENIED, 403)


@scenario("rfc7616-s3.3-challenged-again-uas")
def second_challenge_that_is_not_stale_is_final(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        with pytest.raises(grpc.RpcError) as raised:
            app.invite(sipp.uri, credentials=[alice("wrong")], wait_for=FINAL)
        sipp.finish()
    failure = failure_of(raised.value)
    assert (failure.code, failure.status) == (grpc.StatusCode.UNAUTHENTICATED, 401)
    termination = app.wait_for("call_ended").call_ended.termination
    assert (termination.cause, termination.status.code) == (Termination.CAUSE_REJECTED, 401)


@scenario(
    "rfc3261-s22.1-endless-challenges-uas",
    over=[
        ("401 Unauthorized", "WWW-Authenticate"),
        ("407 Proxy Authentication Required", "Proxy-Authenticate"),
    ],
)
def endless_challenges_come_to_an_end(play: Play, status: str, challenge: str) -> None:
    app = play.app
    keys = {"status": status, "challenge": challenge}
    with play.callee(keys=keys) as sipp:
        with pytest.raises(grpc.RpcError) as raised:
            app.invite(sipp.uri, credentials=[alice("secret")], wait_for=FINAL)
        invites = [message for message in sipp.received() if message.method == "INVITE"]
    failure = failure_of(raised.value)
    assert (failure.code, failure.status) == (
        grpc.StatusCode.UNAUTHENTICATED,
        int(status[:3]),
    )
    assert 2 < len(invites) < 20


@scenario("rfc3261-s22.3-unknown-realm-uas", file=False, also=["rfc3261-s13.2.2.3-refused-uas"])
def no_credentials_for_the_realm(play: Play) -> None:
    app = play.app
    keys = {
        "status": "407 Proxy Authentication Required",
        "header": 'Proxy-Authenticate: Digest realm="elsewhere", nonce="n", qop="auth"',
    }
    with play.callee("rfc3261-s13.2.2.3-refused-uas", keys=keys) as sipp:
        with pytest.raises(grpc.RpcError) as raised:
            app.invite(sipp.uri, credentials=[alice("secret", "interop")], wait_for=FINAL)
        sipp.finish()
    failure = failure_of(raised.value)
    assert (failure.code, failure.status) == (grpc.StatusCode.UNAUTHENTICATED, 407)


@scenario("rfc3261-s22.3-two-realms-uas")
def proxy_and_callee_both_challenge(play: Play) -> None:
    app = play.app
    credentials = [alice("secret", "interop"), alice("of the proxy", "proxy")]
    with play.callee() as sipp:
        call = app.invite(sipp.uri, credentials=credentials, wait_for=FINAL)
        app.hangup(call)
        sipp.finish()


@scenario("rfc3261-s10.3-registrar-uas")
def registration(play: Play) -> None:
    """401, stale, 423 with Min-Expires, 200 with Service-Route, and the removal."""
    app = play.app
    with play.callee() as sipp:
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


@scenario("rfc3261-s10.3-registrar-uas")
def registration_with_a_wrong_password(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
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


# A server that knows one user, by the only kind of secret that SIPp can use.
GUARDED = (f"--users={SCENARIOS / 'users.toml'}",)


@scenario("rfc3261-s22.2-authenticated-uac", flags=GUARDED)
def server_knows_the_caller(play: Play) -> None:
    app = play.app
    with play.caller(flags=("-au", "alice", "-ap", "secret")) as sipp:
        received = app.wait_for("call_received")
        assert received.call_received.call.authenticated_user == "alice"
        app.answer(received.resource)
        sipp.finish()


@scenario("rfc7616-s3.3-wrong-password-uac", flags=GUARDED)
def server_turns_a_wrong_password_away(play: Play) -> None:
    app = play.app
    with play.caller(flags=("-au", "alice", "-ap", "wrong")) as sipp:
        sipp.finish()
        app.catch_up()
        assert app.events == []
    assert "wrong" not in play.server.process.tail(10**9)


@scenario("rfc8760-s2.4-several-algorithms-uas")
def first_known_algorithm_is_taken(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri, credentials=[alice("secret")], wait_for=FINAL)
        app.hangup(call)
        sipp.finish()


@scenario("rfc8760-s2.4-unknown-algorithm-uas")
def unknown_algorithm_alone_cannot_be_answered(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        with pytest.raises(grpc.RpcError) as raised:
            app.invite(sipp.uri, credentials=[alice("secret")], wait_for=FINAL)
        sipp.finish()
    failure = failure_of(raised.value)
    assert (failure.code, failure.status) == (grpc.StatusCode.UNAUTHENTICATED, 407)


@scenario("rfc3261-s10.2.8-interval-too-brief-uas")
@scenario("rfc3261-s10.2.4-refresh-uas")
def registration_lasts_as_long_as_the_registrar_likes(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        registration = app.register(
            f"sip:127.0.0.1:{sipp.port}",
            f"sip:alice@127.0.0.1:{sipp.port}",
            expires=Duration(seconds=60),
        )
        assert registration.expires.seconds in (2, 7200)
        if registration.expires.seconds == 2:
            sipp.wait_until(lambda: len(sipp.received()) == 2, "a refresh")
        app.unregister(registration.name)
        sipp.finish()


FIELDS = {
    401: ("401 Unauthorized", "WWW-Authenticate", "Authorization"),
    407: ("407 Proxy Authentication Required", "Proxy-Authenticate", "Proxy-Authorization"),
}


def keys_of(code: int, **more: str) -> dict[str, str]:
    """What a scenario with a challenge is told."""
    return {**dict(zip(("status", "challenge", "credentials"), FIELDS[code], strict=True)), **more}


def send(play: Play, method: str, port: int) -> None:
    """A request with the credentials of alice; a failure raises."""
    app = play.app
    uri = f"sip:alice@127.0.0.1:{port}"
    if method == "REGISTER":
        app.register(f"sip:127.0.0.1:{port}", uri, credentials=[alice("secret")])
        return
    request = request_pb.TransactRequest(
        method=method,
        uri=uri,
        from_address=sip_pb2.Address(uri=uri),
        to_address=sip_pb2.Address(uri=uri),
        credentials=[alice("secret")],
    )
    status = app.requests.Transact(request, timeout=10).response.status.code
    assert status == 200, status


METHODS = [
    (f"{method} {code}", method, code)
    for method in ("REGISTER", "MESSAGE", "OPTIONS")
    for code in (401, 407)
]


@scenario("rfc8760-s2.4-challenges-uas", over=METHODS)
def any_request_is_challenged(play: Play, _: str, method: str, code: int) -> None:
    granted = "[last_Contact:];expires=600" if method == "REGISTER" else "X-Granted: nothing"
    with play.callee(keys=keys_of(code, method=method, granted=granted)) as sipp:
        send(play, method, sipp.port)
        sipp.finish()


@scenario("rfc8760-s2.4-nothing-known-uas", over=METHODS)
def any_request_meets_an_unknown_algorithm(play: Play, _: str, method: str, code: int) -> None:
    with play.callee(keys=keys_of(code, method=method)) as sipp:
        with pytest.raises((grpc.RpcError, AssertionError), match=str(code)):
            send(play, method, sipp.port)
        sipp.finish()


@scenario("rfc8760-s2.4-challenges-in-dialog-uas", over=[401, 407])
def bye_is_challenged(play: Play, code: int) -> None:
    app = play.app
    with play.callee(keys=keys_of(code)) as sipp:
        call = app.invite(sipp.uri, credentials=[alice("secret")], wait_for=FINAL)
        app.hangup(call)
        sipp.finish()
