"""Two real servers in one process, which talk SIP over loopback: the API from end to end."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from picosip.v1 import (
    admin_service_pb2 as admin_pb,
    call_service_pb2 as call_pb,
    error_details_pb2 as details_pb,
    event_service_pb2 as event_pb,
    registration_service_pb2 as registration_pb,
    request_service_pb2 as request_pb,
    sdp_pb2,
    sip_pb2 as pb,
)
from tests.service.serving import details, refusal
from tests.service.sides import ALICE, Side, audio, invite

Code = grpc.StatusCode


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_with_both_sides_driven_over_grpc(
    near: Side, far: Side, transport: str
) -> None:
    async with near.client.listening() as caller, far.client.listening() as callee:
        offer = audio(4000, rtpmap=["0 PCMU/8000"], sendrecv=[])
        request = invite(far.address("bob", transport), offer=offer, labels={"n": "1"})
        placed = (await near.client.calls.Invite(request)).call
        assert (await caller.next()).call_created.call.name == placed.name

        received = (await callee.next()).call_received
        assert received.call.from_address.display_name == "Alice"
        assert received.call.sip_call_id == placed.sip_call_id
        # What was a map comes as a list.
        assert list(received.offer.sdp.media[0].attributes) == [
            sdp_pb2.Attribute(name="rtpmap", value="0 PCMU/8000"),
            sdp_pb2.Attribute(name="sendrecv"),
        ]
        name = received.call.name
        await far.client.calls.Progress(call_pb.ProgressRequest(name=name))
        progressed = await caller.next()
        assert progressed.call_progressed.status.code == 180
        assert progressed.labels == {"n": "1"}

        answer = call_pb.AnswerRequest(name=name, description=audio(5000))
        answered = (await far.client.calls.Answer(answer)).call
        assert answered.state == call_pb.Call.STATE_CONFIRMED
        event = await caller.next()
        assert event.call_answered.description.sdp.media[0].port == 5000
        assert await caller.kinds(1) == ["call_confirmed"]
        assert await callee.kinds(2) == ["call_answered", "call_confirmed"]

        (listed,) = (await near.client.calls.ListCalls(call_pb.ListCallsRequest())).calls
        assert listed.state == call_pb.Call.STATE_CONFIRMED
        assert listed.offer_answer_state == call_pb.OFFER_ANSWER_STATE_STABLE
        ended = await far.client.calls.Hangup(call_pb.HangupRequest(name=name))
        assert ended.call.termination.cause == call_pb.Termination.CAUSE_LOCAL_HANGUP
        last = (await caller.next()).call_ended
        assert last.termination.cause == call_pb.Termination.CAUSE_REMOTE_HANGUP
        assert await callee.kinds(1) == ["call_ended"]
    for side in (near, far):
        assert not (await side.client.calls.ListCalls(call_pb.ListCallsRequest())).calls


async def test_a_refusal_reaches_the_caller_with_its_headers(near: Side, far: Side) -> None:
    async with far.client.listening() as callee:
        request = invite(
            far.address("bob"),
            offer=audio(4000),
            wait_for=call_pb.InviteRequest.WAIT_FOR_FINAL,
        )
        placing = asyncio.ensure_future(near.client.calls.Invite(request))
        name = (await callee.next()).resource
        await far.client.calls.Reject(
            call_pb.RejectRequest(
                name=name,
                status=pb.SipStatus(code=486),
                options=pb.MessageOptions(headers=[pb.Header(name="Retry-After", value="30")]),
            )
        )
        error = await refusal(placing)
    assert error.code() is Code.FAILED_PRECONDITION
    info, failure, retry = details(error)
    assert info.reason == "CALLEE_BUSY"
    assert failure.status == pb.SipStatus(code=486, reason="Busy Here")
    assert failure.source == details_pb.SipFailure.SOURCE_REMOTE
    assert pb.Header(name="Retry-After", value="30") in failure.headers
    assert retry.retry_delay.seconds == 30


async def test_an_application_can_be_the_registrar(near: Side, far: Side) -> None:
    claim = event_pb.EventFilter(handle_methods=["REGISTER"])
    async with far.client.listening(filter=claim) as registrar:
        request = registration_pb.RegisterRequest(
            registrar_uri=f"sip:{far.udp}",
            aor=pb.Address(uri="sip:alice@example.com"),
            contacts=[pb.Address(uri=f"sip:alice@{near.udp}")],
        )
        request.expires.FromSeconds(600)
        registering = asyncio.ensure_future(near.client.registrations.Register(request))
        registered = await answer_register(far, registrar)
        assert registered.contacts[0].uri == f"sip:alice@{near.udp}"
        registration = (await registering).registration
        assert registration.state == registration_pb.Registration.STATE_ACTIVE
        assert registration.expires.seconds == 600

        leaving = asyncio.ensure_future(
            near.client.registrations.Unregister(
                registration_pb.UnregisterRequest(name=registration.name)
            )
        )
        await answer_register(far, registrar)
        assert (await leaving).registration.state == (registration_pb.Registration.STATE_TERMINATED)


async def answer_register(far: Side, registrar: Any) -> event_pb.IncomingRequest:
    """Answers a REGISTER with the contacts that it has."""
    request: event_pb.IncomingRequest = (await registrar.next()).incoming_request
    assert request.method == "REGISTER"
    (contact,) = request.contacts
    expires = {one.name: one.value for one in contact.parameters}.get("expires", "600")
    header = pb.Header(name="Contact", value=f"<{contact.uri}>;expires={expires}")
    await far.client.requests.Respond(
        request_pb.RespondRequest(
            name=request.name,
            status=pb.SipStatus(code=200),
            options=pb.MessageOptions(headers=[header] if expires != "0" else []),
        )
    )
    return request


async def test_nobody_answers_for_what_nobody_claimed(near: Side, far: Side) -> None:
    answer = await near.client.requests.Ping(request_pb.PingRequest(uri=f"sip:{far.udp}"))
    assert answer.response.status.code == 200
    request = registration_pb.RegisterRequest(registrar_uri=f"sip:{far.udp}", aor=ALICE)
    error = await refusal(near.client.registrations.Register(request))
    assert error.code() is Code.INVALID_ARGUMENT
    assert details(error)[0].reason == "METHOD_NOT_ALLOWED"


async def test_an_application_that_went_away_finds_its_calls_again(near: Side, far: Side) -> None:
    async with near.client.listening() as caller, far.client.listening() as callee:
        await near.client.calls.Invite(invite(far.address("bob"), offer=audio(4000)))
        created = await caller.next()
        cursor = event_pb.Cursor(incarnation=caller.cursor.incarnation, revision=created.revision)
        name = (await callee.next()).resource
    # Both streams are gone; the caller's application answers nothing and misses nothing.
    await far.client.calls.Answer(call_pb.AnswerRequest(name=name, description=audio(5000)))
    async with near.client.listening(after=cursor, include_snapshot=True) as caller:
        snapshot = (await caller.next()).snapshot.call
        assert (snapshot.name, snapshot.state) == (
            created.resource,
            call_pb.Call.STATE_CONFIRMED,
        )
        kinds = await caller.kinds(2)
        assert kinds == ["call_answered", "call_confirmed"]
        await near.client.calls.Hangup(call_pb.HangupRequest(name=snapshot.name))
        assert await caller.kinds(1) == ["call_ended"]


async def test_a_call_waits_for_an_application(near: Side, far: Side) -> None:
    async with near.client.listening() as caller:
        await near.client.calls.Invite(invite(far.address("bob"), offer=audio(4000)))
        await caller.next()
        # Nobody listened when it came in.
        async with far.client.listening(include_snapshot=True) as callee:
            event = await callee.next()
            name = event.resource
            assert name.startswith("calls/")
            await far.client.calls.Reject(call_pb.RejectRequest(name=name))
        ended = (await caller.next()).call_ended
        assert ended.termination.status.code == 603


async def test_a_trace_shows_the_messages_of_a_call(near: Side, far: Side) -> None:
    trace: Any = near.client.admin.Trace(admin_pb.TraceRequest(include_raw=True))
    await trace.read()
    async with far.client.listening() as callee:
        request = invite(
            far.address("bob"),
            offer=audio(4000),
            options=pb.MessageOptions(
                headers=[pb.Header(name="Authorization", value="Digest response=5ec2e7")]
            ),
        )
        placed = (await near.client.calls.Invite(request)).call
        name = (await callee.next()).resource
        await far.client.calls.Reject(call_pb.RejectRequest(name=name))
    seen: list[tuple[bool, str]] = []
    raw = b""
    while len(seen) < 4:
        response = await asyncio.wait_for(trace.read(), 20)
        for record in response.records:
            message = record.message
            raw += message.raw
            seen.append(
                (
                    record.direction == admin_pb.TraceRecord.DIRECTION_SENT,
                    message.request.method or str(message.status.code),
                )
            )
            assert record.resource in ("", placed.name)
            assert f"{message.remote.host}:{message.remote.port}" == far.udp
    assert seen == [(True, "INVITE"), (False, "100"), (False, "603"), (True, "ACK")]
    assert b"5ec2e7" not in raw
    assert b"Authorization: Digest ***\r\n" in raw
    trace.cancel()


async def test_draining_ends_calls_with_bye(near: Side, far: Side) -> None:
    async with near.client.listening() as caller, far.client.listening() as callee:
        await near.client.calls.Invite(invite(far.address("bob"), offer=audio(4000)))
        name = (await callee.next()).resource
        await far.client.calls.Answer(call_pb.AnswerRequest(name=name, description=audio(5000)))
        await far.server.drain(0)
        assert await caller.kinds(4) == [
            *("call_created", "call_answered", "call_confirmed", "call_ended"),
        ]
        assert await callee.kinds(4) == [
            *("call_answered", "call_confirmed", "server_draining", "call_ended"),
        ]
        assert (await refusal(callee.stream.read())).code() is Code.UNAVAILABLE
        # The drained server refuses the next one with 503.
        request = invite(
            far.address("bob"),
            offer=audio(4000),
            wait_for=call_pb.InviteRequest.WAIT_FOR_FINAL,
        )
        error = await refusal(near.client.calls.Invite(request))
        assert error.code() is Code.FAILED_PRECONDITION
        assert details(error)[0].reason == "SIP_503"
