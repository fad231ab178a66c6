"""Information, figures, traces, drain, health and reflection."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from picosip.v1 import (
    admin_service_pb2 as pb,
    call_service_pb2 as call_pb,
    event_service_pb2 as event_pb,
    sip_pb2,
)
from picosip_server.service.server import SERVICES
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.capabilities import METHODS, OPTION_TAGS
from tests.service.scripted_engine import ScriptedEngine
from tests.service.serving import Client, Served, details, refusal, serve, until
from tests.service.test_rpcs import invite
from tests.service.test_trace import traced

Code = grpc.StatusCode


async def test_what_the_server_is(client: Client) -> None:
    await client.calls.Invite(invite("answers"))
    info = await client.admin.GetServerInfo(pb.GetServerInfoRequest())
    assert info.version == "0.1.0"
    assert info.start_time.seconds > 1_700_000_000
    assert list(info.listeners) == [
        sip_pb2.Endpoint(transport=sip_pb2.TRANSPORT_UDP, host="127.0.0.1", port=5060),
        sip_pb2.Endpoint(transport=sip_pb2.TRANSPORT_TCP, host="127.0.0.1", port=5060),
    ]
    assert tuple(info.methods) == METHODS
    assert tuple(info.option_tags) == OPTION_TAGS
    assert info.oldest_cursor == event_pb.Cursor(incarnation=info.incarnation, revision=1)
    assert info.latest_cursor == event_pb.Cursor(incarnation=info.incarnation, revision=3)
    assert not info.draining


async def test_figures(client: Client) -> None:
    await client.calls.Invite(invite("rings"))
    async with client.listening():
        stats = await client.admin.GetStats(pb.GetStatsRequest())
        assert (stats.active_calls, stats.event_streams) == (1, 1)


async def test_a_trace(client: Client, engine: ScriptedEngine) -> None:
    stream = client.admin.Trace(pb.TraceRequest(resources=["calls/a"]))
    assert await stream.read() == pb.TraceResponse()
    assert engine.tracing == [True]
    engine.trace(traced(resource="calls/b"), traced(resource="calls/a"))
    response = await stream.read()
    assert isinstance(response, pb.TraceResponse)
    assert [record.resource for record in response.records] == ["calls/a"]
    stream.cancel()
    await until(lambda: engine.tracing == [True, False])


async def test_a_bad_trace_is_told_by_field(client: Client) -> None:
    request = pb.TraceRequest(resources=[""], methods=["A B"])
    error = await refusal(client.admin.Trace(request).read())
    assert error.code() is Code.INVALID_ARGUMENT
    assert [one.field for one in details(error)[1].field_violations] == [
        "resources[0]",
        "methods[0]",
    ]


async def health_of(client: Client, service: str) -> int:
    make_stub: Any = health_pb2_grpc.HealthStub
    stub = make_stub(client.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    status: int = answer.status
    return status


async def test_health(served: Served) -> None:
    client = served.client
    for service in ("", *SERVICES):
        assert await health_of(client, service) == health_pb2.HealthCheckResponse.SERVING
    await served.server.drain(0)
    for service in ("", *SERVICES):
        assert await health_of(client, service) == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_reflection_knows_all_services(client: Client) -> None:
    make_stub: Any = reflection_pb2_grpc.ServerReflectionStub
    stub = make_stub(client.channel)
    stream = stub.ServerReflectionInfo(
        iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    )
    answer = await stream.read()
    names = {service.name for service in answer.list_services_response.service}
    assert names == {
        *SERVICES,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert set(SERVICES) == {
        *("picosip.v1.CallService", "picosip.v1.RegistrationService"),
        *("picosip.v1.RequestService", "picosip.v1.SubscriptionService"),
        *("picosip.v1.EventService", "picosip.v1.LoadService", "picosip.v1.AdminService"),
    }


async def test_a_drain_waits_for_the_calls(client: Client, engine: ScriptedEngine) -> None:
    call = (await client.calls.Invite(invite("rings"))).call
    async with client.listening() as ear:
        request = pb.DrainRequest()
        request.grace.FromSeconds(600)
        answer = await client.admin.Drain(request)
        assert answer.remaining_calls == 1
        draining = await ear.next()
        assert draining.server_draining.deadline == answer.deadline
        assert (await client.admin.GetServerInfo(pb.GetServerInfoRequest())).draining
        error = await refusal(client.calls.Invite(invite("rings")))
        assert error.code() is Code.UNAVAILABLE
        assert details(error)[0].reason == "DRAINING"
        # What runs can still be worked with, from a new stream too.
        async with client.listening() as other:
            await client.calls.Hangup(call_pb.HangupRequest(name=call.name))
            assert await ear.kinds(1) == await other.kinds(1) == ["call_ended"]
            assert (await refusal(other.stream.read())).code() is Code.UNAVAILABLE
        error = await refusal(ear.stream.read())
        assert error.code() is Code.UNAVAILABLE
        assert details(error)[0].reason == "DRAINING"
    error = await refusal(client.events.Events(event_pb.EventsRequest()).read())
    assert error.code() is Code.UNAVAILABLE


async def test_a_drain_ends_the_calls_at_its_deadline(served: Served) -> None:
    client = served.client
    await client.calls.Invite(invite("rings"))
    async with client.listening() as ear:
        await served.server.drain(0)
        assert await ear.kinds(1) == ["server_draining"]
        ended = await ear.next()
        assert ended.call_ended.termination.cause == call_pb.Termination.CAUSE_SERVER_SHUTDOWN
        assert (await refusal(ear.stream.read())).code() is Code.UNAVAILABLE


async def test_a_second_drain_may_only_shorten_the_first(
    served: Served, engine: ScriptedEngine
) -> None:
    client = served.client
    await client.calls.Invite(invite("rings"))
    requests = [pb.DrainRequest(), pb.DrainRequest()]
    for request, grace in zip(requests, (600, 900), strict=True):
        request.grace.FromSeconds(grace)
    first, later = [await client.admin.Drain(request) for request in requests]
    assert later.deadline == first.deadline
    await served.server.drain(0)
    assert engine.stats().active_calls == 0


async def test_a_bad_grace_is_told_by_field(client: Client) -> None:
    request = pb.DrainRequest()
    request.grace.FromSeconds(-1)
    error = await refusal(client.admin.Drain(request))
    assert details(error)[1].field_violations[0].field == "grace"
    assert not (await client.admin.GetServerInfo(pb.GetServerInfoRequest())).draining


async def test_an_unavailable_outcome_is_not_kept(client: Client, engine: ScriptedEngine) -> None:
    engine.refuse_new_work()
    request = invite("rings", request_id="one")
    for _ in range(2):
        assert (await refusal(client.calls.Invite(request))).code() is Code.UNAVAILABLE
    assert sum(isinstance(one, commands.Invite) for one in engine.commands) == 2


async def test_stopping_ends_what_is_open() -> None:
    running = await serve()
    client = running.client
    waiting = asyncio.ensure_future(
        client.calls.Invite(invite("rings", wait_for=call_pb.InviteRequest.WAIT_FOR_FINAL))
    )
    await until(lambda: len(running.engine.commands) == 1)
    await running.server.stop()
    assert running.engine.stopped
    assert (await refusal(waiting)).code() is Code.UNAVAILABLE
    await client.channel.close()


async def test_an_address_that_is_taken_is_an_error() -> None:
    running = await serve()
    try:
        with pytest.raises(OSError, match="gRPC cannot listen on"):
            await serve(grpc=running.addresses.grpc)
    finally:
        await running.stop()
