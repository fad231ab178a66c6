"""The Events iterator against the real server, which is a new one all of a sudden."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

import picosip
from tests.support.raw import RawUdp
from tests.support.server import PicosipServer

OFFER = picosip.sdp([picosip.media("audio", 4000, formats=[0])], connection="127.0.0.1")


def test_a_restarted_server_has_another_log(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/grpc"
    with picosip.Client(address) as client, ExitStack() as stack:
        with PicosipServer(tmp_path / "first", f"--grpc={address}"):
            resuming = client.events(snapshot_on_loss=True)
            ending = client.events()
            before = ending.cursor.incarnation
        with PicosipServer(tmp_path / "second", f"--grpc={address}") as server:
            phone = stack.enter_context(RawUdp(server.udp))
            callee = f"sip:b@{phone.host}:{phone.port}"
            call = client.invite("sip:a@127.0.0.1", callee, OFFER)
            with pytest.raises(picosip.CursorExpired) as expired:
                list(ending)
            assert expired.value.oldest.incarnation == client.server_info().incarnation
            assert expired.value.oldest.incarnation != before
            # After what the first server said at its end.
            event = next(event for event in resuming if event.resource == call.name)
            assert event.snapshot.call.name == call.name
            assert resuming.losses == 1
            invite = phone.receive()
            assert invite is not None
            phone.refuse(invite, "486 Busy Here")
            ended = next(event for event in resuming if event.HasField("call_ended"))
            assert ended.resource == call.name
