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
    hop = near.uri("bob").partition("@")[2]
    with Program(tmp_path, "b2bua.py", hop, "--server", far.grpc) as program:
        program.wait_for(f"bridging to {hop}")
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
    client.hangup(theirs)
    assert phones.ended(ours)[0] == "CAUSE_REMOTE_HANGUP"
    b2bua.wait_for("ended 0")


def test_b2bua_passes_what_ends_a_call(far: PicosipServer, phones: Phones, b2bua: Program) -> None:
    client = phones.client
    ours = client.invite(ALICE, far.uri("bob"), audio(4000)).name
    client.reject(phones.next("call_received").resource, 486)
    assert phones.ended(ours) == ("CAUSE_REJECTED", 486)
    ours = client.invite(ALICE, far.uri("bob"), audio(4000)).name
    theirs = phones.next("call_received").resource
    client.redirect(theirs, ["sip:carol@192.0.2.1"])
    assert phones.ended(ours) == ("CAUSE_REJECTED", 480)
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
