"""The programs that connect calls, used over SIP by the phones of another server."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import picosip
from tests.examples.phones import ALICE, Phones, audio, port
from tests.examples.programs import Program
from tests.support.server import PicosipServer

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def far(tmp_path: Path) -> Iterator[PicosipServer]:
    """The server of the example."""
    with PicosipServer(tmp_path / "far") as server:
        yield server


@pytest.fixture
def near(tmp_path: Path) -> Iterator[PicosipServer]:
    """The server of the phones."""
    with PicosipServer(tmp_path / "near") as server:
        yield server


@pytest.fixture
def phones(near: PicosipServer) -> Iterator[Phones]:
    with picosip.Client(near.grpc) as client, client.events() as events:
        yield Phones(client, events)


@pytest.fixture
def b2bua(near: PicosipServer, far: PicosipServer, tmp_path: Path) -> Iterator[Program]:
    target = near.uri("*")
    with Program(tmp_path, "b2bua.py", target, "--server", far.grpc) as program:
        program.wait_for(f"bridging to {target}")
        yield program


def test_b2bua_passes_descriptions_and_offers(
    far: PicosipServer, phones: Phones, b2bua: Program
) -> None:
    client = phones.client
    ours = client.invite(ALICE, far.uri("bob"), audio(4000)).name
    received = phones.next("call_received").call_received
    theirs = received.call.name
    assert (received.call.from_address.uri, port(received.offer)) == (ALICE, 4000)
    assert received.call.request_uri.startswith("sip:bob@")
    client.progress(theirs, 183, audio(5000))
    early = phones.next("call_progressed", ours).call_progressed
    assert (early.status.code, port(early.description)) == (183, 5000)
    with ThreadPoolExecutor(1) as pool:
        answering = pool.submit(client.answer, theirs, audio(5000))
        assert port(phones.next("call_answered", ours).call_answered.description) == 5000
        answering.result(20)
        # An offer of the callee, then one of the caller; and one that is refused.
        for one, other, new in ((theirs, ours, 5002), (ours, theirs, 4002)):
            changing = pool.submit(client.modify, one, audio(new, "sendonly"))
            request = phones.next("incoming_request").incoming_request
            assert (request.call, port(request.offer)) == (other, new)
            client.respond(request.name, 200, description=audio(new + 2000, "recvonly"))
            assert port(changing.result(20).remote_description) == new + 2000
        changing = pool.submit(client.modify, ours, audio(4004))
        client.respond(phones.next("incoming_request").incoming_request.name, 415)
        with pytest.raises(picosip.PicosipError) as caught:
            changing.result(20)
        assert caught.value.sip_status is not None and caught.value.sip_status.code == 415
        messaging = pool.submit(client.send_message, "hello", call=ours)
        message = phones.next("incoming_request").incoming_request
        assert (message.call, message.body.data) == (theirs, b"hello")
        client.respond(message.name, 202)
        assert messaging.result(20).code == 202
        # One without a body, and one that the far end does not know.
        for method, code in (("INFO", 200), ("FROBNICATE", 501)):
            asking = pool.submit(client.transact, method, call=theirs)
            request = phones.next("incoming_request").incoming_request
            assert (request.call, request.method) == (ours, method)
            assert not request.HasField("body")
            client.respond(request.name, code)
            assert asking.result(20).status.code == code
    client.hangup(theirs)
    assert phones.ended(ours)[0] == "CAUSE_REMOTE_HANGUP"


def test_b2bua_passes_what_ends_a_call(far: PicosipServer, phones: Phones, b2bua: Program) -> None:
    client = phones.client
    ours = client.invite(ALICE, far.uri("bob"), audio(4000)).name
    client.reject(phones.next("call_received").resource, 486)
    assert phones.ended(ours) == ("CAUSE_REJECTED", 486)
    ours = client.invite(ALICE, far.uri("bob"), audio(4000)).name
    theirs = phones.next("call_received").resource
    client.redirect(theirs, ["sip:carol@192.0.2.1"])
    assert phones.ended(ours) == ("CAUSE_REJECTED", 480)
    # The answer came with a reliable 183, and is not in the 200.
    ours = client.invite(ALICE, far.uri("bob"), audio(4000)).name
    theirs = phones.next("call_received").resource
    client.progress(theirs, 183, audio(5000), reliable=True)
    client.answer(theirs, no_wait=True)
    assert port(phones.next("call_answered", ours).call_answered.description) == 5000
    client.hangup(ours)
    assert phones.ended(theirs)[0] == "CAUSE_REMOTE_HANGUP"
    # Given up before it is answered.
    ours = client.invite(ALICE, far.uri("bob"), audio(4000)).name
    theirs = phones.next("call_received").resource
    client.progress(theirs)
    phones.next("call_progressed", ours)
    client.hangup(ours)
    assert phones.ended(theirs)[0] == "CAUSE_CANCELLED"
    # Hung up by the caller, who left the offer to the callee.
    ours = client.invite(ALICE, far.uri("bob")).name
    received = phones.next("call_received")
    assert not received.call_received.HasField("offer")
    client.answer(received.resource, audio(5000), no_wait=True)
    assert port(phones.next("call_answered", ours).call_answered.description) == 5000
    client.answer(ours, audio(4000))
    confirmed = phones.next("call_confirmed", received.resource).call_confirmed
    assert port(confirmed.description) == 4000
    client.hangup(ours)
    assert phones.ended(received.resource)[0] == "CAUSE_REMOTE_HANGUP"


def test_click_to_call(
    near: PicosipServer, far: PicosipServer, phones: Phones, tmp_path: Path
) -> None:
    client = phones.client
    both = near.uri("alice"), near.uri("bob")
    with Program(tmp_path, "click_to_call.py", *both, "--server", far.grpc) as program:
        first = phones.next("call_received").call_received
        assert (first.call.from_address.uri, first.HasField("offer")) == (both[1], False)
        client.answer(first.call.name, audio(4000), no_wait=True)
        second = phones.next("call_received").call_received
        assert (second.call.from_address.uri, port(second.offer)) == (both[0], 4000)
        client.answer(second.call.name, audio(5000), no_wait=True)
        confirmed = phones.next("call_confirmed", first.call.name).call_confirmed
        assert port(confirmed.description) == 5000
        with ThreadPoolExecutor(1) as pool:
            changing = pool.submit(client.modify, second.call.name, audio(5002))
            request = phones.next("incoming_request").incoming_request
            assert (request.call, port(request.offer)) == (first.call.name, 5002)
            client.respond(request.name, 200, description=audio(4002))
            assert port(changing.result(20).remote_description) == 4002
        client.hangup(first.call.name)
        assert phones.ended(second.call.name)[0] == "CAUSE_REMOTE_HANGUP"
        assert program.process.wait(20.0) == 0, program.process.tail()
    # Without an answer of the second the first is let go.
    with Program(tmp_path, "click_to_call.py", *both, "--server", far.grpc) as program:
        name = phones.next("call_received").resource
        client.answer(name, audio(4000), no_wait=True)
        client.reject(phones.next("call_received").resource, 486)
        assert phones.ended(name)[0] == "CAUSE_REMOTE_HANGUP"
        assert program.process.wait(20.0) == 1, program.process.tail()


def test_attended_transfer(near: PicosipServer, far: PicosipServer, tmp_path: Path) -> None:
    with (
        PicosipServer(tmp_path / "third") as third,
        picosip.Client(third.grpc) as client,
        client.events() as events,
        Program(tmp_path, "transferee.py", "--server", far.grpc) as transferee,
    ):
        bob = Phones(client, events)
        transferee.wait_for("waiting for calls")
        users = "sip:boss@example.com", far.uri("alice"), third.uri("bob")
        for code in (200, 486):
            with Program(
                tmp_path, "attended_transfer.py", *users, "--server", near.grpc
            ) as transferor:
                first = bob.next("call_received")
                assert not first.call_received.replaces
                client.answer(first.resource, audio(5000), no_wait=True)
                second = bob.next("call_received").call_received
                assert (second.replaces, port(second.offer)) == (first.resource, 4000)
                assert second.call.from_address.uri == users[1]
                if code == 200:
                    client.answer(second.call.name, audio(5000))
                    assert bob.ended(first.resource)[0] == "CAUSE_TRANSFERRED"
                else:
                    client.reject(second.call.name, code)
                    assert bob.ended(first.resource)[0] == "CAUSE_REMOTE_HANGUP"
                status = 0 if code == 200 else 1
                assert transferor.process.wait(20.0) == status, transferor.process.tail()
                assert "progress 100" in transferor.lines
                assert f"progress {code}" in transferor.lines
            transferee.wait_for(f"reported {code}")
            transferee.wait_for("referred to " + users[2])


def test_call_queue(
    near: PicosipServer, far: PicosipServer, phones: Phones, tmp_path: Path
) -> None:
    client = phones.client
    agents = near.uri("anna"), near.uri("ben")
    with Program(tmp_path, "call_queue.py", *agents, "--server", far.grpc) as queue:
        queue.wait_for("queue")

        def call(user: str, media: int) -> str:
            name = client.invite(user, far.uri("help"), audio(media), wait_for="final").name
            held = client.get_call(name).remote_description.sdp.media[0]
            assert "inactive" in picosip.attribute_map(held.attributes)
            queue.wait_for(f"waiting {user}")
            return name

        def connect(caller: str, agent: str, caller_port: int, agent_port: int) -> None:
            client.answer(agent, audio(agent_port), no_wait=True)
            request = phones.next("incoming_request").incoming_request
            assert (request.call, port(request.offer)) == (caller, agent_port)
            client.respond(request.name, 200, description=audio(caller_port))
            confirmed = phones.next("call_confirmed", agent).call_confirmed
            assert port(confirmed.description) == caller_port

        first = call(ALICE, 4000)
        anna = phones.next("call_received").call_received
        assert (anna.call.request_uri, anna.HasField("offer")) == (agents[0], False)
        second = call("sip:carol@example.com", 4002)
        ben = phones.next("call_received").call_received
        assert ben.call.from_address.uri == "sip:carol@example.com"
        third = call("sip:dave@example.com", 4004)
        # The busy agent rests, and its caller waits behind who waited for an agent already.
        connect(first, anna.call.name, 4000, 5000)
        client.reject(ben.call.name, 486)
        queue.wait_for("next agent")
        client.hangup(anna.call.name)
        assert phones.ended(first)[0] == "CAUSE_REMOTE_HANGUP"
        anna = phones.next("call_received").call_received
        assert anna.call.from_address.uri == "sip:dave@example.com"
        connect(third, anna.call.name, 4004, 5002)
        # The caller hangs up: so does the agent, who gets the one that waits.
        client.hangup(third)
        assert phones.ended(anna.call.name)[0] == "CAUSE_REMOTE_HANGUP"
        anna = phones.next("call_received").call_received
        assert anna.call.from_address.uri == "sip:carol@example.com"
        # Gone before the agent has answered.
        client.hangup(second)
        assert phones.ended(anna.call.name)[0] == "CAUSE_CANCELLED"
