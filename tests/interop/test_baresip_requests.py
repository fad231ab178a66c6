"""Digits and messages to baresip."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import picosip
from tests.interop.baresip import Baresip
from tests.support.app import App, sdp
from tests.support.server import PicosipServer

pytestmark = [
    pytest.mark.peer("baresip"),
    pytest.mark.parametrize("transport", ["udp", "tcp"]),
]


@pytest.fixture
def sink() -> Iterator[int]:
    """Where baresip's RTP goes: a port that is held and never read."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_digits(server: PicosipServer, sink: int, tmp_path: Path, transport: str) -> None:
    """It hears them in their order, and takes each with 200."""
    with (
        App(server.grpc) as app,
        picosip.Client(server.grpc) as client,
        Baresip(tmp_path / "baresip", answers=True, transport=transport) as baresip,
    ):
        call = app.invite(baresip.uri, offer=sdp(sink))
        app.wait_for("call_confirmed", call)
        baresip.wait_for("CALL_ESTABLISHED")
        client.send_dtmf(call, "9*#A", duration=0.05, gap=0.05)
        client.hangup(call)
        baresip.wait_for("CALL_CLOSED")
        heard = [one["param"] for one in baresip.events if one.get("type") == "CALL_DTMF_START"]
        assert heard == ["9", "*", "#", "A"]


def test_messages(server: PicosipServer, tmp_path: Path, transport: str) -> None:
    """Between addresses, and what else it says to a single request."""
    with (
        picosip.Client(server.grpc) as client,
        Baresip(tmp_path / "baresip", answers=True, transport=transport) as baresip,
    ):
        assert client.send_message("hello", "sip:alice@example.com", baresip.uri).code == 200
        # Over TCP in any case (RFC 3428 section 8).
        large = client.send_message("x" * 2000, "sip:alice@example.com", baresip.uri)
        assert large.code == 200
        answer = client.transact("OPTIONS", "sip:alice@example.com", baresip.uri)
        assert answer.status.code == 200
        refused = client.transact("FROBNICATE", "sip:alice@example.com", baresip.uri)
        assert refused.status.code == 501
