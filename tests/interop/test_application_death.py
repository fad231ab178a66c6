"""An application is killed with 200 calls up: nothing is lost."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.interop.sipp import Sipp
from tests.support.app import App
from tests.support.process import Process
from tests.support.raw import RawCall, RawUdp
from tests.support.server import PicosipServer
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]


def start(server: PicosipServer, home: Path, *flags: str) -> Process:
    program = [sys.executable, "-m", "tests.support.answering_app", server.grpc, str(home)]
    return Process([*program, *flags], home / "app.log", cwd=ROOT, env=dict(os.environ))


@pytest.mark.peer("sipp")
def test_killed_application_resumes_and_ends_all_calls(tmp_path: Path) -> None:
    home = tmp_path / "app"
    home.mkdir()
    with (
        PicosipServer(tmp_path / "server", "--attach-wait=30") as server,
        App(server.grpc, observer=True) as observer,
        RawUdp(server.udp) as phone,
    ):
        first = start(server, home)
        wait_until((home / "cursor.json").exists, what="the application's first cursor")
        with Sipp(
            "rfc3261-s15.1.2-hung-up-uac", tmp_path, server=server.udp, calls=200, rate=100
        ) as callers:
            others = [RawCall(phone) for _ in range(10)]
            observer.wait_for_count("call_confirmed", 210, timeout=20)
            assert first.running, first.tail()
            first.kill()

            # While nobody is there some hang up and others call.
            for call in others:
                call.hang_up()
            observer.wait_for_count("call_ended", 10)
            with Sipp("rfc3261-s15.1.2-hung-up-uac", tmp_path, server=server.udp, calls=10) as late:
                observer.wait_for_count("call_received", 220)
                assert observer.stats().active_calls == 210
                revision = observer.cursor.revision

                second = start(server, home, "--end-all")
                assert callers.finish().successful == 200
                assert late.finish().successful == 10
        assert second.wait(20.0) == 0, second.tail()
        observer.wait_for_count("call_ended", 220)
        observer.catch_up()
        assert observer.stats().active_calls == 0
        watched = [event.revision for event in observer.events]
    assert revision < watched[-1]
    assert watched == sorted(set(watched))
    handed = {int(line) for line in (home / "revisions").read_text().split()}
    assert handed == set(watched)
