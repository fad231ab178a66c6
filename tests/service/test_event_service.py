"""Events over gRPC."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from picosip.v1 import (
    admin_service_pb2 as admin_pb,
    call_service_pb2 as call_pb,
    error_details_pb2 as details_pb,
    event_service_pb2 as pb,
    registration_service_pb2 as registration_pb,
    sip_pb2,
)
from tests.service import values
from tests.service.scripted_engine import ScriptedEngine
from tests.service.serving import Client, Served, details, refusal, serve, until
from tests.service.test_rpcs import invite

Code = grpc.StatusCode


async def latest(client: Client) -> pb.Cursor:
    info = await client.admin.GetServerInfo(admin_pb.GetServerInfoRequest())
    return info.latest_cursor


async def test_a_call_as_it_happens(client: Client) -> None:
    async with client.listening() as ear:
        call = (await client.calls.Invite(invite("answers", labels={"a": "b"}))).call
        created = await ear.next()
        assert (created.revision, created.resource) == (1, call.name)
        assert created.labels == {"a": "b"}
        assert created.call_created.call.name == call.name
        assert not created.HasField("message")
        assert await ear.kinds(2) == ["call_answered", "call_confirmed"]
        await client.calls.Hangup(call_pb.HangupRequest(name=call.name))
        ended = await ear.next()
        assert ended.call_ended.termination.cause == call_pb.Termination.CAUSE_LOCAL_HANGUP
        await ear.reach(4)


async def test_an_rpc_returns_behind_its_events(client: Client) -> None:
    await client.calls.Invite(invite("answers"))
    assert (await latest(client)).revision == 3


async def test_a_stream_resumes_where_it_was(client: Client) -> None:
    async with client.listening() as ear:
        await client.calls.Invite(invite("answers"))
        await ear.kinds(1)
        await ear.reach(3)
        cursor = pb.Cursor(incarnation=ear.cursor.incarnation, revision=1)
    await client.calls.Invite(invite("rings"))
    async with client.listening(after=cursor) as ear:
        assert [(await ear.next()).revision for _ in range(3)] == [2, 3, 4]


async def test_without_a_cursor_a_stream_begins_now(client: Client) -> None:
    await client.calls.Invite(invite("answers"))
    async with client.listening() as ear:
        assert ear.cursor == await latest(client)
        await client.calls.Invite(invite("rings"))
        assert (await ear.next()).revision == 4


async def test_a_cursor_that_is_no_longer_held_is_told_so() -> None:
    running = await serve(event_log_size=2)
    try:
        client = running.client
        await client.calls.Invite(invite("answers"))
        cursor = await latest(client)
        old = pb.Cursor(incarnation=cursor.incarnation, revision=0)
        for after in (old, pb.Cursor(incarnation="other", revision=3)):
            error = await refusal(client.events.Events(pb.EventsRequest(after=after)).read())
            assert error.code() is Code.OUT_OF_RANGE
            assert details(error) == [
                error_details_pb2.ErrorInfo(reason="CURSOR_EXPIRED", domain="picosip.v1"),
                details_pb.CursorFailure(
                    incarnation=cursor.incarnation, oldest_revision=2, latest_revision=3
                ),
            ]
    finally:
        await running.stop()


async def test_a_snapshot_and_then_what_follows(client: Client) -> None:
    old = (await client.calls.Invite(invite("rings", labels={"a": "b"}))).call
    other = (await client.calls.Invite(invite("rings"))).call
    register = registration_pb.RegisterRequest(
        registrar_uri="sip:example.com",
        aor=sip_pb2.Address(uri="sip:alice@example.com"),
        labels={"a": "b"},
    )
    registered = (await client.registrations.Register(register)).registration
    wanted = pb.EventFilter(labels={"a": "b"})
    async with client.listening(include_snapshot=True, filter=wanted) as ear:
        assert ear.cursor.revision == 3
        first, second = await ear.next(), await ear.next()
        assert first.snapshot.call == old
        assert (first.resource, first.revision) == (old.name, 3)
        assert first.labels == {"a": "b"}
        assert second.snapshot.registration == registered
        await client.calls.Hangup(call_pb.HangupRequest(name=other.name))
        await client.calls.Hangup(call_pb.HangupRequest(name=old.name))
        event = await ear.next()
        assert (event.revision, event.resource) == (5, old.name)


async def test_what_a_snapshot_has_is_not_told_again(
    client: Client, engine: ScriptedEngine
) -> None:
    engine.just_before_snapshot = [values.created("calls/meanwhile")]
    async with client.listening(include_snapshot=True) as ear:
        assert ear.cursor.revision == 1
        engine.emit(values.created("calls/after"))
        event = await ear.next()
        assert (event.revision, event.resource) == (2, "calls/after")


async def test_a_snapshot_beside_a_cursor_leaves_nothing_out(client: Client) -> None:
    await client.calls.Invite(invite("answers"))
    start = pb.Cursor(incarnation=(await latest(client)).incarnation, revision=0)
    async with client.listening(include_snapshot=True, after=start) as ear:
        assert await ear.kinds(4) == [
            *("snapshot", "call_created", "call_answered", "call_confirmed"),
        ]


async def test_a_snapshot_of_nothing(client: Client) -> None:
    async with client.listening(include_snapshot=True) as ear:
        assert ear.cursor.incarnation != ""
        await client.calls.Invite(invite("rings"))
        assert await ear.kinds(1) == ["call_created"]


async def test_filters_and_the_cursor_that_moves_on(client: Client) -> None:
    first = (await client.calls.Invite(invite("rings"))).call
    async with (
        client.listening(filter={"resources": [first.name]}) as one,
        client.listening(filter={"resources": ["registrations/"]}) as none,
    ):
        await client.calls.Invite(invite("answers"))
        await client.calls.Hangup(call_pb.HangupRequest(name=first.name))
        event = await one.next()
        assert event.WhichOneof("kind") == "call_ended"
        end = await latest(client)
        assert event.revision == end.revision
        await none.reach(end.revision)
        assert none.cursor == end


async def test_messages_come_where_asked_for_without_credentials(client: Client) -> None:
    wanted = pb.EventFilter(include_messages=True)
    async with client.listening(filter=wanted) as ear, client.listening() as plain:
        await client.calls.Invite(invite("rings"))
        event = await ear.next()
        assert event.message.request.method == "INVITE"
        assert sip_pb2.Header(name="Authorization", value="Digest ***") in event.message.headers
        assert not (await plain.next()).HasField("message")


async def test_progress_at_the_interval_asked_for(client: Client) -> None:
    request = pb.EventsRequest()
    request.progress_interval.FromMilliseconds(20)
    stream: Any = client.events.Events(request)
    responses = [await stream.read() for _ in range(4)]
    assert all(not response.events for response in responses)
    assert {response.cursor.incarnation for response in responses} != {""}
    stream.cancel()


async def test_who_listens_is_the_audience_from_the_first_response_to_the_end(
    client: Client, engine: ScriptedEngine
) -> None:
    assert not engine.audience.hears("calls/a", {})
    async with client.listening(filter={"observer": True}):
        assert not engine.audience.hears("calls/a", {})
        async with client.listening(filter={"handle_methods": ["OPTIONS"]}):
            assert engine.audience.hears("calls/a", {})
            assert engine.audience.claims("OPTIONS")
            assert not engine.audience.claims("REGISTER")
        await until(lambda: not engine.audience.hears("calls/a", {}))
        assert not engine.audience.claims("OPTIONS")


async def test_requests_go_to_who_claimed_them(client: Client, engine: ScriptedEngine) -> None:
    async with (
        client.listening(filter={"handle_methods": ["REGISTER"]}) as registrar,
        client.listening(filter={"handle_methods": ["OPTIONS"]}) as other,
        client.listening(filter={"observer": True}) as observer,
        client.listening() as plain,
    ):
        name = engine.receive_request("REGISTER")
        event = await registrar.next()
        assert event.incoming_request.name == name
        assert list(event.incoming_request.headers) == [
            sip_pb2.Header(name="Authorization", value="Digest ***")
        ]
        assert (await observer.next()) == event
        engine.emit(values.created("calls/after"))
        assert (await other.next()).resource == "calls/after"
        assert (await plain.next()).resource == "calls/after"


async def test_bad_requests_are_told_by_field(client: Client) -> None:
    request = pb.EventsRequest(
        filter=pb.EventFilter(resources=["calls/", ""], handle_methods=["*", "A B"]),
        after=pb.Cursor(revision=-1),
    )
    request.progress_interval.FromSeconds(-1)
    error = await refusal(client.events.Events(request).read())
    assert error.code() is Code.INVALID_ARGUMENT
    assert [one.field for one in details(error)[1].field_violations] == [
        "filter.resources[1]",
        "filter.handle_methods[1]",
        "after.revision",
        "progress_interval",
    ]


async def test_many_events_arrive_in_order_and_in_batches(served: Served) -> None:
    client, engine = served.client, served.engine
    stream = client.events.Events(pb.EventsRequest())
    await stream.read()
    await asyncio.to_thread(engine.emit, *values.numbered(1000))
    revisions: list[int] = []
    responses = 0
    while len(revisions) < 1000:
        response = await stream.read()
        assert isinstance(response, pb.EventsResponse)
        assert len(response.events) <= 512
        revisions += [event.revision for event in response.events]
        responses += 1
    assert revisions == list(range(1, 1001))
    assert responses <= 24
    stream.cancel()
