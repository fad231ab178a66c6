"""Registering over flows (RFC 5626) through Kamailio as edge proxy, at Kamailio as registrar.

Between the clients and the edge proxy stands an address translator.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from picosip.v1 import registration_service_pb2 as reg_pb
from tests.interop.kamailio.registrar import Kamailio
from tests.support.app import App, Call, Termination
from tests.support.nat import Nat
from tests.support.server import PicosipServer

pytestmark = pytest.mark.peer("kamailio", "kamailio:outbound", "kamailio:stun")

INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
ACTIVE = reg_pb.Registration.STATE_ACTIVE
REGISTERING = reg_pb.Registration.STATE_REGISTERING

PING = {"udp": b"\x00\x01", "tcp": b"\r\n\r\n"}
"""How a keep-alive begins: a STUN Binding request, or a double CRLF (RFC 5626 section 3.5)."""

PONG = {"udp": b"\x01\x01", "tcp": b"\r\n"}
"""And how its answer does."""


@pytest.fixture(scope="module")
def box() -> Iterator[Nat]:
    with Nat() as nat:
        yield nat


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, box: Nat) -> Iterator[Kamailio]:
    """The registrar. Its edge proxy is beyond the address translator."""
    directory = tmp_path_factory.mktemp("kamailio")
    with Kamailio(directory / "registrar", config="outbound_registrar.cfg") as registrar:
        given = f'REGISTRAR="{registrar.uri}"'
        with Kamailio(
            directory / "edge", given, config="outbound_edge.cfg", shown=box.port
        ) as edge:
            box.server = ("127.0.0.1", edge.port)
            yield registrar


@pytest.fixture
def nat(box: Nat) -> Nat:
    """Through which nothing has gone yet."""
    box.forget()
    return box


@pytest.fixture
def alice(server: PicosipServer) -> Iterator[App]:
    with App(server.grpc, include_messages=True) as app:
        yield app
        app.leave_nothing()


@pytest.fixture
def bob(tmp_path: Path) -> Iterator[App]:
    """Of another server, which calls whom the registrar knows."""
    with PicosipServer(tmp_path / "bob") as server, App(server.grpc) as app:
        yield app
        app.leave_nothing()


@pytest.fixture(params=["udp", "tcp"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def registration(
    alice: App, home: Kamailio, nat: Nat, transport: str
) -> Iterator[reg_pb.Registration]:
    """Alice's, over one flow."""
    edge = f"sip:127.0.0.1:{nat.port};transport={transport}"
    outbound = reg_pb.Outbound(instance_id=INSTANCE, edges=[edge])
    made = alice.register(home.uri, home.aor("alice"), outbound=outbound)
    yield made
    assert alice.unregister(made.name).state == reg_pb.Registration.STATE_TERMINATED


def answered(alice: App, bob: App, home: Kamailio, number: int = 1) -> tuple[str, str]:
    """Bob's call, which is the first or so that Alice gets, and Alice's, both answered."""
    outgoing = bob.invite(home.aor("alice"), sender="sip:bob@127.0.0.1")
    incoming = alice.wait_for_count("call_received", number)[-1].resource
    alice.progress(incoming)
    bob.wait_for("call_progressed", outgoing)
    assert alice.answer(incoming).state == Call.STATE_CONFIRMED
    bob.wait_for("call_confirmed", outgoing)
    return outgoing, incoming


def test_calls_come_back_over_the_flow(
    alice: App,
    bob: App,
    home: Kamailio,
    nat: Nat,
    transport: str,
    registration: reg_pb.Registration,
) -> None:
    """RFC 5626 sections 4.2 and 5, RFC 3327."""
    assert registration.state == ACTIVE
    # What the edge put in, came back: where it is, which flow this is, and that it knows flows.
    (path,) = registration.path
    token, _, rest = path.removeprefix("<sip:").partition("@")
    assert token
    assert rest == f"127.0.0.1:{nat.port};lr;ob>"
    (flow,) = registration.flows
    assert (flow.reg_id, flow.outbound, flow.state) == (1, True, ACTIVE)
    assert flow.edge == f"<sip:127.0.0.1:{nat.port};transport={transport};lr>"
    # RFC 5627: and the registrar made a GRUU of the instance.
    assert registration.pub_gruu.endswith(f";gr={INSTANCE}")

    outgoing, incoming = answered(alice, bob, home)
    (dialog,) = alice.call(incoming).dialogs
    # RFC 5626 section 5.3: later requests find the flow by the same token; RFC 5658: where the
    # proxy goes from one transport to another it stands there twice.
    routes = [route for route in dialog.route_set if f"{token}@127.0.0.1:{nat.port}" in route]
    assert len(routes) == (2 if transport == "tcp" else 1)
    alice.hangup(incoming)
    ended = bob.wait_for("call_ended", outgoing).call_ended.termination
    assert ended.cause == Termination.CAUSE_REMOTE_HANGUP
    outgoing, incoming = answered(alice, bob, home, 2)
    bob.hangup(outgoing)
    ended = alice.wait_for("call_ended", incoming).call_ended.termination
    assert ended.cause == Termination.CAUSE_REMOTE_HANGUP
    # All of it took that way, Alice's own requests too.
    for way, request in (
        ("down", b"INVITE sip:alice@"),
        ("down", b"ACK sip:alice@"),
        ("up", b"BYE sip:bob@"),
        ("down", b"BYE sip:alice@"),
    ):
        nat.wait_for(way, request)


def test_the_flow_is_kept_alive(
    nat: Nat, alice: App, transport: str, registration: reg_pb.Registration
) -> None:
    """RFC 5626 sections 3.5, 4.4 and 5.4: the edge says how often, and answers."""
    nat.wait_for("up", PING[transport], count=3)
    nat.wait_for("down", PONG[transport], count=2)
    assert [each.startswith(b"REGISTER ") for each in nat.passed("up")].count(True) == 1
    assert len(alice.of_kind("registration_changed")) == 1


def test_a_flow_that_fails_is_replaced(
    alice: App,
    bob: App,
    home: Kamailio,
    nat: Nat,
    transport: str,
    registration: reg_pb.Registration,
) -> None:
    """RFC 5626 sections 4.4 and 4.5: its connection ends, or STUN tells of another address."""
    nat.wait_for("down", PONG[transport])
    if transport == "tcp":
        nat.cut()
    else:
        nat.rebind()

    changes = alice.wait_for_count("registration_changed", 3)
    states = [each.registration_changed.registration.state for each in changes]
    assert states == [ACTIVE, REGISTERING, ACTIVE]
    again = changes[-1].registration_changed.registration
    assert [each.outbound for each in again.flows] == [True]
    assert again.path != registration.path
    # By the instance and the reg-id the registrar knew that this is the same binding.
    _, incoming = answered(alice, bob, home)
    alice.hangup(incoming)
    assert len(alice.of_kind("call_received")) == 1
