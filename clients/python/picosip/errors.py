"""What can go wrong, decoded from gRPC's rich status.

    PicosipError
     +-- InvalidArgument   the request was refused before anything was sent: ``field_violations``
     +-- NotFound          no such call, registration or request (any more)
     +-- WrongState        the call, registration or request does not allow this now
     +-- Refused           the far end answered with ``sip_status``
     +-- TimedOut          no answer in time: of the far end, or of the server within the deadline
     +-- Unavailable       the server cannot be reached, drains, or found no way to the far end
     +-- CursorExpired     the event log no longer has the events after the cursor

Anything else (an unimplemented RPC, a limit of the server...) is a plain ``PicosipError``.
"""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from picosip.v1 import error_details_pb2 as details_pb, event_service_pb2 as event_pb, sip_pb2

_DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that the server did not accept."""

    field: str
    """Path of the field, for example ``offer.sdp.media[0].port``."""
    description: str


class PicosipError(Exception):
    """An RPC failed. ``__cause__`` is gRPC's own error, where there was one."""

    def __init__(self, code: grpc.StatusCode, message: str = "", *details: Message) -> None:
        super().__init__(message or code.name)
        self.code = code
        """The gRPC status code."""
        self.message = message
        """For people."""
        self.reason = ""
        """For programs: such as ``CALLEE_BUSY``, ``RESERVED_HEADER``; empty where gRPC itself
        failed."""
        self.metadata: dict[str, str] = {}
        """More about ``reason``, such as the present state of the call."""
        self.sip_status: sip_pb2.SipStatus | None = None
        """The final response, where a SIP exchange failed by one."""
        self.sip_headers: tuple[sip_pb2.Header, ...] = ()
        """Header fields of that response."""
        self.sip_source = details_pb.SipFailure.SOURCE_UNSPECIFIED
        """Who decided, where a SIP exchange failed: a value of ``SipFailure.Source``."""
        self.field_violations: tuple[FieldViolation, ...] = ()
        """What was wrong with the request, field by field."""
        for detail in details:
            self._read(detail)

    def _read(self, detail: Message) -> None:
        match detail:
            case error_details_pb2.ErrorInfo():
                self.reason = detail.reason
                self.metadata = dict(detail.metadata)
            case error_details_pb2.BadRequest():
                self.field_violations = tuple(
                    FieldViolation(violation.field, violation.description)
                    for violation in detail.field_violations
                )
            case details_pb.SipFailure():
                self.sip_status = detail.status if detail.HasField("status") else None
                self.sip_headers = tuple(detail.headers)
                self.sip_source = detail.source

    def __str__(self) -> str:
        parts = [self.code.name]
        if self.reason:
            parts.append(self.reason)
        if self.sip_status is not None:
            parts.append(f"{self.sip_status.code} {self.sip_status.reason}".rstrip())
        text = " ".join(parts)
        return f"{text}: {self.message}" if self.message else text


class InvalidArgument(PicosipError):
    """The request was refused before anything was sent."""


class NotFound(PicosipError):
    """No such call, registration or request; ended ones are gone."""


class WrongState(PicosipError):
    """The resource does not allow this now: somebody else was first, or it is too late."""


class Refused(PicosipError):
    """The far end answered with ``sip_status``, 300 to 699."""


class TimedOut(PicosipError):
    """No answer in time. What was asked for may still happen: a deadline undoes nothing."""


class Unavailable(PicosipError):
    """The server cannot be reached, drains, or found no way to the far end."""


class CursorExpired(PicosipError):
    """The event log no longer has the events after the cursor: it was cut off, or is a new one."""

    def __init__(self, code: grpc.StatusCode, message: str = "", *details: Message) -> None:
        super().__init__(code, message, *details)
        self.oldest = event_pb.Cursor()
        """From here on the log has everything."""
        self.latest = event_pb.Cursor()
        """The end of the log."""
        for detail in details:
            if isinstance(detail, details_pb.CursorFailure):
                self.oldest = event_pb.Cursor(
                    incarnation=detail.incarnation, revision=detail.oldest_revision
                )
                self.latest = event_pb.Cursor(
                    incarnation=detail.incarnation, revision=detail.latest_revision
                )


_BY_CODE: dict[grpc.StatusCode, type[PicosipError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: WrongState,
    grpc.StatusCode.DEADLINE_EXCEEDED: TimedOut,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
}

_KNOWN: tuple[type[Message], ...] = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.BadRequest,
    details_pb.SipFailure,
    details_pb.CursorFailure,
)


_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


def from_rpc_error(error: grpc.RpcError) -> PicosipError:
    """The decoded form of what gRPC raised, sync or asyncio. Does not set ``__cause__``."""
    # Every RpcError that a channel raises is a grpc.Call (sync) or an AioRpcError; both have these.
    return _decoded(error.code(), error.details() or "", _details(error.trailing_metadata()))


def from_code(code: grpc.StatusCode, message: str) -> PicosipError:
    """One that the client itself found."""
    return _decoded(code, message, [])


def from_status(status: status_pb2.Status) -> PicosipError:
    """The decoded form of a rich status."""
    return _decoded(_CODES[status.code], status.message, _unpacked(status))


def _decoded(code: grpc.StatusCode, message: str, details: list[Message]) -> PicosipError:
    kind = _BY_CODE.get(code, PicosipError)
    for detail in details:
        if isinstance(detail, details_pb.CursorFailure):
            kind = CursorExpired
        elif (
            isinstance(detail, details_pb.SipFailure)
            and detail.source == details_pb.SipFailure.SOURCE_REMOTE
        ):
            kind = Refused
    return kind(code, message, *details)


def _details(metadata: object) -> list[Message]:
    # None where the RPC never got as far as trailing metadata.
    return [
        detail
        for key, value in metadata or ()  # type: ignore[attr-defined]
        if key == _DETAILS
        for detail in _unpacked(status_pb2.Status.FromString(value))
    ]


def _unpacked(status: status_pb2.Status) -> list[Message]:
    return [
        known.FromString(packed.value)
        for packed in status.details
        for known in _KNOWN
        if packed.Is(known.DESCRIPTOR)
    ]
