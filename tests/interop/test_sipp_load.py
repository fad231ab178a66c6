"""A thousand calls at a hundred a second, to SIPp and by SIPp."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path

import pytest

from picosip.v1 import call_service_pb2 as call_pb, sip_pb2
from tests.interop.sipp import Sipp
from tests.support.app import App, Event, Termination, answering, sdp
from tests.support.server import PicosipServer

pytestmark = pytest.mark.peer("sipp")


def cause(event: Event) -> int:
    return event.call_ended.termination.cause


def test_thousand_calls_to_sipp(
    server: PicosipServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def hang_up(app: App, event: Event) -> None:
        if event.WhichOneof("kind") == "call_confirmed":
            app.soon(app.calls.Hangup.future(call_pb.HangupRequest(name=event.resource)))

    with (
        Sipp("rfc3261-s13.2-call-uas", tmp_path, calls=1000, messages=False) as sipp,
        App(server.grpc, on_event=hang_up) as app,
    ):
        before = app.stats().counters
        request = call_pb.InviteRequest(
            from_address=sip_pb2.Address(uri="sip:interop@127.0.0.1"),
            to_address=sip_pb2.Address(uri=sipp.uri),
            offer=sdp(),
        )
        pace = threading.Event()
        start = time.monotonic()
        for number in itertools.count():
            if number == 1000:
                break
            pace.wait(max(0.0, start + number / 100 - time.monotonic()))
            app.soon(app.calls.Invite.future(request))
        ended = app.wait_for_count("call_ended", 1000, timeout=20)
        outcome = sipp.finish()
        after = app.stats()
        assert app.errors == []
    assert (outcome.successful, outcome.failed) == (1000, 0)
    assert {cause(event) for event in ended} == {Termination.CAUSE_LOCAL_HANGUP}
    assert after.active_calls == 0
    repeated = after.counters["retransmissions_sent"] - before["retransmissions_sent"]
    with capsys.disabled():
        print(f"\n1,000 calls to SIPp: retransmissions SIPp {outcome.retransmissions}", end="")
        print(f", picoSIP {repeated}")


def test_thousand_calls_by_sipp(
    server: PicosipServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        App(server.grpc, on_event=answering) as app,
        Sipp(
            "rfc3261-s13.2-call-uac",
            tmp_path,
            server=server.udp,
            calls=1000,
            rate=100,
            messages=False,
        ) as sipp,
    ):
        before = app.stats().counters
        outcome = sipp.finish()
        ended = app.wait_for_count("call_ended", 1000)
        after = app.stats()
        assert app.errors == []
    assert (outcome.successful, outcome.failed) == (1000, 0)
    causes = {event.call_ended.termination.cause for event in ended}
    assert causes == {Termination.CAUSE_REMOTE_HANGUP}
    assert after.active_calls == 0
    repeated = after.counters["retransmissions_sent"] - before["retransmissions_sent"]
    with capsys.disabled():
        print(f"\n1,000 calls by SIPp: retransmissions SIPp {outcome.retransmissions}", end="")
        print(f", picoSIP {repeated}")
