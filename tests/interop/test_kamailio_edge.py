"""Kamailio over TLS and WebSocket, its presence, and MESSAGEs that it routes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import picosip
from picosip.v1 import (
    registration_service_pb2 as reg_pb,
    request_service_pb2 as request_pb,
    sip_pb2,
)
from picosip_server.engine.config import TlsFiles
from tests.engine.certificates import Authority
from tests.interop.kamailio.registrar import Kamailio, edge
from tests.support.app import App, Call, Termination
from tests.support.server import PicosipServer

pytestmark = pytest.mark.peer("kamailio")

TRANSPORTS = ["udp", "tcp", "tls", "ws", "wss"]

PIDF = "application/pidf+xml"


def pidf(aor: str, basic: str) -> sip_pb2.Body:
    """A presence document (RFC 3863)."""
    text = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="{aor}">
<tuple id="one"><status><basic>{basic}</basic></status></tuple>
</presence>
"""
    return sip_pb2.Body(content_type=PIDF, data=text.encode())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """What everybody shows and trusts."""
    return Authority(tmp_path_factory.mktemp("certificates")).files()


@pytest.fixture(scope="module")
def kamailio(tmp_path_factory: pytest.TempPathFactory, files: TlsFiles) -> Iterator[Kamailio]:
    with edge(tmp_path_factory.mktemp("kamailio"), files) as running:
        yield running


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory, files: TlsFiles
) -> Iterator[tuple[PicosipServer, PicosipServer]]:
    """Alice's and Bob's server."""
    home = tmp_path_factory.mktemp("servers")
    flags = [f"--sip={transport}:127.0.0.1:0" for transport in ("tls", "ws", "wss")]
    flags += [f"--sip-tls-{what}={getattr(files, what)}" for what in ("cert", "key", "ca")]
    with (
        PicosipServer(home / "alice", *flags) as alice,
        PicosipServer(home / "bob", *flags) as bob,
    ):
        yield alice, bob


@dataclass
class User:
    """A registered user: its application, its client, and how it reaches the others."""

    name: str
    app: App
    client: picosip.Client
    kamailio: Kamailio
    transport: str

    @property
    def aor(self) -> str:
        return self.kamailio.aor(self.name)

    def reach(self, other: str) -> str:
        """Another user's URI over this user's transport."""
        return self.kamailio.uri_over(self.transport).replace("sip:", f"sip:{other}@", 1)

    def register(self) -> reg_pb.Registration:
        return self.app.register(self.kamailio.uri_over(self.transport), self.aor)

    def ended(self, call: str) -> Termination.Cause.ValueType:
        return self.app.wait_for("call_ended", call).call_ended.termination.cause


@pytest.fixture(params=TRANSPORTS)
def users(
    servers: tuple[PicosipServer, PicosipServer],
    kamailio: Kamailio,
    request: pytest.FixtureRequest,
) -> Iterator[tuple[User, User]]:
    """Alice, registered over the fixture's parameter, and Bob, over the one after it."""
    other = TRANSPORTS[(TRANSPORTS.index(request.param) + 1) % len(TRANSPORTS)]
    with (
        App(servers[0].grpc, methods=["MESSAGE"]) as first,
        App(servers[1].grpc, methods=["MESSAGE"]) as second,
        picosip.Client(servers[0].grpc) as one,
        picosip.Client(servers[1].grpc) as two,
    ):
        alice = User("alice", first, one, kamailio, request.param)
        bob = User("bob", second, two, kamailio, other)
        registrations = [user.register() for user in (alice, bob)]
        yield alice, bob
        for user, registration in zip((alice, bob), registrations, strict=True):
            user.app.unregister(registration.name)
            user.app.leave_nothing()


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_call(users: tuple[User, User], who: str) -> None:
    """From one transport to another."""
    alice, bob = users
    outgoing = alice.app.invite(alice.reach("bob"), sender=alice.aor)
    incoming = bob.app.wait_for("call_received").resource
    bob.app.progress(incoming)
    alice.app.wait_for("call_progressed", outgoing)
    assert bob.app.answer(incoming).state == Call.STATE_CONFIRMED
    alice.app.wait_for("call_confirmed", outgoing)
    near, far, first, second = (
        (alice, bob, outgoing, incoming) if who == "caller" else (bob, alice, incoming, outgoing)
    )
    assert near.app.hangup(first).state == Call.STATE_TERMINATED
    assert near.ended(first) == Termination.CAUSE_LOCAL_HANGUP
    assert far.ended(second) == Termination.CAUSE_REMOTE_HANGUP


def test_message(users: tuple[User, User]) -> None:
    """To a registered user, who says what the sender hears; and to one whom nobody knows."""
    alice, bob = users
    sending = alice.app.requests.SendMessage.future(
        request_pb.SendMessageRequest(
            from_address=sip_pb2.Address(uri=alice.aor),
            to_address=sip_pb2.Address(uri=alice.reach("bob")),
            body=sip_pb2.Body(content_type="text/plain", data=b"good morning"),
        ),
        timeout=20,
    )
    came = bob.app.wait_for("incoming_request").incoming_request
    assert (came.method, came.body.data) == ("MESSAGE", b"good morning")
    assert came.from_address.uri == alice.aor
    bob.client.respond(came.name, 202)
    assert sending.result(timeout=20).status.code == 202
    with pytest.raises(picosip.Refused) as raised:
        alice.client.send_message("anybody?", alice.aor, alice.reach("nobody"))
    assert raised.value.sip_status.code == 480


@pytest.mark.parametrize("users", TRANSPORTS, indirect=True)
def test_presence(users: tuple[User, User]) -> None:
    """Bob publishes, changes and withdraws; Alice is told each time."""
    alice, bob = users

    def told(basic: str) -> None:
        alice.app.wait_for(
            "notification_received",
            where=lambda e: f"<basic>{basic}<".encode() in e.notification_received.body.data,
        )

    published = bob.client.publish(bob.aor, bob.reach("bob"), "presence", pidf(bob.aor, "open"))
    watching = alice.client.subscribe(alice.aor, alice.reach("bob"), "presence", accept=[PIDF])
    told("open")
    bob.client.republish(published.name, pidf(bob.aor, "closed"))
    told("closed")
    bob.client.unpublish(published.name)
    alice.client.unsubscribe(watching.name)
