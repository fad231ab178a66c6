"""What only threads, or only asyncio, can do to a stream."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

import picosip
from picosip import aio
from picosip.v1 import admin_service_pb2 as admin_pb
from tests.client.scripted import (
    Act,
    Script,
    ScriptedServer,
    cursor,
    plays,
    response,
    until_gone,
)

LAST = admin_pb.TraceResponse(records=[admin_pb.TraceRecord(resource="calls/1")])


def hands(flag: threading.Event, *responses: Any) -> Act:
    """Sends these, then says so once the client is sure to wait for more, and stays open."""

    def act(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        yield from responses
        flag.set()
        until_gone(context)

    return act


def test_another_thread_closes(script: Script, server: ScriptedServer) -> None:
    waiting = threading.Event()
    script.streams["Events"] = [hands(waiting, response(cursor(1), [1]))]
    with picosip.Client(server.target) as client, ThreadPoolExecutor(1) as pool:
        events = client.events()
        seen = pool.submit(lambda: [event.revision for event in events])
        waiting.wait()
        events.close()
        assert seen.result() == [1]
    assert len(script.requests) == 1


def test_another_thread_closes_a_trace(script: Script, server: ScriptedServer) -> None:
    waiting = threading.Event()
    script.streams["Trace"] = [hands(waiting, LAST)]
    with picosip.Client(server.target) as client, ThreadPoolExecutor(1) as pool:
        trace = client.trace()
        seen = pool.submit(lambda: [record.resource for record in trace])
        waiting.wait()
        trace.close()
        assert seen.result() == ["calls/1"]


def test_leaving_the_context_ends_the_stream(script: Script, server: ScriptedServer) -> None:
    script.streams["Events"] = [plays(response(cursor(1), [1]))]
    with picosip.Client(server.target) as client:
        with client.events() as events:
            assert next(events).revision == 1
        assert list(events) == []


def test_a_server_that_dies_while_a_thread_waits(script: Script, tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s"
    waiting = threading.Event()
    script.streams["Events"] = [
        hands(waiting, response(cursor(0))),
        plays(response(cursor(1), [1])),
    ]
    first = ScriptedServer(script, address)
    with picosip.Client(address) as client, ThreadPoolExecutor(1) as pool:
        events = client.events()
        seen = pool.submit(next, events)
        waiting.wait()
        first.stop()
        with ScriptedServer(script, address):
            assert seen.result().revision == 1
    assert [request.after for request in script.requests[1:]] == [cursor(0)] * (
        len(script.requests) - 1
    )


async def test_another_task_closes(script: Script, server: ScriptedServer) -> None:
    script.streams["Events"] = [plays(response(cursor(1), [1]))]
    async with aio.Client(server.target) as client, client.events() as events:
        assert (await anext(events)).revision == 1
        rest = asyncio.ensure_future(anext(events, None))
        # One turn of the loop: it waits by now.
        await asyncio.sleep(0)
        events.close()
        assert await rest is None
    assert len(script.requests) == 1


async def test_another_task_closes_a_trace(script: Script, server: ScriptedServer) -> None:
    script.streams["Trace"] = [plays(LAST)]
    async with aio.Client(server.target) as client, client.trace() as trace:
        assert (await anext(trace)).resource == "calls/1"
        rest = asyncio.ensure_future(anext(trace, None))
        await asyncio.sleep(0)
        trace.close()
        assert await rest is None


async def test_a_cancelled_wait_loses_nothing(script: Script, server: ScriptedServer) -> None:
    go_on = threading.Event()

    def act(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        yield response(cursor(0))
        go_on.wait()
        yield response(cursor(2), [1, 2])
        until_gone(context)

    script.streams["Events"] = [act]
    async with aio.Client(server.target) as client, client.events() as events:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(events)
        go_on.set()
        assert [(await anext(events)).revision for _ in range(2)] == [1, 2]
    assert len(script.requests) == 1


async def test_iterating_opens_the_stream(script: Script, server: ScriptedServer) -> None:
    script.streams["Events"] = [plays(response(cursor(1), [1]))]
    async with aio.Client(server.target) as client:
        async for event in client.events():
            assert event.revision == 1
            break


async def test_a_closed_stream_is_not_opened(script: Script, server: ScriptedServer) -> None:
    async with aio.Client(server.target) as client:
        events = client.events()
        events.close()
        assert [event async for event in events] == []
    assert script.requests == []
