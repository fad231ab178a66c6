"""Subscriptions and publications: the API's requests as commands, and their state for the API."""

from __future__ import annotations

import math

from google.protobuf.duration_pb2 import Duration

from picosip.v1 import event_service_pb2 as event_pb, subscription_service_pb2 as pb
from picosip_server.service.clock import Clock
from picosip_server.service.convert import parts, values
from picosip_server.service.convert.commands import MakeCommand
from picosip_server.service.convert.values import clean
from picosip_server.service.validate import ALWAYS_RESERVED, CONTACT_RESERVED, Check
from picosip_server.sip.errors import ParseError
from picosip_server.sip.ua.subscription import commands
from picosip_server.sip.ua.subscription.events import (
    IncomingSubscribe,
    PublicationChanged,
    SubscriptionChanged,
    SubscriptionRole,
    SubscriptionSnapshot,
)
from picosip_server.sip.ua.subscription.header import SubscriptionState, split_event

_DEFAULT_EXPIRES = 3600.0
_LONGEST_EXPIRES = 2**32 - 1
_MOST_TYPES = 32
_SUBSCRIBE_RESERVED = CONTACT_RESERVED | {"event", "expires", "accept", "subscription-state"}
_NOTIFY_RESERVED = CONTACT_RESERVED | {"event", "subscription-state"}
_PUBLISH_RESERVED = ALWAYS_RESERVED | {"event", "expires", "sip-if-match", "sip-etag"}
_STATES = {
    SubscriptionState.PENDING: pb.Subscription.STATE_PENDING,
    SubscriptionState.ACTIVE: pb.Subscription.STATE_ACTIVE,
    SubscriptionState.TERMINATED: pb.Subscription.STATE_TERMINATED,
}
_ROLES = {
    SubscriptionRole.SUBSCRIBER: pb.Subscription.ROLE_SUBSCRIBER,
    SubscriptionRole.NOTIFIER: pb.Subscription.ROLE_NOTIFIER,
}


def subscribe(request: pb.SubscribeRequest) -> MakeCommand:
    """Subscribe."""
    check = Check()
    check.request_id(request.request_id)
    sender = parts.address(check, "from_address", request.from_address)
    uri = check.uri("uri", request.uri)
    event = _event(check, request.event)
    expires = _DEFAULT_EXPIRES
    if request.HasField("expires"):
        expires = _expires(check, request.expires)
    check.count("accept", len(request.accept), _MOST_TYPES)
    for index, accepted in enumerate(request.accept):
        check.media_type(f"accept[{index}]", accepted)
    body = parts.body(check, "body", request.body) if request.HasField("body") else None
    credentials = parts.credentials(check, request.credentials)
    options = parts.options(check, request.options, _SUBSCRIBE_RESERVED)
    labels = check.labels("labels", request.labels)
    check.done()
    return lambda token: commands.Subscribe(
        token=token,
        from_address=sender,
        uri=uri,
        event=event,
        expires=expires,
        accept=tuple(request.accept),
        body=body,
        credentials=credentials,
        options=options,
        labels=labels,
    )


def unsubscribe(request: pb.UnsubscribeRequest) -> MakeCommand:
    """Unsubscribe."""
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "subscriptions")
    check.done()
    return lambda token: commands.Unsubscribe(token=token, name=name)


def accept(request: pb.AcceptSubscriptionRequest) -> MakeCommand:
    """AcceptSubscription."""
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "subscriptions")
    state = _state(check, request.state) or SubscriptionState.ACTIVE
    if state is SubscriptionState.TERMINATED:
        check.fail("state", "must be ACTIVE or PENDING: RejectSubscription refuses")
    expires = None
    if request.HasField("expires"):
        expires = _expires(check, request.expires)
    body = parts.body(check, "body", request.body) if request.HasField("body") else None
    check.done()
    return lambda token: commands.AcceptSubscription(
        token=token, name=name, state=state, expires=expires, body=body
    )


def reject(request: pb.RejectSubscriptionRequest) -> MakeCommand:
    """RejectSubscription."""
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "subscriptions")
    code, reason = parts.status(check, request.status, default=603, least=300, most=699)
    options = parts.options(check, request.options)
    check.done()
    return lambda token: commands.RejectSubscription(
        token=token, name=name, status=code, reason=reason, options=options
    )


def notify(request: pb.NotifyRequest) -> MakeCommand:
    """Notify."""
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "subscriptions")
    state = _state(check, request.state)
    if request.reason:
        check.token("reason", request.reason)
        if state is not SubscriptionState.TERMINATED:
            check.fail("reason", "is for the state TERMINATED only (RFC 6665 section 4.1.3)")
    body = parts.body(check, "body", request.body) if request.HasField("body") else None
    options = parts.options(check, request.options, _NOTIFY_RESERVED)
    check.done()
    return lambda token: commands.Notify(
        token=token, name=name, state=state, reason=request.reason, body=body, options=options
    )


def publish(request: pb.PublishRequest) -> MakeCommand:
    """Publish: a new publication, or other state in the place of one."""
    if request.name:
        return _republish(request)
    check = Check()
    check.request_id(request.request_id)
    sender = parts.address(check, "from_address", request.from_address)
    uri = check.uri("uri", request.uri)
    event = _event(check, request.event)
    expires = _publish_expires(check, request)
    if not request.HasField("body"):
        check.fail("body", "is required: there is nothing published yet")
    body = parts.body(check, "body", request.body)
    credentials = parts.credentials(check, request.credentials)
    options = parts.options(check, request.options, _PUBLISH_RESERVED)
    check.done()
    return lambda token: commands.Publish(
        token=token,
        from_address=sender,
        uri=uri,
        event=event,
        expires=_DEFAULT_EXPIRES if expires is None else expires,
        body=body,
        credentials=credentials,
        options=options,
    )


def _republish(request: pb.PublishRequest) -> MakeCommand:
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "publications")
    for field in ("from_address", "uri", "event", "credentials"):
        if getattr(request, field) and (field != "from_address" or request.from_address.uri):
            check.fail(field, "is that of the publication: only body and expires can change")
    expires = _publish_expires(check, request)
    body = parts.body(check, "body", request.body) if request.HasField("body") else None
    options = None
    if request.HasField("options"):
        options = parts.options(check, request.options, _PUBLISH_RESERVED)
    check.done()
    return lambda token: commands.Republish(
        token=token, name=name, body=body, expires=expires, options=options
    )


def unpublish(request: pb.UnpublishRequest) -> MakeCommand:
    """Unpublish."""
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "publications")
    check.done()
    return lambda token: commands.Unpublish(token=token, name=name)


def _event(check: Check, text: str) -> str:
    check.text("event", text, required=True, most=256)
    try:
        split_event(text)
    except ParseError:
        check.fail("event", 'must be an event package such as "presence", or "dialog;id=2"')
    return text


def _state(check: Check, value: pb.Subscription.State.ValueType) -> SubscriptionState | None:
    if value == pb.Subscription.STATE_UNSPECIFIED:
        return None
    for state, number in _STATES.items():
        if number == value:
            return state
    check.fail("state", "is no value of the enumeration")
    return None


def _expires(check: Check, value: Duration) -> float:
    # Expires has whole seconds (RFC 3261 section 20.19).
    expires = float(math.ceil(check.seconds("expires", value)))
    if expires > _LONGEST_EXPIRES:
        check.fail("expires", f"must not be longer than {_LONGEST_EXPIRES} seconds")
    return expires


def _publish_expires(check: Check, request: pb.PublishRequest) -> float | None:
    if not request.HasField("expires"):
        return None
    expires = _expires(check, request.expires)
    if expires == 0:
        check.fail("expires", "must be longer than zero: Unpublish takes the state back")
    return expires


# For the API.


def subscription(value: SubscriptionSnapshot, clock: Clock) -> pb.Subscription:
    """A subscription as it stands."""
    expires = value.expire_time
    return pb.Subscription(
        name=value.name,
        role=_ROLES[value.role],
        state=_STATES[value.state],
        event=clean(value.event),
        local=values.address(value.local),
        remote=values.address(value.remote),
        expire_time=None if expires is None else clock.timestamp(expires),
        reason=clean(value.reason),
        labels=value.labels,
        call=value.call,
        incoming_request=value.incoming_request,
    )


def changed(value: SubscriptionChanged, clock: Clock) -> event_pb.SubscriptionChanged:
    """A subscription began, or changed."""
    request = value.request
    return event_pb.SubscriptionChanged(
        subscription=subscription(value.subscription, clock),
        request=None if request is None else _request(request, clock),
    )


def _request(value: IncomingSubscribe, clock: Clock) -> event_pb.IncomingSubscribe:
    return event_pb.IncomingSubscribe(
        headers=values.headers(value.headers),
        body=values.body(value.body),
        expires=values.duration(value.expires),
        respond_by=clock.timestamp(value.respond_by),
        authenticated_user=clean(value.authenticated_user),
    )


def publication_changed(value: PublicationChanged, clock: Clock) -> event_pb.PublicationChanged:
    """A refresh failed, or works again."""
    expires = value.publication.expire_time
    return event_pb.PublicationChanged(
        name=value.publication.name,
        expire_time=None if expires is None else clock.timestamp(expires),
        status=values.status(value.status, value.reason),
        detail=clean(value.detail),
        ended=value.ended,
    )
