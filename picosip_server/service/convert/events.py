"""Events for the API. The SIP message that caused one is encoded apart."""

from __future__ import annotations

from picosip.v1 import event_service_pb2 as pb
from picosip_server.service.clock import Clock
from picosip_server.service.convert import descriptions, resources, subscriptions, values
from picosip_server.service.convert.values import clean
from picosip_server.sip.ua import events
from picosip_server.sip.ua.snapshots import CallSnapshot, RegistrationSnapshot
from picosip_server.sip.ua.subscription.events import (
    NotificationReceived,
    PublicationChanged,
    SubscriptionChanged,
    SubscriptionSnapshot,
)


def event(value: events.Event, revision: int, clock: Clock) -> pb.Event:
    """The event under its revision, without its SIP message.

    Raises TypeError for a kind that the API does not have.
    """
    result = pb.Event(revision=revision, time=clock.timestamp(value.at), resource=value.resource)
    if value.labels:
        result.labels.update(value.labels)
    # The most frequent kinds first.
    match value:
        case events.CallProgressed():
            result.call_progressed.CopyFrom(_progressed(value))
        case events.CallAnswered():
            result.call_answered.CopyFrom(_answered(value))
        case events.CallConfirmed():
            result.call_confirmed.SetInParent()
            description = descriptions.to_proto(value.description)
            if description is not None:
                result.call_confirmed.description.CopyFrom(description)
        case events.CallEnded():
            result.call_ended.termination.CopyFrom(resources.termination(value.termination))
        case events.CallCreated():
            result.call_created.call.CopyFrom(resources.call(value.call, clock))
        case events.CallReceived():
            result.call_received.CopyFrom(_received(value, clock))
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
            result.call_forked.dialog.CopyFrom(resources.dialog(value.dialog))
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
        result.snapshot.call.CopyFrom(resources.call(value, clock))
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


def _received(value: events.CallReceived, clock: Clock) -> pb.CallReceived:
    return pb.CallReceived(
        call=resources.call(value.call, clock),
        offer=descriptions.to_proto(value.offer),
        answer_by=clock.timestamp(value.answer_by),
        replaces=value.replaces,
    )


def _progressed(value: events.CallProgressed) -> pb.CallProgressed:
    return pb.CallProgressed(
        status=values.status(value.status, value.reason),
        remote_tag=clean(value.remote_tag),
        reliable=value.reliable,
        description=descriptions.to_proto(value.description),
    )


def _answered(value: events.CallAnswered) -> pb.CallAnswered:
    return pb.CallAnswered(
        status=values.status(value.status, value.reason),
        remote_tag=clean(value.remote_tag),
        description=descriptions.to_proto(value.description),
    )


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
