"""The mapping from SIP outcomes and local failures to gRPC, row by row."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from picosip.v1 import error_details_pb2 as pb, sip_pb2
from picosip_server.service import errors
from picosip_server.service.errors import ApiError
from picosip_server.sip.ua.outputs import Failure, FailureKind

Code = grpc.StatusCode

# The table of the architecture, with ranges written out.
MAPPING = {
    Code.INVALID_ARGUMENT: (
        *(400, 405, 406, 413, 414, 415, 416, 420, 421, 484, 488, 489, 493, 606),
    ),
    Code.UNAUTHENTICATED: (401, 407, 428, 436, 437, 438),
    Code.PERMISSION_DENIED: (402, 403, 433, 603, 607, 608),
    Code.NOT_FOUND: (404, 410, 481, 604),
    Code.DEADLINE_EXCEEDED: (408, 504),
    Code.FAILED_PRECONDITION: (
        *(480, 486, 600, 412, 482, 483),
        *(300, 301, 302, 305, 380),
        *(500, 501, 502, 503, 505, 513, 555, 580),
        # In no row of the table.
        *(417, 422, 423, 424, 425, 429, 430, 439, 440, 469, 470, 485, 494, 499, 699),
    ),
    Code.ABORTED: (487, 491),
}

NAMED = {
    302: "REDIRECTED",
    401: "CREDENTIALS_REFUSED",
    404: "USER_NOT_FOUND",
    480: "CALLEE_UNAVAILABLE",
    481: "DIALOG_NOT_FOUND",
    486: "CALLEE_BUSY",
    500: "SIP_500",
    503: "SIP_503",
    423: "SIP_423",
    600: "CALLEE_BUSY",
    603: "CALLEE_DECLINED",
    699: "SIP_699",
}


def refused(status: int, *headers: tuple[str, str]) -> Failure:
    return Failure(
        kind=FailureKind.REFUSED, detail="refused", status=status, reason="Why", headers=headers
    )


def detail(error: ApiError, kind: type) -> object:
    for packed in error.status().details:
        found = kind()
        if packed.Unpack(found):
            return found
    return None


@pytest.mark.parametrize(
    ("status", "code"), [(status, code) for code, row in MAPPING.items() for status in row]
)
def test_each_sip_status_has_its_code(status: int, code: grpc.StatusCode) -> None:
    error = errors.from_failure(refused(status))
    assert error.code is code
    failure = detail(error, pb.SipFailure)
    assert failure == pb.SipFailure(
        status=sip_pb2.SipStatus(code=status, reason="Why"), source=pb.SipFailure.SOURCE_REMOTE
    )


@pytest.mark.parametrize(("status", "reason"), NAMED.items())
def test_reasons_are_named(status: int, reason: str) -> None:
    info = detail(errors.from_failure(refused(status)), error_details_pb2.ErrorInfo)
    assert info == error_details_pb2.ErrorInfo(
        reason=reason, domain="picosip.v1", metadata={"sip_status": str(status)}
    )


@pytest.mark.parametrize(
    ("kind", "code", "reason", "source"),
    [
        (FailureKind.TIMEOUT, Code.DEADLINE_EXCEEDED, "NO_RESPONSE", "SOURCE_TIMEOUT"),
        (FailureKind.TRANSPORT, Code.UNAVAILABLE, "TRANSPORT_FAILURE", "SOURCE_TRANSPORT"),
        (FailureKind.NOT_FOUND, Code.NOT_FOUND, "RESOURCE_NOT_FOUND", ""),
        (FailureKind.WRONG_STATE, Code.FAILED_PRECONDITION, "WRONG_STATE", ""),
        (FailureKind.INVALID, Code.INVALID_ARGUMENT, "INVALID_FIELD", ""),
        (FailureKind.UNAVAILABLE, Code.UNAVAILABLE, "DRAINING", "SOURCE_LOCAL"),
        (FailureKind.EXHAUSTED, Code.RESOURCE_EXHAUSTED, "LIMIT_REACHED", "SOURCE_LOCAL"),
        (FailureKind.ENDED, Code.ABORTED, "CALL_ENDED", ""),
        (FailureKind.REFUSED, Code.FAILED_PRECONDITION, "REFUSED", "SOURCE_REMOTE"),
    ],
)
def test_each_kind_of_failure_has_its_code(
    kind: FailureKind, code: grpc.StatusCode, reason: str, source: str
) -> None:
    error = errors.from_failure(Failure(kind=kind, detail="what happened"))
    assert (error.code, error.reason, error.message) == (code, reason, "what happened")
    failure = detail(error, pb.SipFailure)
    if source:
        assert failure == pb.SipFailure(source=pb.SipFailure.Source.Value(source))
    else:
        assert failure is None


def test_every_kind_of_failure_is_mapped() -> None:
    for kind in FailureKind:
        assert errors.from_failure(Failure(kind=kind, detail="x")).code is not Code.OK


def test_a_call_that_ended_by_a_response_has_the_code_of_that() -> None:
    failure = Failure(kind=FailureKind.ENDED, detail="it ended", status=487)
    assert errors.from_failure(failure).code is Code.ABORTED
    assert errors.from_failure(failure).reason == "REQUEST_TERMINATED"
    # A BYE's 200 decided nothing.
    failure = Failure(kind=FailureKind.ENDED, detail="it ended", status=200)
    assert errors.from_failure(failure).reason == "CALL_ENDED"


def test_a_wrong_state_is_named() -> None:
    failure = Failure(kind=FailureKind.WRONG_STATE, detail="x", state="CONFIRMED")
    assert errors.from_failure(failure).metadata == {"state": "CONFIRMED"}


def test_a_field_that_the_engine_refuses_is_a_violation() -> None:
    failure = Failure(kind=FailureKind.INVALID, detail="no route to it", field="request_uri")
    violations = error_details_pb2.BadRequest(
        field_violations=[
            {
                "field": "request_uri",
                "description": "no route to it",
                "reason": "INVALID_FIELD",
            }
        ]
    )
    assert detail(errors.from_failure(failure), error_details_pb2.BadRequest) == violations


@pytest.mark.parametrize(
    ("text", "seconds"), [("120", 120), ("18 (in a meeting)", 18), ("5;duration=60", 5)]
)
def test_retry_after_becomes_retry_info(text: str, seconds: int) -> None:
    info = detail(
        errors.from_failure(refused(503, ("Retry-After", text))), error_details_pb2.RetryInfo
    )
    assert info == error_details_pb2.RetryInfo(retry_delay={"seconds": seconds})


def test_an_unreadable_retry_after_is_none() -> None:
    error = errors.from_failure(refused(503, ("Retry-After", "soon")))
    assert detail(error, error_details_pb2.RetryInfo) is None


def test_credentials_are_masked_in_the_headers_of_a_failure() -> None:
    error = errors.from_failure(
        refused(
            407,
            ("WWW-Authenticate", 'Digest realm="x"'),
            ("Proxy-Authorization", 'Digest response="5ec2e7"'),
        )
    )
    failure = detail(error, pb.SipFailure)
    assert isinstance(failure, pb.SipFailure)
    assert [(one.name, one.value) for one in failure.headers] == [
        ("WWW-Authenticate", 'Digest realm="x"'),
        ("Proxy-Authorization", "Digest ***"),
    ]


def test_a_failure_fits_into_the_trailers() -> None:
    """gRPC peers take 8 KiB of trailers by default."""
    many = tuple((f"X-Long-{index}", "v" * 1000) for index in range(50))
    status = errors.from_failure(refused(486, *many)).status()
    assert len(status.SerializeToString()) < 6000
    failure = detail(errors.from_failure(refused(486, *many)), pb.SipFailure)
    assert isinstance(failure, pb.SipFailure)
    assert [one.name for one in failure.headers] == [f"X-Long-{index}" for index in range(4)]


def test_text_that_is_no_utf8_can_be_told() -> None:
    failure = Failure(kind=FailureKind.REFUSED, detail="said \udcff", status=486, reason="\udcfe")
    status = errors.from_failure(failure).status()
    assert status_pb2.Status.FromString(status.SerializeToString()).message == "said \ufffd"


def test_unavailable_and_internal_speak_of_this_server_only() -> None:
    for status in range(300, 700):
        assert errors.of_status(status)[0] not in (Code.UNAVAILABLE, Code.INTERNAL, Code.OK)
