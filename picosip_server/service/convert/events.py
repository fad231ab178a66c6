"""Events for the API. The SIP message that caused one is encoded apart."""

from __future__ import annotations

from picosip.v1 import event_service_pb2 as pb
from picosip_server.service import wire
from picosip_server.service.clock import Clock
from picosip_server.service.convert import descriptions, resources, subscriptions, values
from picosip_server.service.convert.values import clean
from picosip_server.sip.ua import events
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.snapshots import CallSnapshot, RegistrationSnapshot
from picosip_server.sip.ua.subscription.events import (
    NotificationReceived,
    PublicationChanged,
    SubscriptionChanged,
    SubscriptionSnapshot,
)

_CALL = wire.tag(pb.CallReceived.CALL_FIELD_NUMBER)
_OFFER = wire.tag(pb.CallReceived.OFFER_FIELD_NUMBER)
_CREATED_CALL = wire.tag(pb.CallCreated.CALL_FIELD_NUMBER)
_DESCRIPTION_OF_PROGRESS = wire.tag(pb.CallProgressed.DESCRIPTION_FIELD_NUMBER)
_DESCRIPTION_OF_ANSWER = wire.tag(pb.CallAnswered.DESCRIPTION_FIELD_NUMBER)
_CREATED = wire.tag(pb.Event.CALL_CREATED_FIELD_NUMBER)
_RECEIVED = wire.tag(pb.Event.CALL_RECEIVED_FIELD_NUMBER)
_PROGRESSED = wire.tag(pb.Event.CALL_PROGRESSED_FIELD_NUMBER)
_ANSWERED = wire.tag(pb.Event.CALL_ANSWERED_FIELD_NUMBER)


def octets(value: events.Event, revision: int, clock: Clock) -> bytes:
    """The event under its revision, encoded, without its SIP message.

    Where it holds a description or a call, these are put together from encoded parts: to move
    a message into another one, protobuf encodes and parses it. Raises TypeError for a kind
    that the API does not have.
    """
    match value:
        case events.CallReceived():
            kind = wire.field(_RECEIVED, _received(value, clock))
        case events.CallAnswered():
            kind = wire.field(_ANSWERED, _answered(value))
        case events.CallProgressed():
            kind = wire.field(_PROGRESSED, _progressed(value))
        case events.CallCreated():
            call = resources.call_octets(value.call, clock)
            kind = wire.field(_CREATED, wire.field(_CREATED_CALL, call))
        case _:
            return _event(value, revision, clock).SerializeToString()
    return _head(value, revision, clock).SerializeToString() + kind


def _head(value: events.Event, revision: int, clock: Clock) -> pb.Event:
    result = pb.Event(revision=revision, resource=value.resource)
    clock.put(result.time, value.at)
    if value.labels:
        result.labels.update(value.labels)
    return result


def _event(value: events.Event, revision: int, clock: Clock) -> pb.Event:
    """The event under its revision, without its SIP message.

    Raises TypeError for a kind that the API does not have.
    """
    result = _head(value, revision, clock)
    # The most frequent kinds first.
    match value:
        case events.CallConfirmed():
            result.call_confirmed.SetInParent()
            description = descriptions.to_proto(value.description)
            if description is not None:
                result.call_confirmed.description.CopyFrom(description)
        case events.CallEnded():
            resources.put_termination(result.call_ended.termination, value.termination)
        case events.RegistrationChanged():
            result.registration_changed.registration.CopyFrom(
                resources.registration(value.registration, clock)
            )
        case events.DtmfReceived():
            result.dtmf_received.CopyFrom(_dtmf(value))
        case events.IncomingRequest():
            result.incoming_request.CopyFrom(_incoming_request(value, clock))
        case events.IncomingRequestClosed():
            result.incoming_request_closed.CopyFrom(
                pb.IncomingRequestClosed(
                    name=value.name, status=values.status(value.status, value.reason)
                )
            )
        case events.CallForked():
            resources.put_dialog(result.call_forked.dialog, value.dialog)
        case events.CallModified():
            result.call_modified.CopyFrom(_modified(value))
        case events.TransferProgressed():
            result.transfer_progressed.CopyFrom(
                pb.TransferProgressed(
                    transfer=value.transfer,
                    status=values.status(value.status, value.reason),
                    done=value.done,
                )
            )
        case events.CallHeld():
            result.call_held.CopyFrom(
                pb.CallHeld(local_hold=value.local_hold, remote_hold=value.remote_hold)
            )
        case events.CallRedirected():
            result.call_redirected.CopyFrom(_redirected(value))
        case SubscriptionChanged():
            result.subscription_changed.CopyFrom(subscriptions.changed(value, clock))
        case NotificationReceived():
            result.notification_received.CopyFrom(
                pb.NotificationReceived(
                    subscription=subscriptions.subscription(value.subscription, clock),
                    body=values.body(value.body),
                )
            )
        case PublicationChanged():
            result.publication_changed.CopyFrom(subscriptions.publication_changed(value, clock))
        case _:
            raise TypeError(f"no event of the API for {type(value).__name__}")
    return result


def snapshot(
    value: CallSnapshot | RegistrationSnapshot | SubscriptionSnapshot,
    revision: int,
    at: float,
    clock: Clock,
) -> pb.Event:
    """A live resource as it stood at ``at``, when the log was at ``revision``."""
    result = pb.Event(
        revision=revision, time=clock.timestamp(at), resource=value.name, labels=value.labels
    )
    if isinstance(value, CallSnapshot):
        resources.put_call(result.snapshot.call, value, clock)
    elif isinstance(value, SubscriptionSnapshot):
        result.snapshot.subscription.CopyFrom(subscriptions.subscription(value, clock))
    else:
        result.snapshot.registration.CopyFrom(resources.registration(value, clock))
    return result


def draining(deadline: float, revision: int, at: float, clock: Clock) -> pb.Event:
    """The server takes no new work and ends what runs at ``deadline``."""
    return pb.Event(
        revision=revision,
        time=clock.timestamp(at),
        server_draining=pb.ServerDraining(deadline=clock.timestamp(deadline)),
    )


def _received(value: events.CallReceived, clock: Clock) -> bytes:
    rest = pb.CallReceived(replaces=value.replaces)
    clock.put(rest.answer_by, value.answer_by)
    call = wire.field(_CALL, resources.call_octets(value.call, clock))
    return call + _described(_OFFER, value.offer) + rest.SerializeToString()


def _progressed(value: events.CallProgressed) -> bytes:
    result = pb.CallProgressed(remote_tag=clean(value.remote_tag), reliable=value.reliable)
    values.put_status(result.status, value.status, value.reason)
    return result.SerializeToString() + _described(_DESCRIPTION_OF_PROGRESS, value.description)


def _answered(value: events.CallAnswered) -> bytes:
    result = pb.CallAnswered(remote_tag=clean(value.remote_tag))
    values.put_status(result.status, value.status, value.reason)
    return result.SerializeToString() + _described(_DESCRIPTION_OF_ANSWER, value.description)


def _described(tag: bytes, description: Body | None) -> bytes:
    return b"" if description is None else wire.field(tag, descriptions.to_octets(description))


def _modified(value: events.CallModified) -> pb.CallModified:
    return pb.CallModified(
        local_description=descriptions.to_proto(value.local_description),
        remote_description=descriptions.to_proto(value.remote_description),
    )


def _dtmf(value: events.DtmfReceived) -> pb.DtmfReceived:
    length = None if value.duration is None else values.duration(value.duration)
    return pb.DtmfReceived(digit=value.digit, duration=length)


def _redirected(value: events.CallRedirected) -> pb.CallRedirected:
    return pb.CallRedirected(
        status=values.status(value.status, value.reason),
        contacts=values.addresses(value.contacts),
    )


def _incoming_request(value: events.IncomingRequest, clock: Clock) -> pb.IncomingRequest:
    return pb.IncomingRequest(
        name=value.name,
        call=value.call,
        method=clean(value.method),
        from_address=values.address(value.from_address),
        to_address=values.address(value.to_address),
        headers=values.headers(value.headers),
        body=values.body(value.body),
        offer=descriptions.to_proto(value.offer),
        respond_by=clock.timestamp(value.respond_by),
        contacts=values.addresses(value.contacts),
        authenticated_user=clean(value.authenticated_user),
        refer_to=None if value.refer_to is None else values.address(value.refer_to),
        referred_by=None if value.referred_by is None else values.address(value.referred_by),
    )
