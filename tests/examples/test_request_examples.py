"""The message gateway, the redirect server and the registrar, each used over SIP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import picosip
from tests.examples.programs import Program
from tests.support.server import PicosipServer

pytestmark = pytest.mark.timeout(60)
ALICE = "sip:alice@example.com"


@pytest.fixture
def far(tmp_path: Path) -> Iterator[PicosipServer]:
    """The server of the example."""
    with PicosipServer(tmp_path / "far") as server:
        yield server


@pytest.fixture
def near(tmp_path: Path) -> Iterator[PicosipServer]:
    """The server of whoever uses it."""
    with PicosipServer(tmp_path / "near") as server:
        yield server


def refused(client: picosip.Client, callee: str) -> picosip.PicosipError:
    """How an Invite was answered that was not taken."""
    with pytest.raises(picosip.PicosipError) as caught:
        client.invite(ALICE, callee, picosip.raw_sdp("v=0\r\n"), wait_for="final")
    return caught.value


def contacts(error: picosip.PicosipError) -> list[str]:
    return [one.value for one in error.sip_headers if one.name == "Contact"]


def test_message_gateway(near: PicosipServer, far: PicosipServer, tmp_path: Path) -> None:
    inbox = near.uri("inbox")
    with (
        ThreadPoolExecutor(1) as pool,
        picosip.Client(near.grpc) as client,
        client.events(handle_methods=["MESSAGE"]) as events,
        Program(
            tmp_path, "message_gateway.py", "--server", far.grpc, "--forward", inbox
        ) as gateway,
    ):
        gateway.wait_for(json.dumps({"ready": True}))
        stream = iter(events)
        # The far end of what is passed on is this client too.
        bob = far.uri("bob")
        body = picosip.Body(content_type="application/json", data=b"{}")
        with pytest.raises(picosip.PicosipError) as caught:
            client.send_message(body, ALICE, bob)
        assert caught.value.sip_status is not None
        assert caught.value.sip_status.code == 415
        assert gateway.lines == [json.dumps({"ready": True})]

        for code in (202, 403):
            sending = pool.submit(client.send_message, "grüezi", ALICE, bob)
            request = next(one for one in stream if one.HasField("incoming_request"))
            passed = request.incoming_request
            assert passed.body.data.decode() == "grüezi"
            assert ("P-Asserted-Identity", f"<{ALICE}>") in [
                (one.name, one.value) for one in passed.headers
            ]
            client.respond(passed.name, code)
            if code == 202:
                assert sending.result(20).code == 202
                continue
            with pytest.raises(picosip.PicosipError) as caught:
                sending.result(20)
            assert caught.value.sip_status == picosip.SipStatus(code=403, reason="Forbidden")
        line = {"from": ALICE, "to": bob, "call": "", "text": "grüezi"}
        gateway.wait_for(json.dumps(line))


def test_redirect_server(near: PicosipServer, far: PicosipServer, tmp_path: Path) -> None:
    table = tmp_path / "table.toml"
    table.write_text(
        'bob = ["sip:bob@192.0.2.7", "sip:bob@mobile.example.com"]\n'
        'carol = { permanent = true, contacts = ["sip:carol@new.example.com"] }\n'
    )
    with (
        picosip.Client(near.grpc) as client,
        Program(tmp_path, "redirect_server.py", str(table), "--server", far.grpc) as redirect,
    ):
        redirect.wait_for("redirecting bob carol")
        error = refused(client, far.uri("bob"))
        assert error.sip_status == picosip.SipStatus(code=302, reason="Moved Temporarily")
        assert contacts(error) == [
            "<sip:bob@192.0.2.7>;q=1.00",
            "<sip:bob@mobile.example.com>;q=0.90",
        ]
        error = refused(client, far.uri("carol"))
        assert error.sip_status == picosip.SipStatus(code=301, reason="Moved Permanently")
        assert contacts(error) == ["<sip:carol@new.example.com>;q=1.00"]
        error = refused(client, far.uri("dave"))
        assert error.sip_status == picosip.SipStatus(code=404, reason="Not Found")


def test_registrar(near: PicosipServer, far: PicosipServer, tmp_path: Path) -> None:
    with (
        picosip.Client(near.grpc) as client,
        Program(tmp_path, "registrar.py", "--server", far.grpc) as registrar,
    ):
        registrar.wait_for("registrar")
        bob, there = far.uri("bob"), "sip:bob@192.0.2.7"
        error = refused(client, bob)
        assert error.sip_status is not None
        assert error.sip_status.code == 480
        registration = client.register("sip:" + bob.partition("@")[2], bob, contacts=[there])
        assert registration.expires.seconds == 3600
        assert registrar.lines[-1] == f"{bob} 200 {there}"
        assert contacts(refused(client, bob)) == [f"<{there}>"]

        def register(*headers: tuple[str, str]) -> picosip.SipMessage:
            return client.transact("REGISTER", bob, bob, headers=headers)

        too_brief = register(("Contact", f"<{there}>;expires=5"))
        assert too_brief.status.code == 423
        assert ("Min-Expires", "60") in [(one.name, one.value) for one in too_brief.headers]
        assert register(("Contact", "*"), ("Expires", "5")).status.code == 400
        client.unregister(registration.name)
        asked = register()
        assert asked.status.code == 200
        assert [one for one in asked.headers if one.name == "Contact"] == []
