"""Sessions that change between two real servers, both sides driven over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from picosip.v1 import (
    admin_service_pb2 as admin_pb,
    call_service_pb2 as call_pb,
    event_service_pb2 as event_pb,
    request_service_pb2 as request_pb,
    sip_pb2 as pb,
)
from tests.service.serving import Ear, refusal
from tests.service.sides import Side, audio, invite, start

Call = call_pb.Call


async def connected(
    near: Side, far: Side, caller: Ear, callee: Ear, **fields: Any
) -> tuple[str, str]:
    """A call that is up; its name at both ends."""
    policy = fields.pop("answer_policy", None)
    request = invite(far.address("bob"), offer=audio(4000), **fields)
    placed = (await near.client.calls.Invite(request)).call
    name = (await callee.next()).resource
    await far.client.calls.Answer(
        call_pb.AnswerRequest(name=name, description=audio(5000), policy=policy)
    )
    assert await caller.kinds(3) == ["call_created", "call_answered", "call_confirmed"]
    assert await callee.kinds(2) == ["call_answered", "call_confirmed"]
    return placed.name, name


Ears = tuple[Ear, Ear]


@pytest.fixture
async def ears(near: Side, far: Side) -> AsyncIterator[Ears]:
    """What the caller's and the callee's applications hear."""
    async with near.client.listening() as caller, far.client.listening() as callee:
        yield caller, callee


def port(description: Any) -> int:
    return int(description.sdp.media[0].port)


def version(description: Any) -> int:
    return int(description.sdp.origin.session_version)


@pytest.mark.parametrize("method", ["METHOD_INVITE", "METHOD_UPDATE"])
async def test_an_offer_that_the_application_answers(
    near: Side, far: Side, ears: Ears, method: str
) -> None:
    """The structured offer goes on from the one before it: RFC 3264 section 8."""
    caller, callee = ears
    ours, theirs = await connected(near, far, caller, callee)
    before = (await near.client.calls.GetCall(call_pb.GetCallRequest(name=ours))).call
    change = near.client.calls.Modify(
        call_pb.ModifyRequest(
            name=ours,
            offer=audio(4100),
            method=call_pb.ModifyRequest.Method.Value(method),
        )
    )
    asked = (await callee.next()).incoming_request
    assert (asked.call, asked.method) == (theirs, method.removeprefix("METHOD_"))
    assert port(asked.offer) == 4100
    await far.client.requests.Respond(
        request_pb.RespondRequest(
            name=asked.name, status=pb.SipStatus(code=200), description=audio(5100)
        )
    )
    call = (await change).call
    assert (port(call.local_description), port(call.remote_description)) == (4100, 5100)
    old, new = before.local_description.sdp.origin, call.local_description.sdp.origin
    assert new.session_id == old.session_id
    assert version(call.local_description) == version(before.local_description) + 1
    assert port((await caller.next()).call_modified.remote_description) == 5100
    assert port((await callee.next()).call_modified.remote_description) == 4100
    await near.client.calls.Hangup(call_pb.HangupRequest(name=ours))


async def test_hold_and_resume(near: Side, far: Side, ears: Ears) -> None:
    """Policy OFFERS_ACCEPT: the far end's stack answers; both sides hear who holds."""
    policy = call_pb.CallPolicy(offers=call_pb.CallPolicy.OFFERS_ACCEPT)
    caller, callee = ears
    ours, theirs = await connected(near, far, caller, callee, answer_policy=policy)
    held = (await near.client.calls.Hold(call_pb.HoldRequest(name=ours))).call
    assert held.local_hold and not held.remote_hold
    assert await callee.kinds(2) == ["call_modified", "call_held"]
    far_call = (await far.client.calls.GetCall(call_pb.GetCallRequest(name=theirs))).call
    assert far_call.remote_hold and not far_call.local_hold
    resumed = (await near.client.calls.Resume(call_pb.ResumeRequest(name=ours))).call
    assert not resumed.local_hold
    assert await caller.kinds(4) == [
        "call_modified",
        "call_held",
        "call_modified",
        "call_held",
    ]
    await near.client.calls.Hangup(call_pb.HangupRequest(name=ours))


async def test_a_refused_offer(near: Side, far: Side, ears: Ears) -> None:
    policy = call_pb.CallPolicy(offers=call_pb.CallPolicy.OFFERS_REFUSE)
    caller, callee = ears
    ours, _ = await connected(near, far, caller, callee, answer_policy=policy)
    error = await refusal(
        near.client.calls.Modify(call_pb.ModifyRequest(name=ours, offer=audio(4100)))
    )
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    call = (await near.client.calls.GetCall(call_pb.GetCallRequest(name=ours))).call
    assert (call.state, port(call.local_description)) == (Call.STATE_CONFIRMED, 4000)
    await near.client.calls.Hangup(call_pb.HangupRequest(name=ours))


async def test_a_session_timer_is_agreed_and_refreshed() -> None:
    """RFC 4028: seconds, which servers for tests allow; the refresh is an UPDATE that nobody
    needs to answer."""
    near, far = await start(min_se=1), await start(min_se=1)
    try:
        timer = call_pb.SessionTimer(
            interval=Duration(seconds=2), refresher=call_pb.SessionTimer.REFRESHER_LOCAL
        )
        policy = call_pb.CallPolicy(session_timer=timer)
        async with near.client.listening() as caller, far.client.listening() as callee:
            ours, theirs = await connected(near, far, caller, callee, policy=policy)
            call = (await near.client.calls.GetCall(call_pb.GetCallRequest(name=ours))).call
            assert call.session_timer.interval.seconds == 2
            assert call.session_timer.refresher == call_pb.SessionTimer.REFRESHER_LOCAL
            far_call = (await far.client.calls.GetCall(call_pb.GetCallRequest(name=theirs))).call
            assert far_call.session_timer.refresher == call_pb.SessionTimer.REFRESHER_REMOTE
            trace = far.client.admin.Trace(admin_pb.TraceRequest(methods=["UPDATE"]))
            records: list[admin_pb.TraceRecord] = []
            while not records:
                records += (await asyncio.wait_for(trace.read(), 20)).records
            assert records[0].message.request.method == "UPDATE"
            assert not records[0].message.body.data
            trace.cancel()
            await near.client.calls.Hangup(call_pb.HangupRequest(name=ours))
    finally:
        for side in (near, far):
            await side.client.channel.close()
            await side.server.stop()


async def test_a_blind_transfer(near: Side, far: Side, ears: Ears) -> None:
    """The far end's application agrees, calls, and tells how it goes."""
    caller, callee = ears
    ours, theirs = await connected(near, far, caller, callee)
    transfer = near.client.calls.Transfer(
        call_pb.TransferRequest(
            name=ours,
            uri="sip:carol@example.com?Subject=hello",
            referred_by=pb.Address(uri="sip:alice@example.com"),
        )
    )
    asked = (await callee.next()).incoming_request
    assert (asked.method, asked.call) == ("REFER", theirs)
    assert asked.refer_to.uri == "sip:carol@example.com?Subject=hello"
    assert asked.referred_by.uri == "sip:alice@example.com"
    await far.client.requests.Respond(
        request_pb.RespondRequest(name=asked.name, status=pb.SipStatus(code=603))
    )
    error = await refusal(transfer)
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    await near.client.calls.Hangup(call_pb.HangupRequest(name=ours))


async def test_an_invite_takes_a_uri_with_headers(near: Side, far: Side) -> None:
    """RFC 3261 section 19.1.5: they become headers; what is the stack's own does not."""
    whole = event_pb.EventFilter(include_messages=True)
    async with far.client.listening(filter=whole) as callee:
        to = far.address("bob")
        to.uri += "?Subject=hello%20there&Via=x&X-Own=1"
        await near.client.calls.Invite(invite(to, offer=audio(4000)))
        event = await callee.next()
        found = [(each.name, each.value) for each in event.message.headers]
        assert ("Subject", "hello there") in found and ("X-Own", "1") in found
        assert sum(name == "Via" for name, _ in found) == 1
        assert event.message.request.uri == f"sip:bob@{far.udp}"
        await far.client.calls.Reject(call_pb.RejectRequest(name=event.resource))
