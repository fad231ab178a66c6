"""The RPCs of RequestService, each as the function that builds its request."""

from __future__ import annotations

from picosip._rpc import unary
from picosip._values import (
    AddressLike,
    HeadersLike,
    StatusLike,
    as_address,
    as_status,
    with_headers,
)
from picosip.v1 import request_service_pb2 as pb, sdp_pb2, sip_pb2


@unary("/picosip.v1.RequestService/Ping", pb.PingResponse, lambda response: response.response)
def ping(
    uri: str,
    *,
    from_address: AddressLike | None = None,
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
) -> pb.PingRequest:
    """Sends OPTIONS and returns the final response, of whatever class.

    Raises TimedOut where none came within 32 s, Unavailable where the far end cannot be
    reached, InvalidArgument.
    """
    return pb.PingRequest(
        from_address=None if from_address is None else as_address(from_address),
        uri=uri,
        options=with_headers(options, headers),
    )


@unary("/picosip.v1.RequestService/Respond", pb.RespondResponse, lambda response: None)
def respond(
    name: str,
    status: StatusLike,
    *,
    description: sdp_pb2.SessionDescription | None = None,
    body: sip_pb2.Body | None = None,
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
    request_id: str = "",
) -> pb.RespondRequest:
    """Answers an ``IncomingRequest`` finally; with ``description`` one that carried an offer.

    Raises NotFound if it was answered already, by anybody, or withdrawn.
    """
    return pb.RespondRequest(
        request_id=request_id,
        name=name,
        status=as_status(status),
        description=description,
        body=body,
        options=with_headers(options, headers),
    )
