"""A worker in the thread of an event loop: its sockets, timers, posts and its end."""

from __future__ import annotations

import asyncio
import selectors
import socket
import threading
import time
from collections.abc import Callable

import pytest

from picosip_server.engine.config import EngineConfig, ListenerSpec
from picosip_server.engine.engine import Engine
from picosip_server.engine.runner import Ready, SharedLoop
from picosip_server.sip.ua.outputs import Completed, Output
from tests.engine.loopback import PATIENCE, UdpPeer

pytestmark = pytest.mark.skipif(not SharedLoop.possible(), reason="no selector to wait for here")


class Shared:
    """An engine on the running loop, and what it says."""

    def __init__(self, workers: int = 0) -> None:
        self.threads: set[int] = set()
        self.answers: asyncio.Queue[Completed] = asyncio.Queue()
        listener = ListenerSpec(transport="UDP", host="127.0.0.1", port=0)
        config = EngineConfig(listeners=(listener,), node="test", workers=workers, attach_wait=0.1)
        self._loop = asyncio.get_running_loop()
        self.engine = Engine(config, self._sink, loop=self._loop)
        (bound,) = self.engine.start()
        self.address = (bound.host, bound.port)

    def _sink(self, batch: list[Output]) -> None:
        self.threads.add(threading.get_ident())
        for output in batch:
            if isinstance(output, Completed):
                self._loop.call_soon_threadsafe(self.answers.put_nowait, output)

    async def answer(self) -> Completed:
        return await asyncio.wait_for(self.answers.get(), PATIENCE)


def _run(scenario: Callable[[], object]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


def test_a_message_is_answered_by_the_thread_of_the_loop() -> None:
    async def scenario() -> None:
        shared = Shared()
        with UdpPeer(shared.address) as peer:
            await asyncio.to_thread(peer.ping)
            await asyncio.to_thread(peer.ping)
        shared.engine.submit_snapshot(token=1)
        assert (await shared.answer()).token == 1
        assert shared.threads == {threading.get_ident()}
        assert not any(each.name.startswith("picosip-worker") for each in threading.enumerate())
        await asyncio.to_thread(shared.engine.stop)

    _run(scenario)


def test_other_threads_may_post_and_are_heard_at_once() -> None:
    async def scenario() -> None:
        shared = Shared()
        for number in range(20):
            # It would take a second each, were nobody woken.
            await asyncio.to_thread(shared.engine.submit_snapshot, number)
            answer = await asyncio.wait_for(shared.answers.get(), 0.5)
            assert answer.token == number
        await asyncio.to_thread(shared.engine.stop)

    _run(scenario)


def test_its_timers_wake_the_loop() -> None:
    async def scenario() -> None:
        shared = Shared()
        with UdpPeer(shared.address) as peer:
            # Nobody listens: it waits a while for somebody.
            peer.send(peer.request("INVITE"))
            await asyncio.to_thread(peer.response, 100)
            await asyncio.to_thread(peer.response, 480)
        await asyncio.to_thread(shared.engine.stop)

    _run(scenario)


def test_it_can_be_stopped_on_the_loop_itself_and_frees_its_port() -> None:
    async def scenario() -> None:
        shared = Shared()
        shared.engine.stop()
        shared.engine.stop()
        again = Shared()
        with UdpPeer(again.address) as peer:
            await asyncio.to_thread(peer.ping)
        again.engine.stop()

    _run(scenario)


def test_workers_that_are_asked_for_have_threads() -> None:
    async def scenario() -> None:
        shared = Shared(workers=1)
        assert any(each.name == "picosip-worker-0" for each in threading.enumerate())
        shared.engine.submit_snapshot(token=1)
        await shared.answer()
        assert threading.get_ident() not in shared.threads
        await asyncio.to_thread(shared.engine.stop)

    _run(scenario)


class Busy:
    """A worker that always has something to do, and a socket that always has something to read."""

    def __init__(self) -> None:
        self.selector: selectors.BaseSelector = selectors.DefaultSelector()
        self.turns = 0
        self.stopping = False

    def turn(self, ready: Ready) -> None:
        self.turns += 1

    def sleep(self) -> float:
        return 0.0


def test_a_busy_worker_leaves_others_their_turns() -> None:
    """However long it lasts: one turn a round of the loop, and one for what can be read."""

    async def scenario() -> None:
        busy = Busy()
        near, far = socket.socketpair()
        with near, far:
            far.send(b"x")
            busy.selector.register(near, selectors.EVENT_READ)
            runner = SharedLoop(busy, asyncio.get_running_loop())
            runner.start()
            for _ in range(100):
                await asyncio.sleep(0)
            assert 100 <= busy.turns <= 202
            busy.stopping = True
            runner.join()
            busy.selector.unregister(near)
            runner.close()
            busy.selector.close()

    _run(scenario)


class Patient:
    """A worker that has something to do once, at a certain time."""

    def __init__(self) -> None:
        self.selector: selectors.BaseSelector = selectors.DefaultSelector()
        self.due = float("inf")
        self.turns = 0
        self.done = threading.Event()
        self.stopping = False

    def turn(self, ready: Ready) -> None:
        self.turns += 1
        if time.monotonic() >= self.due:
            self.due = float("inf")
            self.done.set()

    def sleep(self) -> float:
        return max(0.0, min(1.0, self.due - time.monotonic()))


@pytest.mark.parametrize("name", ["asyncio", "uvloop"])
def test_the_time_until_something_is_due_is_not_spent_in_turns(name: str) -> None:
    """uvloop's timers know whole milliseconds only, and half of one is none at all to them."""
    maker = asyncio.new_event_loop
    if name == "uvloop":
        maker = pytest.importorskip("uvloop").new_event_loop
    waits = 60

    async def scenario() -> None:
        patient = Patient()
        runner = SharedLoop(patient, asyncio.get_running_loop())
        runner.start()
        for number in range(waits):
            patient.done.clear()
            patient.due = time.monotonic() + 0.0001 * (number + 1)
            runner.wake()
            await asyncio.to_thread(patient.done.wait, PATIENCE)
        # Each has the turn that it asked for, that when it is due, and one for clocks that differ.
        assert patient.turns <= 4 * waits
        patient.stopping = True
        runner.join()
        runner.close()
        patient.selector.close()

    with asyncio.Runner(loop_factory=maker) as loop:
        loop.run(scenario())
