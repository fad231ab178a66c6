"""Loads made inside the engine, to SIPp and by SIPp: no application hears of a call."""

from __future__ import annotations

from pathlib import Path

import pytest

import picosip
from tests.interop.sipp import Sipp
from tests.support.server import PicosipServer

pytestmark = pytest.mark.peer("sipp")
CALLS = 300
OFFER = picosip.sdp(
    [picosip.media("audio", 4000, formats=[0], attributes={"rtpmap": "0 PCMU/8000"})],
    connection="127.0.0.1",
)


def test_calls_to_sipp(server: PicosipServer, tmp_path: Path) -> None:
    script = picosip.call_script("sip:load{n:04}@127.0.0.1", "", OFFER, hold=0.1)
    with (
        Sipp("rfc3261-s13.2-call-uas", tmp_path, calls=CALLS, messages=False) as sipp,
        picosip.Client(server.grpc) as client,
    ):
        script.invite.to_address.uri = sipp.uri
        with client.run_load(script, rate=100, count=CALLS) as load:
            report = load.wait()
        outcome = sipp.finish()
        assert client.stats().active_calls == 0
    assert (outcome.successful, outcome.failed) == (CALLS, 0)
    assert (report.started, report.succeeded, report.failed) == (CALLS, CALLS, 0)
    assert dict(report.responses) == {200: CALLS}
    assert report.setup.count == report.teardown.count == CALLS


def test_calls_by_sipp(tmp_path: Path) -> None:
    with (
        PicosipServer(tmp_path / "target", "--auto-answer") as target,
        Sipp(
            "rfc3261-s13.2-call-uac",
            tmp_path,
            server=target.udp,
            calls=CALLS,
            rate=100,
            messages=False,
        ) as sipp,
        picosip.Client(target.grpc) as client,
    ):
        outcome = sipp.finish()
        report = client.stop_load("loads/auto-answer")
        assert [each.name for each in client.list_loads()] == [report.name]
    assert (outcome.successful, outcome.failed) == (CALLS, 0)
    assert (report.started, report.succeeded, report.failed) == (CALLS, CALLS, 0)
    assert dict(report.responses) == {200: CALLS}
