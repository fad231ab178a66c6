"""The RPCs of CallService, each as the function that builds its request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from picosip._rpc import unary
from picosip._values import (
    AddressLike,
    CredentialsLike,
    HeadersLike,
    StatusLike,
    as_address,
    as_addresses,
    as_credentials,
    as_status,
    duration as as_duration,
    with_headers,
)
from picosip.v1 import call_service_pb2 as pb, sdp_pb2, sip_pb2

_WAIT_FOR = {
    "created": pb.InviteRequest.WAIT_FOR_UNSPECIFIED,
    "progress": pb.InviteRequest.WAIT_FOR_PROGRESS,
    "final": pb.InviteRequest.WAIT_FOR_FINAL,
}

_MODIFY_METHODS = {
    "default": pb.ModifyRequest.METHOD_UNSPECIFIED,
    "invite": pb.ModifyRequest.METHOD_INVITE,
    "update": pb.ModifyRequest.METHOD_UPDATE,
}


@unary("/picosip.v1.CallService/Invite", pb.InviteResponse, lambda response: response.call)
def invite(
    from_address: AddressLike,
    to_address: AddressLike,
    offer: sdp_pb2.SessionDescription | None = None,
    *,
    request_uri: str = "",
    extra_bodies: Iterable[sip_pb2.Body] = (),
    credentials: CredentialsLike = (),
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
    policy: pb.CallPolicy | None = None,
    labels: Mapping[str, str] | None = None,
    wait_for: Literal["created", "progress", "final"] = "created",
    request_id: str = "",
) -> pb.InviteRequest:
    """Places a call and returns it as soon as it exists, or as ``wait_for`` says.

    Without ``offer`` the far end makes one, which comes with ``CallAnswered`` and wants
    ``answer``. ``request_uri`` is the URI of ``to_address`` unless given. ``labels`` are
    copied to every event of the call.

    Raises InvalidArgument if something in it is wrong; with ``wait_for="final"`` also Refused
    where the far end refuses, TimedOut where it says nothing, Unavailable where it cannot
    be reached.
    """
    return pb.InviteRequest(
        request_id=request_id,
        from_address=as_address(from_address),
        to_address=as_address(to_address),
        request_uri=request_uri,
        offer=offer,
        extra_bodies=extra_bodies,
        credentials=as_credentials(credentials),
        options=with_headers(options, headers),
        policy=policy,
        labels=labels,
        wait_for=_WAIT_FOR[wait_for],
    )


@unary("/picosip.v1.CallService/Progress", pb.ProgressResponse, lambda response: response.call)
def progress(
    name: str,
    status: StatusLike = 180,
    description: sdp_pb2.SessionDescription | None = None,
    *,
    reliable: bool = False,
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
    request_id: str = "",
) -> pb.ProgressRequest:
    """Sends a 101 to 199 on an incoming call; reliably (RFC 3262) if asked.

    Raises NotFound if the call is over, WrongState if it was answered already or the far end
    does not support 100rel, TimedOut if it never acknowledges a reliable one.
    """
    return pb.ProgressRequest(
        request_id=request_id,
        name=name,
        status=as_status(status),
        description=description,
        reliable=reliable,
        options=with_headers(options, headers),
    )


@unary("/picosip.v1.CallService/Answer", pb.AnswerResponse, lambda response: response.call)
def answer(
    name: str,
    description: sdp_pb2.SessionDescription | None = None,
    *,
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
    policy: pb.CallPolicy | None = None,
    no_wait: bool = False,
    request_id: str = "",
) -> pb.AnswerRequest:
    """Answers an incoming call with a 2xx and returns once the ACK is in.

    With ``no_wait`` it returns once the 2xx is out. On an outgoing call that was made without
    an offer it answers the far end's offer instead.

    Raises NotFound if the call is over, WrongState if something else answered it first,
    TimedOut if the ACK never came (after 32 s).
    """
    return pb.AnswerRequest(
        request_id=request_id,
        name=name,
        description=description,
        options=with_headers(options, headers),
        policy=policy,
        no_wait=no_wait,
    )


@unary("/picosip.v1.CallService/Reject", pb.RejectResponse, lambda response: response.call)
def reject(
    name: str,
    status: StatusLike = 603,
    *,
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
    request_id: str = "",
) -> pb.RejectRequest:
    """Refuses an incoming call with a 4xx, 5xx or 6xx.

    Raises NotFound if the call is over, WrongState if something else answered it first.
    """
    return pb.RejectRequest(
        request_id=request_id,
        name=name,
        status=as_status(status),
        options=with_headers(options, headers),
    )


@unary("/picosip.v1.CallService/Redirect", pb.RedirectResponse, lambda response: response.call)
def redirect(
    name: str,
    contacts: Iterable[AddressLike],
    status: StatusLike = 302,
    *,
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
    request_id: str = "",
) -> pb.RedirectRequest:
    """Sends the caller of an incoming call to other addresses, by a 3xx.

    Raises NotFound if the call is over, WrongState if something else answered it first.
    """
    return pb.RedirectRequest(
        request_id=request_id,
        name=name,
        status=as_status(status),
        contacts=as_addresses(contacts),
        options=with_headers(options, headers),
    )


@unary("/picosip.v1.CallService/Hangup", pb.HangupResponse, lambda response: response.call)
def hangup(
    name: str,
    status: StatusLike | None = None,
    *,
    remote_tag: str = "",
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
    request_id: str = "",
) -> pb.HangupRequest:
    """Ends a call by whatever ends it now: CANCEL, BYE, or a refusal with ``status``.

    Returns once the far end has answered that, or its time (32 s) is over. ``remote_tag`` ends
    only one dialog of a call with several. Raises NotFound if the call is over.
    """
    return pb.HangupRequest(
        request_id=request_id,
        name=name,
        status=as_status(status),
        options=with_headers(options, headers),
        remote_tag=remote_tag,
    )


@unary("/picosip.v1.CallService/SendDtmf", pb.SendDtmfResponse, lambda response: None)
def send_dtmf(
    name: str,
    digits: str,
    *,
    duration: float | None = None,
    gap: float | None = None,
    content_type: str = "",
    request_id: str = "",
) -> pb.SendDtmfRequest:
    """Sends digits (0-9 * # A-D) by INFO, one after the other; a comma is a pause of 2 s.

    Each lasts ``duration`` seconds (0.16 unless given) and is followed by a ``gap`` (0.1). As
    ``application/dtmf-relay``, or what ``content_type`` says: ``application/dtmf``. Returns once
    the far end has taken the last one.

    Raises Refused, or a narrower error, at the first digit that the far end does not take,
    NotFound if the call is over, WrongState if it has no dialog yet.
    """
    return pb.SendDtmfRequest(
        request_id=request_id,
        name=name,
        digits=digits,
        duration=as_duration(duration),
        gap=as_duration(gap),
        content_type=content_type,
    )


@unary("/picosip.v1.CallService/Modify", pb.ModifyResponse, lambda response: response.call)
def modify(
    name: str,
    offer: sdp_pb2.SessionDescription | None = None,
    *,
    method: Literal["default", "invite", "update"] = "default",
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
    request_id: str = "",
) -> pb.ModifyRequest:
    """Offers another session by re-INVITE or UPDATE; without ``offer``, refreshes the present one.

    With method "invite" and no offer the far end makes one: a CallModified event without a
    local description, which ``answer`` answers. Returns once the far end has answered.

    Raises NotFound if the call is over, WrongState if another change is under way, and what
    fits the far end's refusal.
    """
    return pb.ModifyRequest(
        request_id=request_id,
        name=name,
        offer=offer,
        method=_MODIFY_METHODS[method],
        options=with_headers(options, headers),
    )


@unary("/picosip.v1.CallService/Hold", pb.HoldResponse, lambda response: response.call)
def hold(name: str, *, request_id: str = "") -> pb.HoldRequest:
    """Puts the far end on hold: the present session, without its media.

    Raises NotFound if the call is over, WrongState if another change is under way or there is
    no session description.
    """
    return pb.HoldRequest(request_id=request_id, name=name)


@unary("/picosip.v1.CallService/Resume", pb.ResumeResponse, lambda response: response.call)
def resume(name: str, *, request_id: str = "") -> pb.ResumeRequest:
    """Ends a hold. Raises as ``hold`` does."""
    return pb.ResumeRequest(request_id=request_id, name=name)


@unary("/picosip.v1.CallService/Transfer", pb.TransferResponse, lambda response: response.transfer)
def transfer(
    name: str,
    target: str,
    *,
    referred_by: AddressLike | None = None,
    without_progress: bool = False,
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
    request_id: str = "",
) -> pb.TransferRequest:
    """Has the far end call ``target``: a URI, or the name of another call ("calls/..."), in which
    it is then to take this side's place.

    Returns the transfer's name once the far end has agreed; how it goes arrives as
    TransferProgressed events, unless ``without_progress``. The call itself stays: hang it up.

    Raises NotFound if a call is over, WrongState if one is not confirmed, and what fits the far
    end's refusal.
    """
    request = pb.TransferRequest(
        request_id=request_id,
        name=name,
        referred_by=None if referred_by is None else as_address(referred_by),
        without_progress=without_progress,
        options=with_headers(options, headers),
    )
    if target.startswith("calls/"):
        request.call = target
    else:
        request.uri = target
    return request


@unary("/picosip.v1.CallService/GetCall", pb.GetCallResponse, lambda response: response.call)
def get_call(name: str) -> pb.GetCallRequest:
    """The present state of a call. Raises NotFound if it is over."""
    return pb.GetCallRequest(name=name)


@unary("/picosip.v1.CallService/ListCalls", pb.ListCallsResponse, lambda response: response.calls)
def list_calls(
    labels: Mapping[str, str] | None = None, *, page_size: int = 0
) -> pb.ListCallsRequest:
    """Iterates over the calls that are up and carry all of ``labels``, page by page.

    ``page_size`` 0 leaves the size of a page to the server.
    """
    return pb.ListCallsRequest(page_size=page_size, labels=labels)
