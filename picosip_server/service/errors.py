"""The one place that knows gRPC's status codes: SIP outcomes and local failures as errors.

An error carries a named reason in google.rpc.ErrorInfo (domain "picosip.v1"), and
a SipFailure where a SIP exchange is the cause. UNAVAILABLE and INTERNAL speak only
of this server, since clients retry them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from picosip.v1 import error_details_pb2 as pb, event_service_pb2 as event_pb
from picosip_server.service.convert import values
from picosip_server.sip.status import reason_phrase
from picosip_server.sip.ua.outputs import Failure, FailureKind

DOMAIN = "picosip.v1"
Code = grpc.StatusCode

_HEADER_OCTETS = 4096
"""How much of a response's headers goes into an error: HTTP/2 peers commonly take no
more than 8 KiB of trailers."""
_TEXT_LIMIT = 300
_RETRY_SOON = 5
"""Seconds to wait where this server itself has no room."""

# The SIP statuses that are told apart; the classes that are not are at `_of_class`.
_BY_STATUS: dict[int, tuple[Code, str]] = {
    400: (Code.INVALID_ARGUMENT, "SIP_BAD_REQUEST"),
    401: (Code.UNAUTHENTICATED, "CREDENTIALS_REFUSED"),
    402: (Code.PERMISSION_DENIED, "PAYMENT_REQUIRED"),
    403: (Code.PERMISSION_DENIED, "FORBIDDEN"),
    404: (Code.NOT_FOUND, "USER_NOT_FOUND"),
    405: (Code.INVALID_ARGUMENT, "METHOD_NOT_ALLOWED"),
    406: (Code.INVALID_ARGUMENT, "NOT_ACCEPTABLE"),
    407: (Code.UNAUTHENTICATED, "PROXY_CREDENTIALS_REFUSED"),
    408: (Code.DEADLINE_EXCEEDED, "REQUEST_TIMEOUT"),
    410: (Code.NOT_FOUND, "USER_GONE"),
    412: (Code.FAILED_PRECONDITION, "CONDITIONAL_REQUEST_FAILED"),
    413: (Code.INVALID_ARGUMENT, "REQUEST_TOO_LARGE"),
    414: (Code.INVALID_ARGUMENT, "URI_TOO_LONG"),
    415: (Code.INVALID_ARGUMENT, "UNSUPPORTED_MEDIA_TYPE"),
    416: (Code.INVALID_ARGUMENT, "UNSUPPORTED_URI_SCHEME"),
    420: (Code.INVALID_ARGUMENT, "BAD_EXTENSION"),
    421: (Code.INVALID_ARGUMENT, "EXTENSION_REQUIRED"),
    428: (Code.UNAUTHENTICATED, "IDENTITY_REQUIRED"),
    433: (Code.PERMISSION_DENIED, "ANONYMITY_DISALLOWED"),
    436: (Code.UNAUTHENTICATED, "BAD_IDENTITY_INFO"),
    437: (Code.UNAUTHENTICATED, "UNSUPPORTED_CREDENTIAL"),
    438: (Code.UNAUTHENTICATED, "INVALID_IDENTITY"),
    480: (Code.FAILED_PRECONDITION, "CALLEE_UNAVAILABLE"),
    481: (Code.NOT_FOUND, "DIALOG_NOT_FOUND"),
    482: (Code.FAILED_PRECONDITION, "LOOP_DETECTED"),
    483: (Code.FAILED_PRECONDITION, "TOO_MANY_HOPS"),
    484: (Code.INVALID_ARGUMENT, "ADDRESS_INCOMPLETE"),
    486: (Code.FAILED_PRECONDITION, "CALLEE_BUSY"),
    487: (Code.ABORTED, "REQUEST_TERMINATED"),
    488: (Code.INVALID_ARGUMENT, "NOT_ACCEPTABLE_HERE"),
    489: (Code.INVALID_ARGUMENT, "BAD_EVENT"),
    491: (Code.ABORTED, "REQUEST_PENDING"),
    493: (Code.INVALID_ARGUMENT, "UNDECIPHERABLE"),
    504: (Code.DEADLINE_EXCEEDED, "SERVER_TIMEOUT"),
    600: (Code.FAILED_PRECONDITION, "CALLEE_BUSY"),
    603: (Code.PERMISSION_DENIED, "CALLEE_DECLINED"),
    604: (Code.NOT_FOUND, "USER_NOT_FOUND"),
    606: (Code.INVALID_ARGUMENT, "NOT_ACCEPTABLE"),
    607: (Code.PERMISSION_DENIED, "UNWANTED"),
    608: (Code.PERMISSION_DENIED, "CALL_REJECTED"),
}

# What stood in the way where no final response decided.
_BY_KIND: dict[FailureKind, tuple[Code, str, pb.SipFailure.Source.ValueType]] = {
    FailureKind.TIMEOUT: (Code.DEADLINE_EXCEEDED, "NO_RESPONSE", pb.SipFailure.SOURCE_TIMEOUT),
    FailureKind.TRANSPORT: (
        Code.UNAVAILABLE,
        "TRANSPORT_FAILURE",
        pb.SipFailure.SOURCE_TRANSPORT,
    ),
    FailureKind.NOT_FOUND: (
        Code.NOT_FOUND,
        "RESOURCE_NOT_FOUND",
        pb.SipFailure.SOURCE_UNSPECIFIED,
    ),
    FailureKind.WRONG_STATE: (
        Code.FAILED_PRECONDITION,
        "WRONG_STATE",
        pb.SipFailure.SOURCE_UNSPECIFIED,
    ),
    FailureKind.INVALID: (
        Code.INVALID_ARGUMENT,
        "INVALID_FIELD",
        pb.SipFailure.SOURCE_UNSPECIFIED,
    ),
    FailureKind.UNAVAILABLE: (Code.UNAVAILABLE, "DRAINING", pb.SipFailure.SOURCE_LOCAL),
    FailureKind.EXHAUSTED: (
        Code.RESOURCE_EXHAUSTED,
        "LIMIT_REACHED",
        pb.SipFailure.SOURCE_LOCAL,
    ),
    FailureKind.FORBIDDEN: (
        Code.PERMISSION_DENIED,
        "TARGET_NOT_ALLOWED",
        pb.SipFailure.SOURCE_UNSPECIFIED,
    ),
    FailureKind.ENDED: (Code.ABORTED, "CALL_ENDED", pb.SipFailure.SOURCE_UNSPECIFIED),
    FailureKind.REFUSED: (
        Code.FAILED_PRECONDITION,
        "REFUSED",
        pb.SipFailure.SOURCE_REMOTE,
    ),
}

_retry_after = re.compile(r"[ \t]*([0-9]{1,9})").match

NOT_KEPT = frozenset((Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.INTERNAL))
"""Outcomes that a retry with the same request_id may change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """One field of a request that is wrong."""

    field: str
    """Its path, such as ``options.headers[2].name``."""
    description: str
    reason: str = "INVALID_FIELD"
    metadata: tuple[tuple[str, str], ...] = ()


class ApiError(Exception):
    """An RPC's failure: code, message for people, reason for programs, and details."""

    def __init__(
        self,
        code: Code,
        reason: str,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        details: Iterable[Message] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = values.clean(message)[:_TEXT_LIMIT]
        self.metadata = dict(metadata or {})
        self.details = tuple(details)

    def within(self, path: str) -> ApiError:
        """The same for a request that is a field of another one."""
        details = []
        for detail in self.details:
            if isinstance(detail, error_details_pb2.BadRequest):
                moved = error_details_pb2.BadRequest()
                moved.CopyFrom(detail)
                for violation in moved.field_violations:
                    violation.field = f"{path}.{violation.field}"
                detail = moved
            details.append(detail)
        metadata = dict(self.metadata)
        message = self.message
        if "field" in metadata:
            metadata["field"] = f"{path}.{metadata['field']}"
            message = f"{path}.{message}"
        return ApiError(self.code, self.reason, message, metadata=metadata, details=details)

    def status(self) -> status_pb2.Status:
        """The rich status that travels in the trailers."""
        info = error_details_pb2.ErrorInfo(
            reason=self.reason, domain=DOMAIN, metadata=self.metadata
        )
        number: int = self.code.value[0]
        result = status_pb2.Status(code=number, message=self.message)
        for detail in (info, *self.details):
            result.details.add().Pack(detail)
        return result


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: ApiError) -> NoReturn:
    """Ends the RPC with the error."""
    await context.abort_with_status(rpc_status.to_status(error.status()))


def of_status(status: int) -> tuple[Code, str]:
    """gRPC code and reason for a final SIP response other than 2xx."""
    return _BY_STATUS.get(status) or _of_class(status)


def _of_class(status: int) -> tuple[Code, str]:
    if 300 <= status < 400:
        return Code.FAILED_PRECONDITION, "REDIRECTED"
    return Code.FAILED_PRECONDITION, f"SIP_{status}"


def from_failure(failure: Failure) -> ApiError:
    """The error for a failed command."""
    decided = failure.kind in (FailureKind.REFUSED, FailureKind.ENDED) and failure.status >= 300
    if decided:
        code, reason = of_status(failure.status)
        source = pb.SipFailure.SOURCE_REMOTE
    else:
        code, reason, source = _BY_KIND[failure.kind]
    metadata: dict[str, str] = {}
    details: list[Message] = []
    if failure.status:
        metadata["sip_status"] = str(failure.status)
    if failure.state:
        metadata["state"] = failure.state
    if failure.field:
        metadata["field"] = failure.field
        details.append(
            _bad_request((FieldViolation(field=failure.field, description=failure.detail),))
        )
    if source != pb.SipFailure.SOURCE_UNSPECIFIED or failure.status:
        details.append(_sip_failure(failure, source))
    delay = _delay(failure)
    if delay is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=delay)))
    message = failure.detail or _phrase(failure)
    return ApiError(code, reason, message, metadata=metadata, details=details)


def invalid(violations: Iterable[FieldViolation]) -> ApiError:
    """INVALID_ARGUMENT that names each field; a reason of its own wins over the common one."""
    found = tuple(violations)
    first = next((one for one in found if one.reason != "INVALID_FIELD"), found[0])
    return ApiError(
        Code.INVALID_ARGUMENT,
        first.reason,
        f"{first.field}: {first.description}",
        metadata={"field": values.clean(first.field), **dict(first.metadata)},
        details=(_bad_request(found),),
    )


def wrong_request_id(method: str) -> ApiError:
    """A request_id that came before with another content."""
    violation = FieldViolation(
        field="request_id",
        description=f"was used for another {method} request: make a new one for each",
        reason="REQUEST_ID_REUSED",
    )
    return invalid((violation,))


def draining() -> ApiError:
    """No new work is taken, or an event stream ends, because the server drains."""
    failure = Failure(kind=FailureKind.UNAVAILABLE, detail="the server drains: use another one")
    return from_failure(failure)


def exhausted(message: str, limit: str) -> ApiError:
    """A limit of the service is reached; ``limit`` names it for programs."""
    return ApiError(
        Code.RESOURCE_EXHAUSTED,
        "LIMIT_REACHED",
        message,
        metadata={"limit": limit},
        details=(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=_RETRY_SOON)),),
    )


def internal(error_id: str) -> ApiError:
    """A fault of this server; the log has the rest under ``error_id``."""
    return ApiError(
        Code.INTERNAL,
        "INTERNAL",
        f"internal error {error_id}: the server's log has the details",
        metadata={"error_id": error_id},
    )


def cursor_expired(message: str, *, oldest: event_pb.Cursor, latest: event_pb.Cursor) -> ApiError:
    """A cursor that the event log cannot serve (any more)."""
    detail = pb.CursorFailure(
        incarnation=latest.incarnation,
        oldest_revision=oldest.revision,
        latest_revision=latest.revision,
    )
    return ApiError(Code.OUT_OF_RANGE, "CURSOR_EXPIRED", message, details=(detail,))


def _bad_request(violations: Iterable[FieldViolation]) -> Message:
    result: Message = error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=values.clean(one.field),
                description=values.clean(one.description)[:_TEXT_LIMIT],
                reason=one.reason,
            )
            for one in violations
        ]
    )
    return result


def _sip_failure(failure: Failure, source: pb.SipFailure.Source.ValueType) -> pb.SipFailure:
    reason = failure.reason or (reason_phrase(failure.status) if failure.status else "")
    room = _HEADER_OCTETS
    fitting = []
    for header in values.headers(failure.headers):
        room -= header.ByteSize()
        if room < 0:
            break
        fitting.append(header)
    return pb.SipFailure(
        status=values.status(failure.status, reason), headers=fitting, source=source
    )


def _delay(failure: Failure) -> int | None:
    """Seconds after which a retry makes sense, where that is known (RFC 3261 section 20.33)."""
    if failure.kind in (FailureKind.UNAVAILABLE, FailureKind.EXHAUSTED):
        return _RETRY_SOON
    for name, text in failure.headers:
        if name.lower() == "retry-after":
            found = _retry_after(text)
            return int(found[1]) if found else None
    return None


def _phrase(failure: Failure) -> str:
    if failure.status:
        return f"{failure.status} {failure.reason or reason_phrase(failure.status)}"
    return failure.kind.value
