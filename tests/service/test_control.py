"""The Control stream over gRPC: commands, results and events."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.rpc import status_pb2  # type: ignore[import-untyped]

from picosip.v1 import (
    call_service_pb2 as call_pb,
    event_service_pb2 as pb,
    request_service_pb2 as request_pb,
)
from picosip_server.sip.ua import commands
from tests.service import values
from tests.service.controlling import Stream, command, controlling
from tests.service.scripted_engine import ScriptedEngine
from tests.service.serving import Client, details, refusal, serve, unpacked, until
from tests.service.test_rpcs import invite

Code = grpc.StatusCode
OBSERVER = pb.EventFilter(observer=True, resources=["nothing"])


def explained(status: status_pb2.Status) -> list[Any]:
    return [unpacked(one) for one in status.details]


def reason(result: pb.CommandResult) -> str:
    assert result.WhichOneof("outcome") == "error", result
    found: str = explained(result.error)[0].reason
    return found


async def test_a_call_with_its_events_on_one_stream(client: Client) -> None:
    async with controlling(client) as stream:
        [number] = await stream.do(invite("answers", labels={"a": "b"}))
        result = await stream.result()
        assert result.command_id == number
        assert result.call.state == call_pb.Call.STATE_CONFIRMED
        created = await stream.event()
        assert (created.revision, created.resource) == (1, result.call.name)
        assert created.labels == {"a": "b"}
        assert await stream.kinds(2) == ["call_answered", "call_confirmed"]
        await stream.do(call_pb.HangupRequest(name=result.call.name))
        assert (await stream.result()).call.state == call_pb.Call.STATE_TERMINATED
        assert await stream.kinds(1) == ["call_ended"]


async def test_a_command_is_its_unary_rpc(client: Client) -> None:
    request = invite("rings", request_id="one")
    placed = (await client.calls.Invite(request)).call
    async with controlling(client) as stream:
        await stream.do(request)
        assert (await stream.result()).call == placed
        await stream.do(call_pb.GetCallRequest(name=placed.name))
        assert (await stream.result()).call == placed


async def test_an_error_is_that_of_the_unary_rpc(client: Client) -> None:
    requests = [
        invite("busy", wait_for=call_pb.InviteRequest.WAIT_FOR_FINAL),
        call_pb.HangupRequest(name="calls/none"),
        call_pb.HangupRequest(name="none", status={"code": 7}),
        request_pb.RespondRequest(name="requests/none", status={"code": 200}),
    ]
    unary = [client.calls.Invite, client.calls.Hangup, client.calls.Hangup, client.requests.Respond]
    async with controlling(client, filter=OBSERVER) as stream:
        numbers = await stream.do(*requests)
        results = await stream.results(4)
        for number, request, rpc in zip(numbers, requests, unary, strict=True):
            error = await refusal(rpc(request))
            status = results[number].error
            assert status.code == error.code().value[0]
            # The names of calls differ.
            assert explained(status)[1:] == details(error)[1:]
            assert explained(status)[0].reason == details(error)[0].reason


async def test_a_brief_result_is_the_name(client: Client) -> None:
    async with controlling(client, filter=OBSERVER) as stream:
        await stream.do(invite("answers", request_id="one"), brief=True)
        name = (await stream.result()).name
        assert name.startswith("calls/")
        await stream.do(invite("answers", request_id="one"), brief=True)
        assert (await stream.result()).name == name
        # What comes back is part of what was asked for.
        await stream.do(invite("answers", request_id="one"))
        assert reason(await stream.result()) == "REQUEST_ID_REUSED"
        await stream.do(call_pb.HangupRequest(name="calls/none"), brief=True)
        assert reason(await stream.result()) == "RESOURCE_NOT_FOUND"


async def test_commands_reach_the_engine_in_order_whatever_takes_how_long(
    client: Client, engine: ScriptedEngine
) -> None:
    async with controlling(client, filter=OBSERVER) as stream:
        slow = invite("rings", wait_for=call_pb.InviteRequest.WAIT_FOR_FINAL)
        numbers = await stream.do(slow, *(invite(f"user{number}") for number in range(200)))
        results = await stream.results(200)
        assert numbers[0] not in results
        users = [one.to_address.uri.user for one in engine.commands]  # type: ignore[union-attr]
        assert users == ["rings", *(f"user{number}" for number in range(200))]
        held = client.calls.ListCalls(call_pb.ListCallsRequest(page_size=1))
        name = (await held).calls[0].name
        await stream.do(
            call_pb.HangupRequest(name=name), call_pb.GetCallRequest(name=name), invite("later")
        )
        results = await stream.results(3)
        assert reason(results[numbers[0]]) == "REQUEST_TERMINATED"
        assert reason(results[203]) == "RESOURCE_NOT_FOUND"
        assert isinstance(engine.commands[-2], commands.GetCall)
        engine.release()
        assert (await stream.result()).command_id == 204


async def test_results_are_gathered(client: Client) -> None:
    async with controlling(client, filter=OBSERVER) as stream:
        await stream.do(*(call_pb.GetCallRequest(name="calls/none") for _ in range(640)))
        await stream.results(640)
        with_results = [one for one in stream.responses if one.HasField("results")]
        assert 64 <= max(len(one.results.results) for one in with_results) <= 512
        assert len(with_results) <= 20


async def test_results_and_events_share_a_response_where_the_client_can_take_it(
    client: Client,
) -> None:
    async with controlling(client, combine=True) as stream:
        await stream.do(*(invite("answers") for _ in range(32)))
        await stream.results(32)
        await stream.kinds(96)
        assert any(one.HasField("both") for one in stream.responses)


async def test_a_session_that_ends_in_order_has_all_its_results(
    client: Client, engine: ScriptedEngine
) -> None:
    stream = Stream(client)
    await stream.open(filter=OBSERVER)
    await stream.do(invite("later"))
    await stream.call.done_writing()
    await until(lambda: len(engine.commands) == 1)
    engine.release()
    assert (await stream.result()).call.name
    await stream.end()


@pytest.mark.parametrize("end", ["before it is open", "at once"])
async def test_a_stream_that_does_nothing(client: Client, end: str) -> None:
    stream = Stream(client)
    if end == "at once":
        await stream.open()
    await stream.end()


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ControlRequest(), "open"),
        (pb.ControlRequest(acknowledge_revision=1), "open"),
        (pb.ControlRequest(commands=pb.CommandBatch()), "open"),
    ],
)
async def test_the_first_message_must_open(
    client: Client, request_: pb.ControlRequest, field: str
) -> None:
    stream = Stream(client)
    await stream.call.write(request_)
    error = await refusal(stream.read())
    assert error.code() is Code.INVALID_ARGUMENT
    assert details(error)[0].metadata["field"] == field
    assert "must come first" in (error.details() or "")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ControlRequest(open=pb.ControlOpen()), "open"),
        (pb.ControlRequest(), "kind"),
    ],
)
async def test_later_messages_must_not_open(
    client: Client, request_: pb.ControlRequest, field: str
) -> None:
    async with controlling(client, filter=OBSERVER) as stream:
        await stream.call.write(request_)
        error = await refusal(stream.event())
        assert error.code() is Code.INVALID_ARGUMENT
        assert details(error)[0].metadata["field"] == field


async def test_a_bad_opening_is_told_by_field(client: Client) -> None:
    stream = Stream(client)
    opening = pb.ControlOpen(
        filter=pb.EventFilter(resources=[""]),
        after=pb.Cursor(revision=-1),
        max_outstanding_events=-1,
        session="x" * 129,
    )
    opening.keep_session.FromSeconds(3601)
    opening.progress_interval.FromSeconds(-1)
    await stream.write(open=opening)
    error = await refusal(stream.read())
    assert error.code() is Code.INVALID_ARGUMENT
    assert {one.field for one in details(error)[1].field_violations} == {
        *("filter.resources[0]", "after.revision", "progress_interval"),
        *("max_outstanding_events", "session", "keep_session"),
    }


async def test_a_cursor_that_is_no_longer_held(client: Client) -> None:
    stream = Stream(client)
    await stream.write(open=pb.ControlOpen(after=pb.Cursor(incarnation="other", revision=1)))
    error = await refusal(stream.read())
    assert error.code() is Code.OUT_OF_RANGE
    assert details(error)[0].reason == "CURSOR_EXPIRED"


async def test_bad_commands_fail_alone(client: Client, engine: ScriptedEngine) -> None:
    async with controlling(client, filter=OBSERVER) as stream:
        await stream.send(
            pb.Command(command_id=1),
            command(2, invite("later")),
            command(2, invite("rings")),
            command(3, invite("rings")),
        )
        results = [await stream.result() for _ in range(3)]
        assert [one.command_id for one in results] == [1, 2, 3]
        assert reason(results[0]) == "INVALID_FIELD"
        assert reason(results[1]) == "DUPLICATE_COMMAND_ID"
        assert results[2].call.name
        engine.release()
        assert (await stream.result()).command_id == 2
        # Its number is free again.
        await stream.send(command(2, invite("rings")))
        assert (await stream.result()).call.name


async def test_a_fault_of_the_server_ends_only_its_command(client: Client) -> None:
    async with controlling(client, filter=OBSERVER) as stream:
        numbers = await stream.do(invite("breaks"), invite("rings"))
        results = await stream.results(2)
        assert results[numbers[0]].error.code == Code.INTERNAL.value[0]
        assert explained(results[numbers[0]].error)[0].metadata["error_id"]
        assert results[numbers[1]].call.name


async def test_a_client_that_asks_too_much_at_once_is_read_later() -> None:
    running = await serve(stream_commands=10)
    try:
        client, engine = running.client, running.engine
        async with controlling(client, filter=OBSERVER) as stream:
            await stream.do(*(invite("later") for _ in range(25)))
            for most in (10, 20, 25):
                await until(lambda most=most: len(engine.commands) == most)  # type: ignore[misc]
                await client.calls.ListCalls(call_pb.ListCallsRequest())
                assert len(engine.commands) == most
                engine.release()
            assert len(await stream.results(25)) == 25
    finally:
        await running.stop()


async def test_events_wait_for_credit(client: Client, engine: ScriptedEngine) -> None:
    async with controlling(client, max_outstanding_events=10) as stream:
        engine.emit(*values.numbered(35))
        assert [(await stream.event()).revision for _ in range(10)] == list(range(1, 11))
        # Commands need none.
        await stream.do(call_pb.GetCallRequest(name="calls/none"))
        await stream.result()
        assert stream._events == []
        await stream.write(acknowledge_revision=4)
        assert [(await stream.event()).revision for _ in range(4)] == [11, 12, 13, 14]
        await stream.do(call_pb.GetCallRequest(name="calls/none"))
        await stream.result()
        assert stream._events == []
        await stream.write(acknowledge_revision=14)
        assert [(await stream.event()).revision for _ in range(10)] == list(range(15, 25))
        await stream.write(acknowledge_revision=100)
        assert [(await stream.event()).revision for _ in range(10)] == list(range(25, 35))


async def test_a_control_stream_is_of_the_audience(client: Client, engine: ScriptedEngine) -> None:
    async with controlling(client, filter={"handle_methods": ["OPTIONS"]}) as stream:
        assert engine.audience.hears("calls/a", {})
        assert engine.audience.claims("OPTIONS")
        name = engine.receive_call()
        assert (await stream.event()).call_received.call.name == name
        await stream.do(call_pb.AnswerRequest(name=name))
        assert (await stream.result()).call.state == call_pb.Call.STATE_CONFIRMED
        await stream.end()
    await until(lambda: not engine.audience.hears("calls/a", {}))
