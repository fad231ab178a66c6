"""Failures as they come out of a client."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo  # type: ignore[import-untyped]

import picosip
from picosip.v1 import error_details_pb2 as details_pb, sip_pb2
from tests.client.conftest import Connect
from tests.client.scripted import Script, ScriptedServer, abort

BUSY = details_pb.SipFailure(
    status=sip_pb2.SipStatus(code=486, reason="Busy Here"),
    headers=[sip_pb2.Header(name="Retry-After", value="5")],
    source=details_pb.SipFailure.SOURCE_REMOTE,
)
TIMEOUT = details_pb.SipFailure(source=details_pb.SipFailure.SOURCE_TIMEOUT)


def info(reason: str, **metadata: str) -> Message:
    made: Message = ErrorInfo(reason=reason, domain="picosip.v1", metadata=metadata)
    return made


def failure(
    connect: Connect, script: Script, target: str, code: str, *details: Message
) -> picosip.PicosipError:
    script.answers["Invite"] = [abort(grpc.StatusCode[code], "what happened", *details)]
    with pytest.raises(picosip.PicosipError) as caught:
        connect(target, retry_for=0).invite("sip:a@a.example", "sip:b@b.example")
    return caught.value


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("INVALID_ARGUMENT", picosip.InvalidArgument),
        ("NOT_FOUND", picosip.NotFound),
        ("FAILED_PRECONDITION", picosip.WrongState),
        ("DEADLINE_EXCEEDED", picosip.TimedOut),
        ("UNAVAILABLE", picosip.Unavailable),
        ("UNIMPLEMENTED", picosip.PicosipError),
        ("RESOURCE_EXHAUSTED", picosip.PicosipError),
    ],
)
def test_the_class_follows_the_code(
    connect: Connect,
    script: Script,
    server: ScriptedServer,
    code: str,
    kind: type[picosip.PicosipError],
) -> None:
    error = failure(connect, script, server.target, code)
    assert type(error) is kind
    assert error.code is grpc.StatusCode[code]
    assert (error.message, error.reason, error.metadata) == ("what happened", "", {})
    assert (error.sip_status, error.sip_headers, error.field_violations) == (None, (), ())
    assert isinstance(error.__cause__, grpc.RpcError)
    assert str(error) == f"{code}: what happened"


def test_the_far_end_refused(connect: Connect, script: Script, server: ScriptedServer) -> None:
    error = failure(
        connect, script, server.target, "FAILED_PRECONDITION", info("CALLEE_BUSY"), BUSY
    )
    assert type(error) is picosip.Refused
    assert error.reason == "CALLEE_BUSY"
    assert error.sip_status == sip_pb2.SipStatus(code=486, reason="Busy Here")
    assert error.sip_headers == (sip_pb2.Header(name="Retry-After", value="5"),)
    assert str(error) == "FAILED_PRECONDITION CALLEE_BUSY 486 Busy Here: what happened"


def test_the_far_end_said_nothing(connect: Connect, script: Script, server: ScriptedServer) -> None:
    error = failure(connect, script, server.target, "DEADLINE_EXCEEDED", TIMEOUT)
    assert type(error) is picosip.TimedOut
    assert error.sip_status is None
    assert error.sip_source == details_pb.SipFailure.SOURCE_TIMEOUT


def test_the_state_is_in_the_metadata(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    error = failure(
        connect,
        script,
        server.target,
        "FAILED_PRECONDITION",
        info("WRONG_STATE", state="STATE_CONFIRMED"),
    )
    assert type(error) is picosip.WrongState
    assert error.metadata == {"state": "STATE_CONFIRMED"}


def test_field_violations(connect: Connect, script: Script, server: ScriptedServer) -> None:
    violation = BadRequest.FieldViolation(field="to_address.uri", description="no scheme")
    error = failure(
        connect,
        script,
        server.target,
        "INVALID_ARGUMENT",
        info("BAD_URI"),
        BadRequest(field_violations=[violation]),
    )
    assert error.field_violations == (picosip.FieldViolation("to_address.uri", "no scheme"),)


def test_details_of_an_unknown_kind_are_left_aside(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    error = failure(
        connect, script, server.target, "NOT_FOUND", sip_pb2.Header(name="a"), info("NO_CALL")
    )
    assert (type(error), error.reason) == (picosip.NotFound, "NO_CALL")
