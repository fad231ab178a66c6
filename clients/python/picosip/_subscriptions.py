"""The RPCs of SubscriptionService, each as the function that builds its request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

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
    duration,
    with_headers,
)
from picosip.v1 import sip_pb2, subscription_service_pb2 as pb

StateLike = Literal["pending", "active", "terminated"]
"""A Subscription.State by its name."""


def _state(name: StateLike | None) -> pb.Subscription.State.ValueType:
    if name is None:
        return pb.Subscription.STATE_UNSPECIFIED
    return pb.Subscription.State.Value(f"STATE_{name.upper()}")


@unary(
    "/picosip.v1.SubscriptionService/Subscribe",
    pb.SubscribeResponse,
    lambda response: response.subscription,
)
def subscribe(
    from_address: AddressLike,
    uri: str,
    event: str,
    *,
    expires: float | None = None,
    accept: Iterable[str] = (),
    body: BodyLike | None = None,
    credentials: CredentialsLike = (),
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
    labels: Mapping[str, str] | None = None,
    request_id: str = "",
) -> pb.SubscribeRequest:
    """Subscribes to an event package at ``uri`` and keeps it refreshed until ``unsubscribe``.

    ``event`` is a package such as ``presence``, with an id parameter if need be. ``expires`` is
    in seconds: None leaves it to the server, 0 asks for the state once. ``accept``: body types
    that are understood. Returns once the notifier has accepted; the state comes in
    NotificationReceived events, from each fork under a name of its own.

    Raises Refused where the notifier refuses, TimedOut where it says nothing, Unavailable where
    it cannot be reached, InvalidArgument.
    """
    return pb.SubscribeRequest(
        request_id=request_id,
        from_address=as_address(from_address),
        uri=uri,
        event=event,
        expires=duration(expires),
        accept=accept,
        body=None if body is None else as_body(body),
        credentials=as_credentials(credentials),
        options=with_headers(options, headers),
        labels=labels,
    )


@unary(
    "/picosip.v1.SubscriptionService/Unsubscribe",
    pb.UnsubscribeResponse,
    lambda response: None,
)
def unsubscribe(name: str, *, request_id: str = "") -> pb.UnsubscribeRequest:
    """Ends a subscription; returns after the last NOTIFY. Raises NotFound, TimedOut, Refused."""
    return pb.UnsubscribeRequest(request_id=request_id, name=name)


@unary(
    "/picosip.v1.SubscriptionService/AcceptSubscription",
    pb.AcceptSubscriptionResponse,
    lambda response: response.subscription,
)
def accept_subscription(
    name: str,
    body: BodyLike | None = None,
    *,
    state: Literal["pending", "active"] | None = None,
    expires: float | None = None,
    request_id: str = "",
) -> pb.AcceptSubscriptionRequest:
    """Accepts an incoming SUBSCRIBE, and sends ``body``, the state, in a NOTIFY at once.

    ``state`` None: active. ``expires``: the longest that is granted, in seconds; None: what the
    subscriber asks for. Raises NotFound, WrongState where it was answered already.
    """
    return pb.AcceptSubscriptionRequest(
        request_id=request_id,
        name=name,
        state=_state(state),
        expires=duration(expires),
        body=None if body is None else as_body(body),
    )


@unary(
    "/picosip.v1.SubscriptionService/RejectSubscription",
    pb.RejectSubscriptionResponse,
    lambda response: None,
)
def reject_subscription(
    name: str,
    status: StatusLike | None = None,
    *,
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
    request_id: str = "",
) -> pb.RejectSubscriptionRequest:
    """Refuses an incoming SUBSCRIBE, with 603 unless told otherwise. Raises NotFound."""
    return pb.RejectSubscriptionRequest(
        request_id=request_id,
        name=name,
        status=as_status(status),
        options=with_headers(options, headers),
    )


@unary("/picosip.v1.SubscriptionService/Notify", pb.NotifyResponse, lambda response: None)
def notify(
    name: str,
    body: BodyLike | None = None,
    *,
    state: StateLike | None = None,
    reason: str = "",
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
    request_id: str = "",
) -> pb.NotifyRequest:
    """Sends a NOTIFY to a subscriber; returns once it has taken it.

    ``body`` is the whole state; the server sends it again to a subscriber that refreshes.
    ``state`` None: as it is. ``terminated`` ends the subscription, for ``reason`` (RFC 6665
    section 4.1.3). Raises NotFound, Refused, TimedOut.
    """
    return pb.NotifyRequest(
        request_id=request_id,
        name=name,
        state=_state(state),
        reason=reason,
        body=None if body is None else as_body(body),
        options=with_headers(options, headers),
    )


@unary("/picosip.v1.SubscriptionService/Publish", pb.PublishResponse, lambda response: response)
def publish(
    from_address: AddressLike,
    uri: str,
    event: str,
    body: BodyLike,
    *,
    expires: float | None = None,
    credentials: CredentialsLike = (),
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
    request_id: str = "",
) -> pb.PublishRequest:
    """Publishes event state and keeps it refreshed until ``unpublish`` (RFC 3903).

    ``expires`` is in seconds, None leaves it to the server. Returns the publication's name and
    when it expires unless refreshed. Raises Refused, TimedOut, Unavailable, InvalidArgument.
    """
    return pb.PublishRequest(
        request_id=request_id,
        from_address=as_address(from_address),
        uri=uri,
        event=event,
        expires=duration(expires),
        body=as_body(body),
        credentials=as_credentials(credentials),
        options=with_headers(options, headers),
    )


@unary("/picosip.v1.SubscriptionService/Publish", pb.PublishResponse, lambda response: response)
def republish(
    name: str,
    body: BodyLike | None = None,
    *,
    expires: float | None = None,
    request_id: str = "",
) -> pb.PublishRequest:
    """Publishes other state in the place of a publication's; None: the same for longer.

    Raises NotFound, Refused, TimedOut.
    """
    return pb.PublishRequest(
        request_id=request_id,
        name=name,
        body=None if body is None else as_body(body),
        expires=duration(expires),
    )


@unary("/picosip.v1.SubscriptionService/Unpublish", pb.UnpublishResponse, lambda response: None)
def unpublish(name: str, *, request_id: str = "") -> pb.UnpublishRequest:
    """Takes published state back. Raises NotFound, Refused, TimedOut."""
    return pb.UnpublishRequest(request_id=request_id, name=name)
