"""A load that is interrupted: once to end it, twice to leave it."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from picosip.v1 import load_service_pb2 as load_pb
from picosip_server.cli_load.connection import CannotRun
from picosip_server.cli_load.history import History
from picosip_server.cli_load.run import Interruptions, follow
from picosip_server.cli_load.view import Lines
from tests.cli_load.scripted import (
    NAME,
    ScriptedLoads,
    ScriptedServer,
    State,
    report,
)


class Watched(Lines):
    """A view that a test waits on."""

    def __init__(self) -> None:
        self.updated = asyncio.Event()
        self.notes: asyncio.Queue[str] = asyncio.Queue()

    def update(self, history: History) -> None:
        self.updated.set()

    def note(self, text: str) -> None:
        self.notes.put_nowait(text)


class Clock:
    """A clock that stands."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


REQUEST = load_pb.LoadServiceRunRequest(calls=load_pb.CallScript())


async def test_the_first_interruption_stops_it_and_hangs_up() -> None:
    loads = ScriptedLoads([report(1.0, 10)])
    loads.after_stop = [
        report(1.5, 12, state=State.STATE_STOPPING, active=1),
        report(2.0, 12, state=State.STATE_ENDED),
    ]
    interruptions, view = Interruptions(), Watched()
    with ScriptedServer(loads) as server:
        async with grpc.aio.insecure_channel(server.target) as channel:
            following = asyncio.create_task(follow(channel, REQUEST, view, interruptions))
            await view.updated.wait()
            interruptions.came()
            history = await following
    assert [(one.name, one.hang_up) for one in loads.stops] == [(NAME, True)]
    assert history.ended
    assert [point.started for point in history.points] == [10, 12, 12]
    assert not loads.left.is_set()


async def test_one_before_the_first_report_waits_for_the_name() -> None:
    loads = ScriptedLoads([report(1.0, 10)])
    loads.after_stop = [report(2.0, 12, state=State.STATE_ENDED)]
    interruptions = Interruptions()
    interruptions.came()
    with ScriptedServer(loads) as server:
        async with grpc.aio.insecure_channel(server.target) as channel:
            history = await follow(channel, REQUEST, Watched(), interruptions)
    assert history.ended


async def test_the_second_one_leaves_at_once() -> None:
    loads = ScriptedLoads([report(1.0, 10)])
    clock, view = Clock(), Watched()
    interruptions = Interruptions(clock)
    with ScriptedServer(loads) as server:
        # Stop is heard, and nothing comes of it.
        loads.stopped.wait = lambda timeout=None: loads.left.wait(30.0)  # type: ignore[method-assign]
        async with grpc.aio.insecure_channel(server.target) as channel:
            following = asyncio.create_task(follow(channel, REQUEST, view, interruptions))
            await view.updated.wait()
            interruptions.came()
            await view.notes.get()
            # A terminal and a script may send the same one twice.
            clock.now = 0.09
            interruptions.came()
            assert not interruptions.second.is_set()
            clock.now = 0.11
            interruptions.came()
            history = await following
        assert loads.left.wait(10.0)
    assert not history.ended
    assert history.report(server="own", server_version="1", scenario={}).complete is False


async def test_two_before_the_first_report_leave_nothing() -> None:
    clock = Clock()
    interruptions = Interruptions(clock)
    interruptions.came()
    clock.now = 1.0
    interruptions.came()
    with ScriptedServer(ScriptedLoads([report(1.0, 10)])) as server:
        async with grpc.aio.insecure_channel(server.target) as channel:
            with pytest.raises(CannotRun, match="left before"):
                await follow(channel, REQUEST, Watched(), interruptions)


async def test_a_load_that_cannot_be_stopped_is_followed_on() -> None:
    loads = ScriptedLoads([report(1.0, 10)])
    loads.reports[0].name = "loads/other"
    interruptions, view = Interruptions(), Watched()
    with ScriptedServer(loads) as server:
        async with grpc.aio.insecure_channel(server.target) as channel:
            following = asyncio.create_task(follow(channel, REQUEST, view, interruptions))
            await view.updated.wait()
            interruptions.came()
            await view.notes.get()
            loads.after_stop = [report(2.0, 12, state=State.STATE_ENDED)]
            loads.stopped.set()
            assert (await following).ended


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_process_with_a_report(number: signal.Signals, tmp_path: Path) -> None:
    """The whole program: Ctrl-C or a closed terminal, Stop, figures, thresholds that hold."""
    loads = ScriptedLoads([report(1.0, 10)])
    loads.after_stop = [report(2.0, 12, state=State.STATE_ENDED)]
    command = [sys.executable, "-m", "picosip_server", "load", "calls", "127.0.0.1"]
    with ScriptedServer(loads) as server:
        process = subprocess.Popen(
            [*command, "--server", server.target, "--max-fail", "0", "--json", tmp_path / "r"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        seen = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(number)
        rest = process.stdout.read()
        process.stdout.close()
        assert process.wait(30.0) == 0
    assert seen[1].startswith("  1.0 s  rate")
    assert rest.startswith("Stopping: ")
    assert "outcome          ok 12, failed 0" in rest
    assert '"complete": true' in (tmp_path / "r").read_text()


def test_ctrl_c_while_nobody_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [
                *[sys.executable, "-m", "picosip_server", "load", "calls", "127.0.0.1"],
                *["--server", f"127.0.0.1:{listener.getsockname()[1]}"],
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = listener.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            with process.stderr:
                said = process.stderr.read()
            assert process.wait(30.0) == 3
    assert said == "picosip: interrupted before the load began\n"
