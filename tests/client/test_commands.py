"""Unary RPCs: requests made of arguments, retries, deadlines, pages."""

from __future__ import annotations

import inspect
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.message import Message

import picosip
from picosip import _admin, _calls, _loads, _registrations, _requests, _subscriptions, aio
from picosip._rpc import Rpc
from picosip.v1 import (
    admin_service_pb2 as admin_pb,
    call_service_pb2 as call_pb,
    error_details_pb2 as details_pb,
    registration_service_pb2 as registration_pb,
    request_service_pb2 as request_pb,
    sip_pb2,
)
from tests.client.conftest import Connect
from tests.client.scripted import Script, ScriptedServer, abort, until_gone

RPCS: dict[str, Rpc[..., Any, Any, Any]] = {
    name: rpc
    for module in (_admin, _calls, _loads, _registrations, _requests, _subscriptions)
    for name, rpc in vars(module).items()
    if isinstance(rpc, Rpc)
}

CALL = call_pb.Call(name="calls/1", state=call_pb.Call.STATE_CALLING)
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.mark.parametrize("name", RPCS)
def test_each_method_is_one_of_the_api_and_of_both_clients(name: str) -> None:
    rpc = RPCS[name]
    _, service, method = rpc.path.split("/")
    described = descriptor_pool.Default().FindServiceByName(service).methods_by_name[method]
    assert described.output_type is rpc.response.DESCRIPTOR
    built = inspect.get_annotations(rpc.build, eval_str=True)["return"]
    assert described.input_type is built.DESCRIPTOR
    sync, asynchronous = getattr(picosip.Client, name), getattr(aio.Client, name)
    assert inspect.signature(sync) == inspect.signature(asynchronous)
    assert sync.__doc__ == asynchronous.__doc__ == rpc.build.__doc__


def test_both_clients_have_the_same_methods() -> None:
    def public(client: type) -> set[str]:
        return {name for name in vars(client) if not name.startswith("_")}

    assert public(picosip.Client) == public(aio.Client)
    assert set(RPCS) < public(picosip.Client)


OPTIONS = sip_pb2.MessageOptions(headers=[sip_pb2.Header(name="X-A", value="1")])
ALICE = sip_pb2.Address(uri="sip:alice@a.example")
BOB = sip_pb2.Address(uri="sip:bob@b.example", display_name="Bob")
OFFER = picosip.raw_sdp("v=0\r\n")
SECRET = picosip.credentials("alice", "wonder")


@pytest.mark.parametrize(
    ("method", "arguments", "keywords", "expected"),
    [
        (
            "Invite",
            (ALICE.uri, BOB, OFFER),
            {
                "credentials": SECRET,
                "headers": [("X-A", "1")],
                "policy": picosip.call_policy(ring_timeout=2.5, forked_answers="keep_all"),
                "labels": {"tenant": "a"},
                "wait_for": "final",
            },
            call_pb.InviteRequest(
                from_address=ALICE,
                to_address=BOB,
                offer=OFFER,
                credentials=[SECRET],
                options=OPTIONS,
                policy=picosip.call_policy(ring_timeout=2.5, forked_answers="keep_all"),
                labels={"tenant": "a"},
                wait_for=call_pb.InviteRequest.WAIT_FOR_FINAL,
            ),
        ),
        (
            "Progress",
            ("calls/1", 183, OFFER),
            {"reliable": True},
            call_pb.ProgressRequest(
                name="calls/1",
                status=sip_pb2.SipStatus(code=183),
                description=OFFER,
                reliable=True,
            ),
        ),
        (
            "Answer",
            ("calls/1", OFFER),
            {"no_wait": True},
            call_pb.AnswerRequest(name="calls/1", description=OFFER, no_wait=True),
        ),
        (
            "Reject",
            ("calls/1", sip_pb2.SipStatus(code=486, reason="Not now")),
            {"options": OPTIONS},
            call_pb.RejectRequest(
                name="calls/1",
                status=sip_pb2.SipStatus(code=486, reason="Not now"),
                options=OPTIONS,
            ),
        ),
        (
            "Redirect",
            ("calls/1", [BOB, ALICE.uri]),
            {},
            call_pb.RedirectRequest(
                name="calls/1", status=sip_pb2.SipStatus(code=302), contacts=[BOB, ALICE]
            ),
        ),
        (
            "Hangup",
            ("calls/1",),
            {"remote_tag": "t"},
            call_pb.HangupRequest(name="calls/1", remote_tag="t"),
        ),
    ],
)
def test_calls(
    connect: Connect,
    script: Script,
    server: ScriptedServer,
    method: str,
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
    expected: Message,
) -> None:
    response = getattr(call_pb, f"{method}Response")(call=CALL)
    script.answers[method] = [response]
    client = connect(server.target)
    assert getattr(client, method.lower())(*arguments, **keywords) == CALL
    assert getattr(client, method.lower())(*arguments, **keywords, request_id=ID) == CALL
    made, given = script.requests
    assert uuid.UUID(made.request_id).version == 4
    assert given.request_id == ID
    for request in (made, given):
        request.ClearField("request_id")
        assert request == expected


def test_registrations(connect: Connect, script: Script, server: ScriptedServer) -> None:
    registration = registration_pb.Registration(name="registrations/1")
    script.answers |= {
        "Register": [registration_pb.RegisterResponse(registration=registration)],
        "Unregister": [registration_pb.UnregisterResponse(registration=registration)],
        "GetRegistration": [registration_pb.GetRegistrationResponse(registration=registration)],
    }
    client = connect(server.target)
    register = {
        "contacts": ["sip:alice@192.0.2.1"],
        "expires": 60,
        "credentials": [SECRET],
        "request_id": ID,
    }
    assert client.register("sip:registrar.example", ALICE.uri, **register) == registration
    flows = {"edges": ["sip:edge"], "instance_id": "urn:a:b", "request_id": ID}
    assert client.register("sip:r.example", ALICE.uri, **flows) == registration
    client.register("sip:r.example", ALICE.uri, outbound=True, request_id=ID)
    assert client.unregister("registrations/1", request_id=ID) == registration
    assert client.get_registration("registrations/1") == registration
    expected = registration_pb.RegisterRequest(
        request_id=ID,
        registrar_uri="sip:registrar.example",
        aor=ALICE,
        contacts=[sip_pb2.Address(uri="sip:alice@192.0.2.1")],
        credentials=[SECRET],
    )
    expected.expires.FromSeconds(60)
    over_flows = registration_pb.RegisterRequest(
        request_id=ID,
        registrar_uri="sip:r.example",
        aor=ALICE,
        outbound=registration_pb.Outbound(edges=["sip:edge"], instance_id="urn:a:b"),
    )
    one_flow = registration_pb.RegisterRequest(
        request_id=ID,
        registrar_uri="sip:r.example",
        aor=ALICE,
        outbound=registration_pb.Outbound(),
    )
    assert script.requests == [
        expected,
        over_flows,
        one_flow,
        registration_pb.UnregisterRequest(request_id=ID, name="registrations/1"),
        registration_pb.GetRegistrationRequest(name="registrations/1"),
    ]


def test_single_requests(connect: Connect, script: Script, server: ScriptedServer) -> None:
    answer = sip_pb2.SipMessage(status=sip_pb2.SipStatus(code=488))
    taken = sip_pb2.SipStatus(code=202)
    script.answers |= {
        "SendMessage": [request_pb.SendMessageResponse(status=taken)],
        "Transact": [request_pb.TransactResponse(response=answer)],
        "SendDtmf": [call_pb.SendDtmfResponse()],
    }
    client = connect(server.target)
    data = sip_pb2.Body(content_type="a/b", data=b"c")
    more = {"credentials": SECRET, "headers": [("X-A", "1")], "request_id": ID}
    assert client.send_message("hé", ALICE.uri, BOB, **more) == taken
    assert client.send_message(data, call="calls/1", request_id=ID) == taken
    assert client.transact("FROB", ALICE, uri="sip:x@y", body=data, **more) == answer
    assert client.transact("INFO", call="calls/1", request_id=ID) == answer
    assert client.send_dtmf("calls/1", "1#", duration=0.2, gap=0, request_id=ID) is None
    digits = call_pb.SendDtmfRequest(request_id=ID, name="calls/1", digits="1#")
    digits.duration.FromMilliseconds(200)
    digits.gap.FromMilliseconds(0)
    assert script.requests == [
        request_pb.SendMessageRequest(
            request_id=ID,
            from_address=ALICE,
            to_address=BOB,
            body=sip_pb2.Body(content_type="text/plain;charset=UTF-8", data="hé".encode()),
            credentials=[SECRET],
            options=OPTIONS,
        ),
        request_pb.SendMessageRequest(request_id=ID, call="calls/1", body=data),
        request_pb.TransactRequest(
            request_id=ID,
            method="FROB",
            uri="sip:x@y",
            from_address=ALICE,
            body=data,
            credentials=[SECRET],
            options=OPTIONS,
        ),
        request_pb.TransactRequest(request_id=ID, method="INFO", call="calls/1"),
        digits,
    ]


def test_requests_and_administration(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    pong = sip_pb2.SipMessage(status=sip_pb2.SipStatus(code=200, reason="OK"))
    info = admin_pb.GetServerInfoResponse(version="1", draining=True)
    stats = admin_pb.GetStatsResponse(active_calls=3)
    drained = admin_pb.DrainResponse(remaining_calls=2)
    script.answers |= {
        "Ping": [request_pb.PingResponse(response=pong)],
        "Respond": [request_pb.RespondResponse()],
        "GetServerInfo": [info],
        "GetStats": [stats],
        "Drain": [drained],
    }
    client = connect(server.target)
    assert client.ping("sip:a.example", from_address=ALICE) == pong
    assert client.respond("requests/1", 423, headers=[("X-A", "1")], request_id=ID) is None
    assert client.server_info() == info
    assert client.stats() == stats
    assert client.drain(0.25) == drained
    drain = admin_pb.DrainRequest()
    drain.grace.FromMilliseconds(250)
    assert script.requests == [
        request_pb.PingRequest(uri="sip:a.example", from_address=ALICE),
        request_pb.RespondRequest(
            request_id=ID,
            name="requests/1",
            status=sip_pb2.SipStatus(code=423),
            options=OPTIONS,
        ),
        admin_pb.GetServerInfoRequest(),
        admin_pb.GetStatsRequest(),
        drain,
    ]


def test_lists_go_through_all_pages(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    calls = [call_pb.Call(name=f"calls/{number}") for number in range(3)]
    script.answers["ListCalls"] = [
        call_pb.ListCallsResponse(calls=calls[:2], next_page_token="t"),
        call_pb.ListCallsResponse(calls=[], next_page_token="u"),
        call_pb.ListCallsResponse(calls=calls[2:]),
    ]
    listed = connect(server.target).list_calls({"tenant": "a"}, page_size=2)
    assert list(listed) == calls
    tokens = [request.page_token for request in script.requests]
    assert tokens == ["", "t", "u"]
    assert script.requests[2] == call_pb.ListCallsRequest(
        labels={"tenant": "a"}, page_size=2, page_token="u"
    )


def test_a_retry_carries_the_same_request_id(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    unavailable = abort(grpc.StatusCode.UNAVAILABLE)
    script.answers["Invite"] = [unavailable, unavailable, call_pb.InviteResponse(call=CALL)]
    assert connect(server.target).invite(ALICE, BOB) == CALL
    first, second, third = script.requests
    assert uuid.UUID(first.request_id).version == 4
    assert first == second == third


def test_a_retry_reaches_the_server_that_came_back(
    connect: Connect, script: Script, tmp_path: Path
) -> None:
    address = f"unix:{tmp_path}/s"
    begun = threading.Event()

    def dies(request: Any, context: grpc.ServicerContext) -> Message:
        # The thing is done, but the client never hears of it.
        begun.set()
        until_gone(context)
        return call_pb.InviteResponse()

    def succeed() -> ScriptedServer:
        begun.wait()
        first.stop()
        return ScriptedServer(script, address)

    script.answers["Invite"] = [dies, call_pb.InviteResponse(call=CALL)]
    first = ScriptedServer(script, address)
    with ThreadPoolExecutor(1) as pool:
        successor = pool.submit(succeed)
        assert connect(address).invite(ALICE, BOB) == CALL
        successor.result().stop()
    assert len(script.requests) == 2
    assert script.requests[0] == script.requests[1]


def test_it_gives_up_in_the_end(connect: Connect, script: Script, server: ScriptedServer) -> None:
    script.answers["Hangup"] = [abort(grpc.StatusCode.UNAVAILABLE, "draining")]
    with pytest.raises(picosip.Unavailable, match="draining"):
        connect(server.target, retry_for=0.2).hangup("calls/1")
    assert len(script.requests) > 1


def test_a_far_end_that_cannot_be_reached_is_not_asked_again(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    failure = details_pb.SipFailure(source=details_pb.SipFailure.SOURCE_TRANSPORT)
    script.answers["Invite"] = [abort(grpc.StatusCode.UNAVAILABLE, "connect", failure)]
    with pytest.raises(picosip.Unavailable):
        connect(server.target).invite(ALICE, BOB, wait_for="final")
    assert len(script.requests) == 1


def test_other_failures_are_not_tried_again(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    script.answers["Invite"] = [abort(grpc.StatusCode.INTERNAL)]
    with pytest.raises(picosip.PicosipError):
        connect(server.target).invite(ALICE, BOB)
    assert len(script.requests) == 1


def test_the_deadline(connect: Connect, script: Script, server: ScriptedServer) -> None:
    def hangs(request: Any, context: grpc.ServicerContext) -> Message:
        until_gone(context)
        return call_pb.GetCallResponse()

    script.answers["GetCall"] = [hangs]
    client = connect(server.target, timeout=None)
    with pytest.raises(picosip.TimedOut):
        client.with_timeout(0.05).get_call("calls/1")


def test_metadata_goes_with_every_rpc(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    script.answers["GetStats"] = [admin_pb.GetStatsResponse()]
    connect(server.target, metadata=[("authorization", "Bearer x")]).stats()
    assert script.metadata[0]["authorization"] == "Bearer x"


def test_one_address_is_no_list() -> None:
    with pytest.raises(TypeError, match="list"):
        picosip.Client().redirect("calls/1", "sip:bob@b.example")
