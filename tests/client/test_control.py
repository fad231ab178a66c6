"""The clients on a Control stream, against a real server whose engine follows a script."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import grpc
import pytest

import picosip
from picosip import aio
from picosip._conversation import OUTSTANDING
from picosip.v1 import call_service_pb2 as call_pb, sip_pb2
from tests.client.conftest import Connect, connecting
from tests.client.controlled import Server
from tests.client.scripted import Script, ScriptedServer, breaks
from tests.service import values
from tests.support.relay import Relay

ALICE = "sip:alice@example.com"


@pytest.fixture
def real() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture(params=["sync", "aio"])
def control(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes a client of a target, with the arguments of ``picosip.Control``."""
    with ExitStack() as stack:
        yield connecting(stack, request.param, picosip.Control, aio.Control)


def to(user: str) -> str:
    return f"sip:{user}@example.com"


def kinds(events: Any, count: int) -> list[str | None]:
    return [next(events).WhichOneof("kind") for _ in range(count)]


def test_a_call_as_with_the_client(real: Server, control: Connect) -> None:
    client = control(real.target)
    events = client.events(resources=["calls/node-0001"])
    call = client.invite(ALICE, to("answers"))
    assert call.state == call_pb.Call.STATE_CONFIRMED
    assert kinds(events, 3) == ["call_created", "call_answered", "call_confirmed"]
    client.invite(ALICE, to("answers"))
    assert client.get_call(call.name) == call
    assert client.hangup(call.name).state == call_pb.Call.STATE_TERMINATED
    assert kinds(events, 1) == ["call_ended"]
    assert events.cursor.revision == 7
    events.close()
    with pytest.raises(picosip.NotFound) as raised:
        client.hangup(call.name)
    assert raised.value.reason == "RESOURCE_NOT_FOUND"
    # One stream for all of it.
    assert client.stats().event_streams == 1


def test_a_listing_comes_page_by_page(real: Server, control: Connect) -> None:
    client = control(real.target)
    names = {client.invite(ALICE, to("rings")).name for _ in range(5)}
    assert {call.name for call in client.list_calls(page_size=2)} == names


@pytest.mark.parametrize("method", ["submit", "post"])
def test_what_nobody_waits_for(real: Server, control: Connect, method: str) -> None:
    client = control(real.target)
    name = client.invite(ALICE, to("rings")).name
    getattr(client, method)(call_pb.HangupRequest(name=name))
    with pytest.raises(picosip.NotFound):
        client.hangup(name)


def test_what_is_wrong_is_told_as_by_the_client(real: Server, control: Connect) -> None:
    client = control(real.target)
    with pytest.raises(picosip.InvalidArgument) as invalid:
        client.invite("", to("rings"))
    assert invalid.value.field_violations[0].field == "from_address.uri"
    with pytest.raises(picosip.Refused) as refused:
        client.invite(ALICE, to("busy"), wait_for="final")
    assert refused.value.sip_status == picosip.SipStatus(code=486, reason="Busy Here")


def test_a_deadline_undoes_nothing(real: Server, control: Connect) -> None:
    client = control(real.target)
    with pytest.raises(picosip.TimedOut, match=r"no result within 0\.01 s"):
        client.with_timeout(0.01).invite(ALICE, to("later"))
    # The deadline may have been over before the server had heard of it.
    while not real.engine.commands:
        client.stats()
    real.engine.release()
    assert [call.name for call in client.list_calls()] == ["calls/node-0001"]


def test_a_bad_filter_ends_only_the_events(real: Server, control: Connect) -> None:
    client = control(real.target)
    with pytest.raises(picosip.InvalidArgument):
        client.events(resources=[""])
    assert client.invite(ALICE, to("rings")).name
    assert kinds(client.events(include_snapshot=True), 1) == ["snapshot"]


def test_a_cursor_that_has_expired(real: Server, control: Connect) -> None:
    client = control(real.target)
    old = picosip.Cursor(incarnation="before", revision=7)
    with pytest.raises(picosip.CursorExpired):
        client.events(after=old)
    client.invite(ALICE, to("rings"))
    events = client.events(after=old, snapshot_on_loss=True)
    assert kinds(events, 1) == ["snapshot"]
    assert events.losses == 1


def test_events_that_end_and_begin_anew(real: Server, control: Connect) -> None:
    client = control(real.target)
    first = client.events()
    second = client.events()
    name = client.invite(ALICE, to("rings")).name
    for events in (first, second):
        assert next(events).resource == name
    # The second one has a stream of its own.
    assert client.stats().event_streams == 2
    first.close()
    assert list(first) == []
    client.hangup(name)
    third = client.events(after=first.cursor)
    assert kinds(third, 1) == ["call_ended"]


def test_what_is_handed_over_before_the_end_is_sent(real: Server, control: Connect) -> None:
    client = control(real.target)
    for _ in range(200):
        client.post(invite("answers"))
    client.close()
    assert len(real.engine.commands) == 200
    with pytest.raises(picosip.PicosipError, match="the client has been closed"):
        client.invite(ALICE, to("rings"))


def test_a_server_that_is_not_there(control: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        target = f"127.0.0.1:{taken.getsockname()[1]}"
    client = control(target, retry_for=0.2)
    with pytest.raises(picosip.Unavailable):
        client.invite(ALICE, to("rings"))
    with pytest.raises(picosip.Unavailable):
        client.events()


def test_a_server_that_has_no_such_stream(
    script: Script, server: ScriptedServer, control: Connect
) -> None:
    script.streams["Control"] = [breaks(grpc.StatusCode.UNIMPLEMENTED)]
    client = control(server.target)
    with pytest.raises(picosip.PicosipError) as raised:
        client.invite(ALICE, to("rings"))
    assert raised.value.code is grpc.StatusCode.UNIMPLEMENTED


def test_more_events_than_the_credit(real: Server, control: Connect) -> None:
    """They go on as they are handled."""
    client = control(real.target)
    events = client.events()
    total = OUTSTANDING + 100
    real.engine.emit(*values.numbered(total))
    assert [next(events).revision for _ in range(total)] == list(range(1, total + 1))


# What only threads can do.


def invite(user: str) -> call_pb.InviteRequest:
    return call_pb.InviteRequest(
        from_address=sip_pb2.Address(uri=ALICE), to_address=sip_pb2.Address(uri=to(user))
    )


def test_events_by_a_function(real: Server) -> None:
    with picosip.Control(real.target) as client, ThreadPoolExecutor(1) as pool:
        events = client.events()
        client.invite(ALICE, to("rings"))
        seen: list[str | None] = []
        outcomes: list[Any] = []

        def handle(event: picosip.Event) -> None:
            seen.append(event.WhichOneof("kind"))
            if seen[-1] == "call_answered":
                with pytest.raises(RuntimeError, match="use submit or post"):
                    client.hangup(event.resource)
                client.post(call_pb.HangupRequest(name=event.resource), outcomes.append)
            elif seen[-1] == "call_ended":
                events.close()

        running = pool.submit(events.run, handle)
        client.submit(invite("answers"))
        running.result(20)
        assert seen == [
            *("call_created", "call_created", "call_answered", "call_confirmed", "call_ended"),
        ]
        client.stats()
        client.get_call("calls/node-0001")
        assert outcomes == ["calls/node-0002"]


def test_a_function_that_fails_ends_the_events(real: Server) -> None:
    with picosip.Control(real.target) as client, ThreadPoolExecutor(1) as pool:
        events = client.events()

        def handle(event: picosip.Event) -> None:
            raise ValueError(event.resource)

        running = pool.submit(events.run, handle)
        client.invite(ALICE, to("rings"))
        with pytest.raises(ValueError, match="calls/node-0001"):
            running.result(20)
        assert client.get_call("calls/node-0001").name


def test_a_result_that_cannot_be_handed_over_stops_nothing(
    real: Server, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(outcome: object) -> None:
        raise ValueError("no")

    with picosip.Control(real.target) as client:
        client.post(invite("rings"), fail)
        assert client.invite(ALICE, to("rings")).name
    assert "what a command's result was handed to failed" in caplog.text


def test_another_thread_ends_an_iteration(real: Server) -> None:
    with picosip.Control(real.target) as client, ThreadPoolExecutor(1) as pool:
        events = client.events()
        reading = pool.submit(list, events)
        client.invite(ALICE, to("rings"))
        events.close()
        assert len(reading.result(20)) <= 1


def test_threads_share_messages(real: Server) -> None:
    """What is called while a message is on its way goes with the next one."""
    writes = 0

    def seen(data: bytes) -> None:
        nonlocal writes
        writes += 1

    with (
        Relay(real.target, seen) as relay,
        picosip.Control(relay.target) as client,
        ThreadPoolExecutor(32) as pool,
    ):
        calls = list(pool.map(lambda n: client.invite(ALICE, to("rings")), range(640)))
    assert len({call.name for call in calls}) == 640
    assert writes < 640


# What only tasks can do.


async def test_events_by_a_function_on_the_loop(real: Server) -> None:
    async with aio.Control(real.target) as client, client.events() as events:
        await client.invite(ALICE, to("rings"))
        seen: list[str | None] = []
        outcomes: list[Any] = []

        def handle(event: picosip.Event) -> None:
            seen.append(event.WhichOneof("kind"))
            if seen[-1] == "call_answered":
                client.post(call_pb.HangupRequest(name=event.resource), outcomes.append)
            elif seen[-1] == "call_ended":
                events.close()

        client.submit(invite("answers"))
        async with asyncio.timeout(20):
            await events.run(handle)
        assert seen == [
            *("call_created", "call_created", "call_answered", "call_confirmed", "call_ended"),
        ]
        assert await client.get_call("calls/node-0001")
        assert outcomes == ["calls/node-0002"]


async def test_a_function_on_the_loop_that_fails(real: Server) -> None:
    async with aio.Control(real.target) as client, client.events() as events:

        def handle(event: picosip.Event) -> None:
            raise ValueError(event.resource)

        running = asyncio.create_task(events.run(handle))
        await client.invite(ALICE, to("rings"))
        with pytest.raises(ValueError, match="calls/node-0001"):
            await running
        assert await client.get_call("calls/node-0001")


async def test_a_cancelled_wait_loses_no_event(real: Server) -> None:
    async with aio.Control(real.target) as client, client.events() as events:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(events)
        waiting = asyncio.create_task(client.invite(ALICE, to("later")))
        await client.invite(ALICE, to("rings"))
        waiting.cancel()
        real.engine.release()
        assert [(await anext(events)).resource for _ in range(2)] == [
            *("calls/node-0001", "calls/node-0002"),
        ]
