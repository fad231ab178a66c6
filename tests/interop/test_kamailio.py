"""Two users, each behind a picoSIP of its own, register at Kamailio and call through it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

import picosip
from picosip.v1 import call_service_pb2 as call_pb, registration_service_pb2 as reg_pb, sip_pb2
from tests.interop.kamailio.registrar import SECRETS, Kamailio
from tests.support.app import App, Call, Event, Termination
from tests.support.failures import failure_of
from tests.support.server import PicosipServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.peer("kamailio")

FINAL = call_pb.InviteRequest.WAIT_FOR_FINAL
PROGRESS = call_pb.InviteRequest.WAIT_FOR_PROGRESS


@pytest.fixture(scope="module", params=["MD5", "SHA256"])
def kamailio(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Kamailio]:
    """Kamailio that challenges with this algorithm."""
    with Kamailio(tmp_path_factory.mktemp("kamailio"), request.param) as running:
        yield running


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[PicosipServer, PicosipServer]]:
    """Alice's and Bob's server."""
    home = tmp_path_factory.mktemp("servers")
    with (
        PicosipServer(home / "alice") as alice,
        PicosipServer(home / "bob", "--attach-wait=0.2") as bob,
    ):
        yield alice, bob


@dataclass
class User:
    """A registered user: its application and how it reaches the others."""

    name: str
    app: App
    kamailio: Kamailio
    transport: str
    password: str = ""

    def __post_init__(self) -> None:
        self.password = self.password or SECRETS[self.name]
        self.suffix = ";transport=tcp" if self.transport == "tcp" else ""

    @property
    def credentials(self) -> list[sip_pb2.Credentials]:
        return [sip_pb2.Credentials(realm="kamailio", username=self.name, password=self.password)]

    def register(self) -> reg_pb.Registration:
        return self.app.register(
            f"{self.kamailio.uri}{self.suffix}",
            self.kamailio.aor(self.name),
            credentials=self.credentials,
            expires=Duration(seconds=600),
        )

    def call(self, other: str, **more: object) -> str:
        return self.app.invite(
            f"{self.kamailio.aor(other)}{self.suffix}",
            sender=self.kamailio.aor(self.name),
            credentials=self.credentials,
            **more,
        )

    def ended(self, call: str = "", timeout: float = 10.0) -> call_pb.Termination:
        return self.app.wait_for("call_ended", call, timeout=timeout).call_ended.termination


@pytest.fixture(params=["udp"])
def users(
    servers: tuple[PicosipServer, PicosipServer],
    kamailio: Kamailio,
    request: pytest.FixtureRequest,
) -> Iterator[tuple[User, User]]:
    """Alice and Bob, registered; Alice's way to Kamailio is the fixture's parameter."""
    with (
        App(servers[0].grpc, include_messages=True) as first,
        App(servers[1].grpc, include_messages=True) as second,
    ):
        alice = User("alice", first, kamailio, request.param)
        bob = User("bob", second, kamailio, "udp")
        registrations = [alice.register(), bob.register()]
        yield alice, bob
        for user, registration in zip((alice, bob), registrations, strict=True):
            user.app.unregister(registration.name)
            assert user.app.stats().active_calls == 0
            assert user.app.stats().active_registrations == 0


def vias(event: Event) -> int:
    return sum(header.name.lower() in ("via", "v") for header in event.message.headers)


def test_register_and_unregister(
    servers: tuple[PicosipServer, PicosipServer], kamailio: Kamailio
) -> None:
    with App(servers[0].grpc) as app:
        alice = User("alice", app, kamailio, "udp")
        registration = alice.register()
        assert registration.state == reg_pb.Registration.STATE_ACTIVE
        assert registration.expires == Duration(seconds=600)
        assert registration.last_status.code == 200
        again = app.registrations.GetRegistration(
            reg_pb.GetRegistrationRequest(name=registration.name), timeout=10
        )
        assert again.registration.state == reg_pb.Registration.STATE_ACTIVE
        removed = app.unregister(registration.name)
        assert removed.state == reg_pb.Registration.STATE_TERMINATED
        # Kamailio knows nobody under that name any more.
        with pytest.raises(grpc.RpcError) as raised:
            alice.call("alice", wait_for=FINAL)
        assert failure_of(raised.value).status == 480


def test_wrong_password(servers: tuple[PicosipServer, PicosipServer], kamailio: Kamailio) -> None:
    with App(servers[0].grpc) as app:
        mallory = User("alice", app, kamailio, "udp", password="a guess")
        with pytest.raises(grpc.RpcError) as raised:
            mallory.register()
        failure = failure_of(raised.value)
        assert (failure.code, failure.status) == (grpc.StatusCode.UNAUTHENTICATED, 401)
        with pytest.raises(grpc.RpcError) as raised:
            mallory.call("bob", wait_for=FINAL)
        failure = failure_of(raised.value)
        assert (failure.code, failure.status) == (grpc.StatusCode.UNAUTHENTICATED, 407)


@pytest.mark.parametrize("users", ["udp", "tcp"], indirect=True)
@pytest.mark.parametrize("who", ["caller", "callee"])
def test_call_through_the_proxy(users: tuple[User, User], kamailio: Kamailio, who: str) -> None:
    alice, bob = users
    outgoing = alice.call("bob")
    incoming = bob.app.wait_for("call_received").resource
    bob.app.progress(incoming)
    alice.app.wait_for("call_progressed", outgoing)
    assert bob.app.answer(incoming).state == Call.STATE_CONFIRMED
    alice.app.wait_for("call_confirmed", outgoing)
    for user, call in ((alice, outgoing), (bob, incoming)):
        (dialog,) = user.app.call(call).dialogs
        # RFC 3261 section 12.1: what the proxy recorded is the route of this dialog.
        assert any(f"127.0.0.1:{kamailio.port}" in route for route in dialog.route_set)
    near, far, first, second = (
        (alice, bob, outgoing, incoming) if who == "caller" else (bob, alice, incoming, outgoing)
    )
    assert near.app.hangup(first).state == Call.STATE_TERMINATED
    assert near.ended(first).cause == Termination.CAUSE_LOCAL_HANGUP
    assert far.ended(second).cause == Termination.CAUSE_REMOTE_HANGUP
    # The BYE came by way of the proxy, which would have refused it without its route.
    assert vias(far.app.wait_for("call_ended", second)) == 2


def test_cancel_while_it_rings(users: tuple[User, User]) -> None:
    alice, bob = users
    outgoing = alice.call("bob")
    incoming = bob.app.wait_for("call_received").resource
    bob.app.progress(incoming)
    alice.app.wait_for(
        "call_progressed", outgoing, where=lambda e: e.call_progressed.status.code == 180
    )
    assert alice.app.hangup(outgoing).state == Call.STATE_TERMINATED
    assert alice.ended(outgoing).cause == Termination.CAUSE_CANCELLED
    assert bob.ended(incoming).cause == Termination.CAUSE_CANCELLED


def test_busy(users: tuple[User, User]) -> None:
    alice, bob = users
    outgoing = alice.call("bob")
    incoming = bob.app.wait_for("call_received").resource
    bob.app.reject(incoming, 486)
    ended = alice.ended(outgoing)
    assert (ended.cause, ended.status.code) == (Termination.CAUSE_REJECTED, 486)
    assert bob.ended(incoming).cause == Termination.CAUSE_REJECTED


def test_busy_as_an_error_of_invite(users: tuple[User, User]) -> None:
    alice, bob = users

    def busy(app: App, event: Event) -> None:
        if event.WhichOneof("kind") == "call_received":
            status = sip_pb2.SipStatus(code=486)
            request = call_pb.RejectRequest(name=event.resource, status=status)
            app.soon(app.calls.Reject.future(request))

    with App(bob.app.target, on_event=busy) as decliner:
        with pytest.raises(grpc.RpcError) as raised:
            alice.call("bob", wait_for=FINAL)
        assert decliner.errors == []
    failure = failure_of(raised.value)
    assert (failure.code, failure.reason, failure.status) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "CALLEE_BUSY",
        486,
    )


def test_ring_timeout_of_the_caller(users: tuple[User, User]) -> None:
    alice, bob = users
    policy = call_pb.CallPolicy(ring_timeout=Duration(nanos=500_000_000))
    outgoing = alice.call("bob", policy=policy)
    incoming = bob.app.wait_for("call_received").resource
    bob.app.progress(incoming)
    assert alice.ended(outgoing).cause == Termination.CAUSE_TIMEOUT
    assert bob.ended(incoming).cause == Termination.CAUSE_CANCELLED


def test_proxy_loses_its_patience(users: tuple[User, User]) -> None:
    """Kamailio's own timer: 408 for the caller, CANCEL for the callee."""
    alice, bob = users
    impatient = sip_pb2.Header(name="X-Impatient", value="yes")
    outgoing = alice.call("bob", options=sip_pb2.MessageOptions(headers=[impatient]))
    incoming = bob.app.wait_for("call_received").resource
    bob.app.progress(incoming)
    ended = alice.ended(outgoing)
    assert (ended.cause, ended.status.code) == (Termination.CAUSE_REJECTED, 408)
    assert bob.ended(incoming).cause == Termination.CAUSE_CANCELLED


def test_nobody_listens_at_the_callee(
    servers: tuple[PicosipServer, PicosipServer], kamailio: Kamailio
) -> None:
    """Bob is registered, but no application of his is there: 480 with Retry-After."""
    with App(servers[0].grpc) as first:
        with App(servers[1].grpc) as second:
            registration = User("bob", second, kamailio, "udp").register()
        # A call that comes before the server has noticed waits for the application to be back.
        with picosip.Client(servers[1].grpc) as client:
            wait_until(lambda: client.stats().event_streams == 0, what="an application that leaves")
        with pytest.raises(grpc.RpcError) as raised:
            User("alice", first, kamailio, "udp").call("bob", wait_for=FINAL)
        with App(servers[1].grpc) as second:
            second.unregister(registration.name)
    failure = failure_of(raised.value)
    assert (failure.code, failure.status) == (grpc.StatusCode.FAILED_PRECONDITION, 480)
    assert any(name == "Retry-After" for name, _ in failure.headers)


def test_two_phones_of_one_user_ring(
    servers: tuple[PicosipServer, PicosipServer], kamailio: Kamailio, tmp_path: Path
) -> None:
    """Bob is registered from two servers: the call forks, one answers, the other is
    cancelled by the proxy."""
    alice_server, bob_server = servers
    with (
        PicosipServer(tmp_path / "other") as other_server,
        App(alice_server.grpc) as first,
        App(bob_server.grpc) as second,
        App(other_server.grpc) as third,
    ):
        bobs = [User("bob", app, kamailio, "udp") for app in (second, third)]
        registrations = [user.register() for user in bobs]
        alice = User("alice", first, kamailio, "udp")
        outgoing = alice.call("bob")
        incoming = [user.app.wait_for("call_received").resource for user in bobs]
        for user, call in zip(bobs, incoming, strict=True):
            user.app.progress(call)
        forked = alice.app.wait_for("call_forked", outgoing)
        assert forked.call_forked.dialog.early
        bobs[1].app.answer(incoming[1])
        alice.app.wait_for("call_confirmed", outgoing)
        assert bobs[0].ended(incoming[0]).cause == Termination.CAUSE_CANCELLED
        alice.app.hangup(outgoing)
        assert bobs[1].ended(incoming[1]).cause == Termination.CAUSE_REMOTE_HANGUP
        for user, registration in zip(bobs, registrations, strict=True):
            user.app.unregister(registration.name)
