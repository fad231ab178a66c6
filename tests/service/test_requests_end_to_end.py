"""Single requests between two real servers, both sides driven over gRPC."""

from __future__ import annotations

import asyncio
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
from tests.service.serving import Ear, details, refusal
from tests.service.sides import ALICE, Side, audio, invite, start

Code = grpc.StatusCode
TEXT = pb.Body(content_type="text/plain;charset=UTF-8", data="grüezi".encode())
IDENTITY = [
    ("P-Asserted-Identity", '"Alice" <sip:alice@example.com>, <tel:+41445556677>'),
    ("P-Preferred-Identity", "<sip:alice@example.com>"),
    ("Privacy", "id;critical"),
    ("Diversion", "<sip:carol@example.com>;reason=user-busy;counter=1"),
    ("Diversion", "<sip:dave@example.com>;reason=no-answer"),
    ("History-Info", "<sip:carol@example.com>;index=1"),
    ("History-Info", "<sip:bob@example.com?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1"),
    ("Target-Dialog", "abc@example.com;remote-tag=x;local-tag=y"),
    ("Referred-By", "<sip:erin@example.com>"),
    ("Accept-Contact", '*;audio;methods="INVITE,BYE";require;explicit'),
    ("Accept-Contact", "*;mobility=fixed"),
    ("Reject-Contact", "*;actor=msg-taker"),
    ("Request-Disposition", "no-fork, parallel"),
]
"""RFC 3325, 3323, 5806, 7044, 4538, 3892, 3841."""


def header_list(pairs: list[tuple[str, str]]) -> list[pb.Header]:
    return [pb.Header(name=name, value=value) for name, value in pairs]


def these(headers: Any, names: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Of the headers, those with one of these names."""
    wanted = {name for name, _ in names}
    return [(one.name, one.value) for one in headers if one.name in wanted]


async def connected(near: Side, far: Side, caller: Ear, callee: Ear) -> tuple[str, str]:
    """A call that is up; its name at both ends."""
    placed = (await near.client.calls.Invite(invite(far.address("bob"), offer=audio(4000)))).call
    name = (await callee.next()).resource
    await far.client.calls.Answer(call_pb.AnswerRequest(name=name, description=audio(5000)))
    assert await caller.kinds(3) == ["call_created", "call_answered", "call_confirmed"]
    assert await callee.kinds(2) == ["call_answered", "call_confirmed"]
    return placed.name, name


async def respond(side: Side, request: event_pb.IncomingRequest, code: int, **more: Any) -> None:
    answer = request_pb.RespondRequest(name=request.name, status=pb.SipStatus(code=code), **more)
    await side.client.requests.Respond(answer)


async def test_a_message_between_two_servers(near: Side, far: Side) -> None:
    claim = event_pb.EventFilter(handle_methods=["MESSAGE"])
    async with far.client.listening(filter=claim) as reader:
        for code in (200, 202, 403):
            message = request_pb.SendMessageRequest(
                from_address=ALICE, to_address=far.address("bob"), body=TEXT
            )
            message.options.headers.extend(header_list(IDENTITY))
            sending = asyncio.ensure_future(near.client.requests.SendMessage(message))
            came = (await reader.next()).incoming_request
            assert (came.method, came.call, came.body) == ("MESSAGE", "", TEXT)
            assert came.from_address.uri == ALICE.uri
            assert these(came.headers, IDENTITY) == IDENTITY
            await respond(far, came, code)
            if code < 300:
                assert (await sending).status.code == code
            else:
                error = await refusal(sending)
                assert error.code() is Code.PERMISSION_DENIED
                assert details(error)[0].reason == "FORBIDDEN"


@pytest.mark.parametrize(("method", "unclaimed"), [("FROBNICATE", 501), ("INFO", 481)])
async def test_transact_brings_what_the_far_end_says(
    near: Side, far: Side, method: str, unclaimed: int
) -> None:
    """Of nobody's, what the stack says itself."""
    request = request_pb.TransactRequest(
        method=method, uri=far.address("bob").uri, from_address=ALICE
    )
    response = (await near.client.requests.Transact(request)).response
    assert response.status.code == unclaimed
    claim = event_pb.EventFilter(handle_methods=["*"])
    async with far.client.listening(filter=claim) as reader:
        sending = asyncio.ensure_future(near.client.requests.Transact(request))
        came = (await reader.next()).incoming_request
        assert came.method == method
        await respond(far, came, 488, body=TEXT)
        response = (await sending).response
        assert (response.status.code, response.body) == (488, TEXT)


async def test_requests_inside_a_call_in_both_directions(near: Side, far: Side) -> None:
    async with near.client.listening() as caller, far.client.listening() as callee:
        ours, theirs = await connected(near, far, caller, callee)
        for side, name, ear, other, its in (
            (near, ours, callee, far, theirs),
            (far, theirs, caller, near, ours),
        ):
            for method, code in (("INFO", 200), ("MESSAGE", 202), ("FROBNICATE", 400)):
                request = request_pb.TransactRequest(call=name, method=method, body=TEXT)
                request.options.headers.extend(header_list(IDENTITY))
                sending = asyncio.ensure_future(side.client.requests.Transact(request))
                event = await ear.next()
                came = event.incoming_request
                assert (event.resource, came.call, came.method) == (its, its, method)
                assert came.body == TEXT
                assert these(came.headers, IDENTITY) == IDENTITY
                await respond(other, came, code)
                assert (await sending).response.status.code == code
        await near.client.calls.Hangup(call_pb.HangupRequest(name=ours))


async def test_digits(near: Side, far: Side) -> None:
    async with near.client.listening() as caller, far.client.listening() as callee:
        ours, theirs = await connected(near, far, caller, callee)
        for kind, length in (("", Duration(nanos=50_000_000)), ("application/dtmf", Duration())):
            request = call_pb.SendDtmfRequest(
                name=ours,
                digits="4#",
                duration=Duration(nanos=50_000_000),
                gap=Duration(),
                content_type=kind,
            )
            await near.client.calls.SendDtmf(request)
            for digit in "4#":
                event = await callee.next()
                assert event.resource == theirs
                assert event.dtmf_received == event_pb.DtmfReceived(
                    digit=digit, duration=None if kind else length
                )
        await far.client.calls.Hangup(call_pb.HangupRequest(name=theirs))
        error = await refusal(
            near.client.calls.SendDtmf(call_pb.SendDtmfRequest(name=ours, digits="1"))
        )
        assert error.code() is Code.NOT_FOUND


async def test_trunks_are_pinged(far: Side) -> None:
    """By OPTIONS, as the trace at the far end shows."""
    uri, nobody = f"sip:{far.udp}", "sip:127.0.0.1:9;transport=tcp"
    trace: Any = far.client.admin.Trace(admin_pb.TraceRequest(methods=["OPTIONS"]))
    await trace.read()
    near = await start(trunk=(uri, nobody), trunk_interval="0.2", workers="2")
    try:
        seen = (await asyncio.wait_for(trace.read(), 20)).records[0]
        assert seen.message.request == pb.RequestLine(method="OPTIONS", uri=uri)
        async with asyncio.timeout(20):
            while True:
                stats = await near.client.admin.GetStats(admin_pb.GetStatsRequest())
                if len(stats.trunks) == 2:
                    break
        assert dict(stats.trunks) == {uri: True, nobody: False}
        assert stats.counters["trunk_changes"] == 2
    finally:
        trace.cancel()
        await near.client.channel.close()
        await near.server.stop()


async def test_identity_headers_and_reasons_pass_whole(near: Side, far: Side) -> None:
    """RFC 3326: the Reason of a BYE and of a CANCEL is told at the far end."""
    shown = event_pb.EventFilter(include_messages=True)
    reasons = [
        ("Reason", 'SIP;cause=200;text="Call completed elsewhere"'),
        ("Reason", "Q.850;cause=16"),
    ]
    options = pb.MessageOptions(headers=header_list(reasons))
    async with (
        near.client.listening(filter=shown) as caller,
        far.client.listening(filter=shown) as callee,
    ):
        for answered in (False, True):
            request = invite(far.address("bob"), offer=audio(4000))
            request.options.headers.extend(header_list(IDENTITY))
            placed = (await near.client.calls.Invite(request)).call
            received = await callee.next()
            assert these(received.message.headers, IDENTITY) == IDENTITY
            if answered:
                answer = call_pb.AnswerRequest(name=received.resource, description=audio(5000))
                answer.options.headers.extend(header_list(IDENTITY))
                await far.client.calls.Answer(answer)
                assert await callee.kinds(2) == ["call_answered", "call_confirmed"]
            await near.client.calls.Hangup(call_pb.HangupRequest(name=placed.name, options=options))
            ended = (await callee.next()).call_ended
            assert list(ended.termination.reasons) == [value for _, value in reasons]
        assert await caller.kinds(3) == ["call_created", "call_ended", "call_created"]
        # In the answer they pass too.
        assert these((await caller.next()).message.headers, IDENTITY) == IDENTITY
