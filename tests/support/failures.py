"""What a failed RPC says: its code, its ErrorInfo and the SIP side of it."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2 as google_details  # type: ignore[import-untyped]
from grpc_status import rpc_status

from picosip.v1 import error_details_pb2 as details


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcFailure:
    """The parts of a gRPC error that tests compare."""

    code: grpc.StatusCode
    reason: str
    """``ErrorInfo.reason``"""
    status: int
    """The SIP status; 0 where no SIP response was the cause."""
    headers: tuple[tuple[str, str], ...] = ()
    source: int = 0
    """``SipFailure.Source``"""


def failure_of(error: grpc.RpcError) -> RpcFailure:
    """Reads the rich error out of an exception."""
    assert isinstance(error, grpc.Call)
    status = rpc_status.from_call(error)
    assert status is not None, f"{error} has no details"
    info = google_details.ErrorInfo()
    sip = details.SipFailure()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(sip)
    return RpcFailure(
        code=error.code(),
        reason=info.reason,
        status=sip.status.code,
        headers=tuple((header.name, header.value) for header in sip.headers),
        source=sip.source,
    )
