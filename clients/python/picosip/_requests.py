"""The RPCs of RequestService, each as the function that builds its request."""

from __future__ import annotations

from picosip._rpc import unary
from picosip._values import (
    AddressLike,
    BodyLike,
    CredentialsLike,
    HeadersLike,
    StatusLike,
    as_address,
    as_body,
    as_credentials,
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


@unary(
    "/picosip.v1.RequestService/SendMessage",
    pb.SendMessageResponse,
    lambda response: response.status,
)
def send_message(
    body: BodyLike,
    from_address: AddressLike | None = None,
    to_address: AddressLike | None = None,
    *,
    call: str = "",
    credentials: CredentialsLike = (),
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
    request_id: str = "",
) -> pb.SendMessageRequest:
    """Sends MESSAGE (RFC 3428) and returns the 2xx that took it; a string goes as text/plain.

    Either between two addresses, or inside ``call``. Raises Refused, or a narrower error, where
    it is answered otherwise, TimedOut, Unavailable where the far end cannot be reached or a
    message of more than 1300 octets finds no TCP, and NotFound if the call is over.
    """
    return pb.SendMessageRequest(
        request_id=request_id,
        call=call,
        from_address=None if from_address is None else as_address(from_address),
        to_address=None if to_address is None else as_address(to_address),
        body=as_body(body),
        credentials=as_credentials(credentials),
        options=with_headers(options, headers),
    )


@unary(
    "/picosip.v1.RequestService/Transact",
    pb.TransactResponse,
    lambda response: response.response,
)
def transact(
    method: str,
    from_address: AddressLike | None = None,
    to_address: AddressLike | None = None,
    *,
    uri: str = "",
    call: str = "",
    body: BodyLike | None = None,
    credentials: CredentialsLike = (),
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
    request_id: str = "",
) -> pb.TransactRequest:
    """Sends a request of any method and returns the final response, of whatever class.

    Either from ``from_address`` to ``uri`` or ``to_address``, each of which stands in for the
    other, or inside ``call``. INVITE, ACK and CANCEL, inside a call also BYE, PRACK and UPDATE,
    are not sent this way. Raises InvalidArgument, TimedOut, Unavailable where the far end cannot
    be reached, NotFound if the call is over.
    """
    return pb.TransactRequest(
        request_id=request_id,
        call=call,
        method=method,
        uri=uri,
        from_address=None if from_address is None else as_address(from_address),
        to_address=None if to_address is None else as_address(to_address),
        body=None if body is None else as_body(body),
        credentials=as_credentials(credentials),
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
