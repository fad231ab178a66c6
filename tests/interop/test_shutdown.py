"""SIGTERM with calls up: no new ones, and BYE for those that are there."""

from __future__ import annotations

import signal
from pathlib import Path

import grpc
import pytest

from tests.interop.sipp import Sipp
from tests.support.app import App, answering
from tests.support.failures import failure_of
from tests.support.raw import SDP, RawUdp, request
from tests.support.server import PicosipServer

pytestmark = pytest.mark.peer("sipp")


def test_drain_ends_calls_after_their_time(tmp_path: Path) -> None:
    with PicosipServer(tmp_path / "server", "--drain-timeout=1.5") as server:
        with (
            App(server.grpc, on_event=answering) as app,
            Sipp("rfc3261-s15.1.2-hung-up-uac", tmp_path, server=server.udp, calls=20) as sipp,
            RawUdp(server.udp) as late,
        ):
            app.wait_for_count("call_confirmed", 20)
            server.process.popen.send_signal(signal.SIGTERM)
            app.wait_for("server_draining")
            late.send(request("INVITE", late, "Content-Type: application/sdp", body=SDP))
            refusal = late.receive()
            assert refusal is not None
            assert refusal.status == 503
            assert int(refusal.one("Retry-After")) > 0
            with pytest.raises(grpc.RpcError) as raised:
                app.invite(sipp.uri)
            assert failure_of(raised.value).code is grpc.StatusCode.UNAVAILABLE
            # None of the 20 is touched before its time.
            assert app.stats().active_calls == 20
            assert sipp.finish().successful == 20
        assert server.process.wait(10.0) == 0


def test_drained_server_ends_with_its_last_call(tmp_path: Path) -> None:
    with PicosipServer(tmp_path / "server", "--drain-timeout=60") as server:
        with (
            App(server.grpc, on_event=answering) as app,
            Sipp("rfc3261-s15.1.2-hung-up-uac", tmp_path, server=server.udp, calls=2) as sipp,
        ):
            confirmed = app.wait_for_count("call_confirmed", 2)
            server.process.popen.send_signal(signal.SIGTERM)
            app.wait_for("server_draining")
            for event in confirmed:
                app.hangup(event.resource)
            assert sipp.finish().successful == 2
        assert server.process.wait(10.0) == 0
