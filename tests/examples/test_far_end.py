"""The far end as a registrar, asked in plain SIP; and the other examples against it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import picosip
from tests.examples.programs import Program
from tests.support.raw import RawMessage, RawUdp, request
from tests.support.server import PicosipServer

HERE = "<sip:alice@192.0.2.1:5060>"
THERE = "<sip:alice@192.0.2.2:5060>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PicosipServer]:
    """A server for the far end."""
    with PicosipServer(tmp_path / "server") as server:
        yield server


@pytest.fixture
def peer(server: PicosipServer) -> Iterator[RawUdp]:
    """A phone."""
    with RawUdp(server.udp) as peer:
        yield peer


def register(peer: RawUdp, *headers: str) -> RawMessage:
    """The answer to a REGISTER with these header lines instead of a Contact of its own."""
    octets = request("REGISTER", peer, user="alice")
    lines = [line for line in octets.split(b"\r\n") if not line.startswith(b"Contact:")]
    lines[-3:-3] = [header.encode() for header in headers]
    peer.send(b"\r\n".join(lines))
    answer = peer.receive()
    assert answer is not None
    return answer


def bound(answer: RawMessage) -> dict[str, int]:
    """The contacts of a 200, and their seconds."""
    assert answer.status == 200, answer.start_line
    pairs = (contact.split(";expires=") for contact in answer.all("Contact"))
    return {uri: int(seconds) for uri, seconds in pairs}


def test_registrar(server: PicosipServer, peer: RawUdp, tmp_path: Path) -> None:
    with Program(tmp_path, "far_end.py", "--server", server.grpc, "--min-expires=60") as far_end:
        far_end.wait_for("attached")
        assert bound(register(peer)) == {}
        assert bound(register(peer, f"Contact: {HERE}")) == {HERE: 3600}
        both = bound(register(peer, f"Contact: {THERE};expires=120", "Expires: 600"))
        assert both.keys() == {HERE, THERE}
        assert 119 <= both[THERE] <= 120
        assert bound(register(peer, f"Contact: {HERE}", "Expires: 600"))[HERE] == 600
        assert bound(register(peer, f"Contact: {HERE};expires=0")).keys() == {THERE}
        too_short = register(peer, f"Contact: {HERE};expires=59")
        assert (too_short.status, too_short.one("Min-Expires")) == (423, "60")
        assert register(peer, "Contact: *", "Expires: 60").status == 400
        assert bound(register(peer, "Contact: *", "Expires: 0")) == {}
        far_end.wait_for(f"sip:alice@{peer.server[0]}:{peer.server[1]} (unchecked) is at no place")


def test_call(server: PicosipServer, tmp_path: Path) -> None:
    with (
        PicosipServer(tmp_path / "own") as own,
        Program(tmp_path, "far_end.py", "--server", server.grpc, "--ring-seconds=0") as far_end,
    ):
        far_end.wait_for("attached")
        users = server.uri("alice"), "secret", server.uri("bob")
        with Program(tmp_path, "call.py", "--server", own.grpc, *users) as call:
            assert call.process.wait(20.0) == 0, call.process.tail()
            assert call.lines[-1] == "CAUSE_LOCAL_HANGUP"
            kinds = [line.split()[-1] for line in call.lines if line.startswith("calls/")]
        assert kinds == [
            "call_created",
            "call_progressed",
            "call_answered",
            "call_confirmed",
            "call_ended",
        ]
        far_end.wait_for("call is over: CAUSE_REMOTE_HANGUP")


def test_answer(server: PicosipServer, tmp_path: Path) -> None:
    with (
        PicosipServer(tmp_path / "own") as own,
        Program(tmp_path, "answer.py", "--server", server.grpc) as answer,
        picosip.Client(own.grpc) as client,
    ):
        answer.wait_for("waiting for calls")
        offer = picosip.sdp([picosip.media("audio", 4000, formats=[8])], connection="127.0.0.1")
        call = client.invite("sip:alice@a", server.uri("bob"), offer, wait_for="final")
        media = call.remote_description.sdp.media
        assert [(one.type, list(one.formats)) for one in media] == [("audio", ["8"])]
        client.hangup(call.name)
        wanted = "CAUSE_REMOTE_HANGUP"
        name = next(line.split()[0] for line in answer.lines if line.endswith("sip:alice@a"))
        answer.wait_for(f"{name} {wanted}")
