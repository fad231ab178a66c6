"""The RPCs of calls, registrations and requests, over gRPC."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from structlog.testing import capture_logs

from picosip.v1 import (
    call_service_pb2 as call_pb,
    error_details_pb2 as details_pb,
    registration_service_pb2 as registration_pb,
    request_service_pb2 as request_pb,
    sdp_pb2,
    sip_pb2 as pb,
)
from picosip_server.sip.ua import commands
from tests.service.scripted_engine import ScriptedEngine
from tests.service.serving import Client, details, refusal, until

Code = grpc.StatusCode
AUDIO = sdp_pb2.Media(type="audio", port=4000, protocol="RTP/AVP", formats=["0"])
OFFER = sdp_pb2.SessionDescription(sdp=sdp_pb2.Sdp(media=[AUDIO]))


def invite(user: str, **fields: Any) -> call_pb.InviteRequest:
    return call_pb.InviteRequest(
        from_address=pb.Address(uri="sip:alice@example.com"),
        to_address=pb.Address(uri=f"sip:{user}@example.com"),
        **fields,
    )


async def test_a_call_from_invite_to_hangup(client: Client) -> None:
    placed = (await client.calls.Invite(invite("rings", offer=OFFER, labels={"a": "b"}))).call
    assert placed.state == call_pb.Call.STATE_EARLY
    assert placed.labels == {"a": "b"}
    # A structured offer names this server's address, as the application named none.
    assert placed.local_description.sdp.origin.address == "127.0.0.1"
    found = (await client.calls.GetCall(call_pb.GetCallRequest(name=placed.name))).call
    assert found == placed
    ended = (await client.calls.Hangup(call_pb.HangupRequest(name=placed.name))).call
    assert ended.state == call_pb.Call.STATE_TERMINATED
    assert ended.termination.cause == call_pb.Termination.CAUSE_LOCAL_HANGUP
    error = await refusal(client.calls.GetCall(call_pb.GetCallRequest(name=placed.name)))
    assert error.code() is Code.NOT_FOUND


async def test_an_invite_that_waits_for_the_answer(client: Client) -> None:
    request = invite("answers", wait_for=call_pb.InviteRequest.WAIT_FOR_FINAL)
    assert (await client.calls.Invite(request)).call.state == call_pb.Call.STATE_CONFIRMED


async def test_a_busy_callee_is_an_error_that_says_all(client: Client) -> None:
    request = invite("busy", wait_for=call_pb.InviteRequest.WAIT_FOR_FINAL)
    error = await refusal(client.calls.Invite(request))
    assert error.code() is Code.FAILED_PRECONDITION
    assert details(error) == [
        error_details_pb2.ErrorInfo(
            reason="CALLEE_BUSY", domain="picosip.v1", metadata={"sip_status": "486"}
        ),
        details_pb.SipFailure(
            status=pb.SipStatus(code=486, reason="Busy Here"),
            headers=[
                pb.Header(name="Retry-After", value="30"),
                pb.Header(name="X-Why", value="lunch"),
            ],
            source=details_pb.SipFailure.SOURCE_REMOTE,
        ),
        error_details_pb2.RetryInfo(retry_delay={"seconds": 30}),
    ]


async def test_a_bad_request_never_reaches_the_engine(
    client: Client, engine: ScriptedEngine
) -> None:
    error = await refusal(client.calls.Invite(call_pb.InviteRequest()))
    assert error.code() is Code.INVALID_ARGUMENT
    info, bad = details(error)
    assert info.reason == "INVALID_FIELD"
    assert [one.field for one in bad.field_violations] == ["from_address.uri", "to_address.uri"]
    assert engine.commands == []


async def test_an_incoming_call_is_answered_once(client: Client, engine: ScriptedEngine) -> None:
    name = engine.receive_call()
    progress = call_pb.ProgressRequest(
        name=name, status=pb.SipStatus(code=183), description=OFFER, reliable=True
    )
    assert (await client.calls.Progress(progress)).call.state == call_pb.Call.STATE_EARLY
    answer = call_pb.AnswerRequest(name=name, description=OFFER, no_wait=True)
    assert (await client.calls.Answer(answer)).call.state == call_pb.Call.STATE_CONFIRMED
    error = await refusal(client.calls.Answer(answer))
    assert error.code() is Code.FAILED_PRECONDITION
    assert details(error)[0] == error_details_pb2.ErrorInfo(
        reason="WRONG_STATE", domain="picosip.v1", metadata={"state": "CONFIRMED"}
    )
    sent = engine.commands
    assert isinstance(sent[0], commands.Progress)
    assert (sent[0].status, sent[0].reliable) == (183, True)
    assert isinstance(sent[1], commands.Answer)
    assert sent[1].no_wait


async def test_an_incoming_call_is_refused(client: Client, engine: ScriptedEngine) -> None:
    rejected = await client.calls.Reject(call_pb.RejectRequest(name=engine.receive_call()))
    assert rejected.call.termination.status.code == 603
    redirected = await client.calls.Redirect(
        call_pb.RedirectRequest(
            name=engine.receive_call(), contacts=[pb.Address(uri="sip:else@example.com")]
        )
    )
    assert redirected.call.termination.cause == call_pb.Termination.CAUSE_REDIRECTED


async def test_calls_are_listed_by_name_and_label(client: Client) -> None:
    names = []
    for label in ("x", "y", "x", "x"):
        made = await client.calls.Invite(invite("rings", labels={"tenant": label, "n": "1"}))
        names.append(made.call.name)
    listed = await client.calls.ListCalls(
        call_pb.ListCallsRequest(page_size=2, labels={"tenant": "x"})
    )
    assert [call.name for call in listed.calls] == [names[0], names[2]]
    rest = await client.calls.ListCalls(
        call_pb.ListCallsRequest(
            page_size=2, labels={"tenant": "x"}, page_token=listed.next_page_token
        )
    )
    assert [call.name for call in rest.calls] == [names[3]]
    assert rest.next_page_token == ""
    error = await refusal(client.calls.ListCalls(call_pb.ListCallsRequest(page_size=-1)))
    assert error.code() is Code.INVALID_ARGUMENT


async def test_a_request_id_makes_a_retry_safe(client: Client, engine: ScriptedEngine) -> None:
    request = invite("rings", request_id="one")
    first, second = await asyncio.gather(client.calls.Invite(request), client.calls.Invite(request))
    assert first == second
    assert len(engine.commands) == 1
    error = await refusal(client.calls.Invite(invite("answers", request_id="one")))
    assert error.code() is Code.INVALID_ARGUMENT
    assert details(error)[0].reason == "REQUEST_ID_REUSED"
    # An ended call's Hangup still has its first outcome.
    hangup = call_pb.HangupRequest(request_id="two", name=first.call.name)
    ended = await client.calls.Hangup(hangup)
    assert await client.calls.Hangup(hangup) == ended


async def test_a_deadline_undoes_nothing(client: Client, engine: ScriptedEngine) -> None:
    request = invite("rings", request_id="one", wait_for=call_pb.InviteRequest.WAIT_FOR_FINAL)
    error = await refusal(client.calls.Invite(request, timeout=0.1))
    assert error.code() is Code.DEADLINE_EXCEEDED
    (call,) = (await client.calls.ListCalls(call_pb.ListCallsRequest())).calls
    retry = asyncio.ensure_future(client.calls.Invite(request))
    await asyncio.wait([retry], timeout=0.1)
    assert not retry.done()
    engine.far_end_hangs_up(call.name)
    assert (await refusal(retry)).code() is Code.ABORTED
    assert sum(isinstance(one, commands.Invite) for one in engine.commands) == 1


@pytest.mark.parametrize("user", ["rings", "later"])
@pytest.mark.parametrize("request_id", ["", "one"])
async def test_hangup_on_disconnect(
    client: Client, engine: ScriptedEngine, user: str, request_id: str
) -> None:
    """Whether the call existed when its client left, or came into being afterwards."""
    request = invite(
        user,
        request_id=request_id,
        wait_for=call_pb.InviteRequest.WAIT_FOR_FINAL,
        policy=call_pb.CallPolicy(hangup_on_disconnect=True),
    )
    placing = client.calls.Invite(request)
    await until(lambda: len(engine.commands) == 1)
    placing.cancel()
    if user == "later":
        # Something that comes behind the cancellation on the same connection.
        await client.calls.ListCalls(call_pb.ListCallsRequest())
        engine.release()
    await until(lambda: any(isinstance(one, commands.Hangup) for one in engine.commands))
    assert engine.stats().active_calls == 0


async def test_a_call_whose_invite_has_returned_stays(
    client: Client, engine: ScriptedEngine
) -> None:
    policy = call_pb.CallPolicy(hangup_on_disconnect=True)
    await client.calls.Invite(invite("rings", policy=policy))
    await client.calls.ListCalls(call_pb.ListCallsRequest())
    assert engine.stats().active_calls == 1


async def test_registrations(client: Client) -> None:
    request = registration_pb.RegisterRequest(
        registrar_uri="sip:example.com", aor=pb.Address(uri="sip:alice@example.com")
    )
    registered = (await client.registrations.Register(request)).registration
    assert registered.state == registration_pb.Registration.STATE_ACTIVE
    by_name = registration_pb.GetRegistrationRequest(name=registered.name)
    found = (await client.registrations.GetRegistration(by_name)).registration
    assert found == registered
    everything = registration_pb.ListRegistrationsRequest()
    listed = await client.registrations.ListRegistrations(everything)
    assert list(listed.registrations) == [registered]
    gone = await client.registrations.Unregister(
        registration_pb.UnregisterRequest(name=registered.name)
    )
    assert gone.registration.state == registration_pb.Registration.STATE_TERMINATED
    assert (await refusal(client.registrations.GetRegistration(by_name))).code() is Code.NOT_FOUND
    assert not (await client.registrations.ListRegistrations(everything)).registrations


async def test_a_ping_gives_the_answer_whatever_it_is(client: Client) -> None:
    answer = await client.requests.Ping(request_pb.PingRequest(uri="sip:bob@example.com"))
    assert answer.response.status == pb.SipStatus(code=486, reason="Busy Here")


async def test_an_incoming_request_is_answered(client: Client, engine: ScriptedEngine) -> None:
    async with client.listening(filter={"handle_methods": ["REGISTER"]}) as ear:
        name = engine.receive_request()
        event = await ear.next()
        assert event.incoming_request.name == name
        response = request_pb.RespondRequest(
            name=name,
            status=pb.SipStatus(code=200),
            options=pb.MessageOptions(headers=[pb.Header(name="Contact", value="<sip:a@b>")]),
        )
        await client.requests.Respond(response)
        assert engine.responses[0].options.headers == (("Contact", "<sip:a@b>"),)
        assert (await refusal(client.requests.Respond(response))).code() is Code.NOT_FOUND


async def test_a_fault_of_the_server_is_told_by_an_id_that_the_log_has(client: Client) -> None:
    with capture_logs() as lines:
        error = await refusal(client.calls.Invite(invite("breaks")))
    assert error.code() is Code.INTERNAL
    error_id = details(error)[0].metadata["error_id"]
    assert error.details() == f"internal error {error_id}: the server's log has the details"
    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert line["error_id"] == error_id
    assert line["method"] == "/picosip.v1.CallService/Invite"
    assert line["exc_info"]


async def test_each_rpc_leaves_a_line_without_its_contents(client: Client) -> None:
    secret = pb.Credentials(username="alice", password="pa55w0rd")
    with capture_logs() as lines:
        await client.calls.Invite(invite("rings", credentials=[secret]))
    (line,) = [line for line in lines if line["event"] == "rpc"]
    assert line["log_level"] == "debug"
    assert line["method"] == "/picosip.v1.CallService/Invite"
    assert line["code"] == "OK"
    assert line["peer"].startswith("ipv4:127.0.0.1:")
    assert line["seconds"] >= 0
    assert "pa55w0rd" not in str(lines)


async def test_the_line_of_an_rpc_that_failed_has_its_code(client: Client) -> None:
    with capture_logs() as lines:
        await refusal(client.calls.GetCall(call_pb.GetCallRequest(name="calls/none")))
        await refusal(client.calls.Invite(invite("breaks")))
        await refusal(
            client.calls.Invite(
                invite("rings", wait_for=call_pb.InviteRequest.WAIT_FOR_FINAL), timeout=0.1
            )
        )
        await until(lambda: sum(line["event"] == "rpc" for line in lines) == 3)
    assert [line["code"] for line in lines if line["event"] == "rpc"] == [
        *("NOT_FOUND", "INTERNAL", "CANCELLED"),
    ]
