"""Commands to the engine and outputs back, through threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Hashable
from contextlib import AbstractContextManager
from typing import Any

import grpc
import pytest

from picosip_server.engine.audience import Audience
from picosip_server.engine.config import ListenerSpec
from picosip_server.engine.snapshot import Snapshot
from picosip_server.engine.stats import EngineStats
from picosip_server.service.bridge import Bridge
from picosip_server.service.errors import ApiError
from picosip_server.service.ports import Sink
from picosip_server.sip.ua.commands import Command, GetCall
from picosip_server.sip.ua.events import CallCreated, Event
from picosip_server.sip.ua.outputs import (
    Completed,
    Failed,
    Failure,
    FailureKind,
    Occurred,
    Output,
    Traced,
)
from tests.service import values


class Engine:
    """Keeps what it is told and says what the test has it say, from a thread of its own."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.commands: list[Command] = []
        self.tokens: list[Hashable] = []
        self.held_back: list[bool] = []

    def start(self) -> tuple[ListenerSpec, ...]:
        return ()

    def submit(self, command: Command) -> None:
        self.commands.append(command)
        self.tokens.append(command.token)

    def gather(self) -> AbstractContextManager[None]:
        raise NotImplementedError

    def submit_snapshot(self, token: Hashable) -> None:
        self.tokens.append(token)

    def end_all_calls(self, token: Hashable) -> None:
        self.tokens.append(token)

    def abandon_all(self) -> None:
        raise NotImplementedError

    def set_audience(self, audience: Audience) -> None:
        raise NotImplementedError

    def set_tracing(self, on: bool) -> None:
        raise NotImplementedError

    def hold_back(self, on: bool) -> None:
        self.held_back.append(on)

    def refuse_new_work(self) -> None:
        raise NotImplementedError

    def stats(self) -> EngineStats:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def say(self, *batches: list[Output]) -> None:
        def work() -> None:
            for batch in batches:
                self.sink(batch)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()


class Ends:
    """The loop's end of a bridge, recorded."""

    def __init__(self) -> None:
        self.engine: Engine
        self.seen: list[str] = []
        self.events: list[Event] = []
        self.fails_on = ""
        self.bridge = Bridge(
            self._make,
            on_event=self._on_event,
            on_traced=lambda traced: self.seen.append("traced"),
            on_batch=lambda: self.seen.append("batch"),
            revision=lambda: len(self.events),
        )

    def _make(self, sink: Sink) -> Engine:
        self.engine = Engine(sink)
        return self.engine

    def _on_event(self, event: Event) -> None:
        if event.resource == self.fails_on:
            raise ValueError("cannot be encoded")
        self.events.append(event)
        self.seen.append(event.resource)


def get_call(token: Hashable) -> Command:
    return GetCall(token=token, name="calls/a")


def asked(ends: Ends) -> asyncio.Future[object]:
    """The answer to a command that the engine has got."""
    future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    ends.bridge.submit(get_call, future.set_result)
    return future


async def submitted(ends: Ends, count: int = 1) -> None:
    while len(ends.engine.tokens) < count:
        await asyncio.sleep(0)


async def delivered(ends: Ends, batches: int) -> None:
    while ends.seen.count("batch") < batches:
        await asyncio.sleep(0)


async def test_a_result_comes_after_the_events_before_it() -> None:
    ends = Ends()

    ends.bridge.submit(get_call, lambda value: ends.seen.append(f"result {value}"))
    token = ends.engine.tokens[0]
    assert ends.engine.commands == [GetCall(token=token, name="calls/a")]
    ends.engine.say(
        [Occurred(event=values.created("calls/a")), Completed(token=token, value="yes")],
        [Occurred(event=values.created("calls/b"))],
    )
    await delivered(ends, 1)
    assert ends.seen == ["calls/a", "result yes", "calls/b", "batch"]


async def test_many_batches_are_one_wake_up() -> None:
    ends = Ends()
    batches: list[list[Output]] = [[Occurred(event=event)] for event in values.numbered(200)]
    ends.engine.say(*batches)
    await delivered(ends, 1)
    assert ends.seen == [*(f"calls/{number}" for number in range(200)), "batch"]


async def test_a_flood_leaves_the_loop_its_turns() -> None:
    ends = Ends()
    ends.engine.say([Occurred(event=event) for event in values.numbered(600)])
    turns = 0
    while len(ends.events) < 600:
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 3
    assert [event.resource for event in ends.events] == [f"calls/{n}" for n in range(600)]
    assert ends.seen.count("batch") == 3


async def test_an_engine_whose_outputs_pile_up_is_held_back() -> None:
    """And none of them is lost."""
    ends = Ends()
    event = values.created("calls/a")
    ends.engine.say([Occurred(event=event)] * 50_000)
    assert ends.engine.held_back == []
    ends.engine.say([Occurred(event=event)])
    assert ends.engine.held_back == [True]
    while len(ends.events) < 50_001:
        await asyncio.sleep(0)
        left = 50_001 - len(ends.events)
        assert ends.engine.held_back == ([True] if left >= 25_000 else [True, False])


async def test_a_failure_is_an_answer() -> None:
    ends = Ends()
    answer = asked(ends)
    failure = Failure(kind=FailureKind.NOT_FOUND, detail="no such call")
    ends.engine.say([Failed(token=ends.engine.tokens[0], failure=failure)])
    assert await answer is failure


async def test_results_find_their_own_command() -> None:
    ends = Ends()
    answers = [asked(ends) for _ in range(3)]
    ends.engine.say([Completed(token=token, value=token) for token in ends.engine.tokens[::-1]])
    assert await asyncio.gather(*answers) == ends.engine.tokens


async def test_an_answer_to_nobody_breaks_nothing() -> None:
    ends = Ends()
    answer = asked(ends)
    ends.engine.say(
        [
            Failed(token="unknown", failure=Failure(kind=FailureKind.ENDED, detail="")),
            Completed(token=ends.engine.tokens[0], value="fine"),
            Completed(token=ends.engine.tokens[0], value="again"),
        ]
    )
    assert await answer == "fine"


async def test_a_command_that_the_engine_does_not_take_is_forgotten() -> None:
    ends = Ends()

    def broken(token: Hashable) -> Command:
        raise RuntimeError("broken")

    answers: list[object] = []
    with pytest.raises(RuntimeError):
        ends.bridge.submit(broken, answers.append, lambda name: None)
    ends.bridge.close()
    assert answers == []


async def test_the_maker_of_a_call_is_told_its_name() -> None:
    ends = Ends()
    names: list[str] = []
    ends.bridge.submit(get_call, lambda value: None, names.append)
    event: Any = values.created("calls/a")
    made = CallCreated(resource="calls/a", at=1.0, call=event.call, token=ends.engine.tokens[0])
    ends.engine.say([Occurred(event=made), Occurred(event=values.created("calls/b"))])
    await delivered(ends, 1)
    assert names == ["calls/a"]


async def test_a_snapshot_knows_its_place_among_the_events() -> None:
    ends = Ends()
    task = asyncio.create_task(ends.bridge.snapshot())
    await submitted(ends)
    snapshot = Snapshot(calls=(values.call(),))
    ends.engine.say(
        [
            Occurred(event=values.created("calls/a")),
            Completed(token=ends.engine.tokens[0], value=snapshot),
            Occurred(event=values.created("calls/b")),
        ]
    )
    assert await task == (snapshot, 1)


async def test_what_cannot_be_handled_stops_nothing_else() -> None:
    ends = Ends()
    ends.fails_on = "calls/a"
    answer = asked(ends)
    ends.engine.say(
        [
            Occurred(event=values.created("calls/a")),
            Occurred(event=values.created("calls/b")),
            Completed(token=ends.engine.tokens[0], value="yes"),
        ]
    )
    assert await answer == "yes"
    await delivered(ends, 1)
    assert ends.seen == ["calls/b", "batch"]


async def test_traces_pass() -> None:
    ends = Ends()
    traced = Traced(
        at=1.0,
        sent=True,
        message=values.request(),
        raw=b"",
        transport="UDP",
        local=("192.0.2.1", 5060),
        remote=("192.0.2.2", 5060),
    )
    ends.engine.say([traced])
    await delivered(ends, 1)
    assert ends.seen == ["traced", "batch"]


async def test_closing_fails_what_is_open_and_hears_nothing_more() -> None:
    ends = Ends()
    answer = asked(ends)
    task = asyncio.create_task(ends.bridge.end_all_calls())
    await submitted(ends, 2)
    ends.bridge.close()
    failure = Failure(kind=FailureKind.UNAVAILABLE, detail="the server has been stopped")
    assert await answer == failure
    with pytest.raises(ApiError, match="the server has been stopped") as raised:
        await task
    assert raised.value.code is grpc.StatusCode.UNAVAILABLE
    ends.engine.say([Occurred(event=values.created("calls/a"))])
    await asyncio.sleep(0)
    assert ends.events == []
