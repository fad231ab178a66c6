"""SendMessage, Transact and SendDtmf, over gRPC."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from picosip.v1 import (
    call_service_pb2 as call_pb,
    request_service_pb2 as request_pb,
    sip_pb2 as pb,
)
from picosip_server.service.convert import requests
from picosip_server.service.errors import ApiError
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Body, Credentials
from tests.service.scripted_engine import ScriptedEngine
from tests.service.serving import Client, details, refusal

Code = grpc.StatusCode
ALICE = pb.Address(uri="sip:alice@example.com")
BOB = pb.Address(uri="sip:bob@example.com", display_name="Bob")
BUSY = pb.Address(uri="sip:busy@example.com")
TEXT = pb.Body(content_type="text/plain", data=b"hi")


def fields_at_fault(make: Any, request: Any) -> dict[str, str]:
    """The fields that the error names, with their descriptions."""
    with pytest.raises(ApiError) as caught:
        make(request)
    assert caught.value.code is Code.INVALID_ARGUMENT
    (bad,) = caught.value.details
    return {one.field: one.description for one in bad.field_violations}  # type: ignore[attr-defined]


async def test_a_message_that_is_taken(client: Client, engine: ScriptedEngine) -> None:
    request = request_pb.SendMessageRequest(
        from_address=ALICE,
        to_address=BOB,
        body=TEXT,
        credentials=[pb.Credentials(username="a", password="b")],
        options=pb.MessageOptions(headers=[pb.Header(name="Subject", value="s")]),
        request_id="once",
    )
    for _ in range(2):
        answer = await client.requests.SendMessage(request)
        assert answer.status == pb.SipStatus(code=202, reason="Accepted")
    (sent,) = engine.commands
    assert isinstance(sent, commands.Transact)
    assert (sent.method, str(sent.uri)) == ("MESSAGE", "sip:bob@example.com")
    assert str(sent.to_address) == '"Bob" <sip:bob@example.com>'
    assert sent.body == Body(content_type="text/plain", data=b"hi")
    assert sent.credentials == (Credentials(username="a", password="b"),)
    assert sent.options.headers == (("Subject", "s"),)


async def test_a_message_that_is_refused_is_an_error(client: Client) -> None:
    request = request_pb.SendMessageRequest(from_address=ALICE, to_address=BUSY, body=TEXT)
    error = await refusal(client.requests.SendMessage(request))
    assert error.code() is Code.FAILED_PRECONDITION
    assert error.details() == "MESSAGE was answered with 486 Busy Here"
    info, failure = details(error)
    assert (info.reason, failure.status.code) == ("CALLEE_BUSY", 486)


async def test_transact_gives_whatever_the_answer_is(
    client: Client, engine: ScriptedEngine
) -> None:
    for to, code in ((BOB, 202), (BUSY, 486)):
        request = request_pb.TransactRequest(
            method="FROB", uri="sip:here@example.com", from_address=ALICE, to_address=to
        )
        answer = await client.requests.Transact(request)
        assert answer.response.status.code == code
    sent = engine.commands[0]
    assert isinstance(sent, commands.Transact)
    assert (sent.method, str(sent.uri)) == ("FROB", "sip:here@example.com")
    # The one stands in for the other.
    alone = request_pb.TransactRequest(method="FROB", uri="sip:x@y", from_address=ALICE)
    await client.requests.Transact(alone)
    sent = engine.commands[-1]
    assert isinstance(sent, commands.Transact)
    assert str(sent.to_address) == "<sip:x@y>"


async def test_inside_a_call(client: Client, engine: ScriptedEngine) -> None:
    placed = await client.calls.Invite(
        call_pb.InviteRequest(
            from_address=ALICE, to_address=pb.Address(uri="sip:answers@example.com")
        )
    )
    name = placed.call.name
    message = request_pb.SendMessageRequest(call=name, body=TEXT)
    assert (await client.requests.SendMessage(message)).status.code == 202
    info = request_pb.TransactRequest(call=name, method="INFO", body=TEXT)
    assert (await client.requests.Transact(info)).response.status.code == 202
    digits = call_pb.SendDtmfRequest(name=name, digits="12#d,")
    assert await client.calls.SendDtmf(digits) == call_pb.SendDtmfResponse()
    assert [type(each) for each in engine.commands[1:]] == [
        commands.TransactInside,
        commands.TransactInside,
        commands.SendDtmf,
    ]
    sent = engine.commands[-1]
    assert isinstance(sent, commands.SendDtmf)
    assert (sent.digits, sent.duration, sent.gap, sent.content_type) == (
        "12#D,",
        0.16,
        0.1,
        "application/dtmf-relay",
    )
    gone = request_pb.SendMessageRequest(call="calls/none", body=TEXT)
    assert (await refusal(client.requests.SendMessage(gone))).code() is Code.NOT_FOUND


@pytest.mark.parametrize("method", ["INVITE", "ACK", "CANCEL"])
def test_methods_that_transact_does_not_send(method: str) -> None:
    request = request_pb.TransactRequest(method=method, from_address=ALICE, to_address=BOB)
    assert "method" in fields_at_fault(requests.transact, request)


@pytest.mark.parametrize("method", ["INVITE", "ACK", "CANCEL", "BYE", "PRACK", "UPDATE"])
def test_methods_that_transact_does_not_send_inside_a_call(method: str) -> None:
    request = request_pb.TransactRequest(method=method, call="calls/a")
    assert "method" in fields_at_fault(requests.transact, request)


def test_what_is_wrong_is_named() -> None:
    empty = request_pb.TransactRequest(method="a b")
    assert list(fields_at_fault(requests.transact, empty)) == [
        "method",
        "from_address.uri",
        "to_address.uri",
    ]
    # RFC 3428 section 4.
    contact = pb.MessageOptions(headers=[pb.Header(name="m", value="<sip:a@b>")])
    message = request_pb.SendMessageRequest(from_address=ALICE, to_address=BOB, options=contact)
    assert list(fields_at_fault(requests.send_message, message)) == ["options.headers[0].name"]
    # RFC 6086 section 4.2.1.
    told = pb.MessageOptions(headers=[pb.Header(name="Recv-Info", value="foo")])
    info = request_pb.TransactRequest(method="INFO", call="calls/a", options=told)
    assert list(fields_at_fault(requests.transact, info)) == ["options.headers[0].name"]
    routed = request_pb.SendMessageRequest(
        call="calls/a", options=pb.MessageOptions(routes=["<sip:p;lr>"])
    )
    assert list(fields_at_fault(requests.send_message, routed)) == ["options.routes"]
    no_call = request_pb.TransactRequest(method="INFO", call="x")
    assert list(fields_at_fault(requests.transact, no_call)) == ["call"]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"digits": ""}, "digits"),
        ({"digits": "12x"}, "digits"),
        ({"digits": "1" * 257}, "digits"),
        ({"digits": "1", "duration": Duration()}, "duration"),
        ({"digits": "1", "duration": Duration(seconds=61)}, "duration"),
        ({"digits": "1", "gap": Duration(seconds=-1)}, "gap"),
        ({"digits": "1", "content_type": "audio/telephone-event"}, "content_type"),
    ],
)
def test_digits_that_cannot_be_sent(fields: dict[str, Any], fault: str) -> None:
    request = call_pb.SendDtmfRequest(name="calls/a", **fields)
    assert list(fields_at_fault(requests.send_dtmf, request)) == [fault]
