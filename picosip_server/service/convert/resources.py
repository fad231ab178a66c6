"""Calls and registrations for the API."""

from __future__ import annotations

from picosip.v1 import call_service_pb2 as call_pb, registration_service_pb2 as registration_pb
from picosip_server.service import wire
from picosip_server.service.clock import Clock
from picosip_server.service.convert import descriptions
from picosip_server.service.convert.values import (
    address,
    addresses,
    clean,
    duration,
    put_address,
    put_status,
    status,
)
from picosip_server.sip.hop import bracketed
from picosip_server.sip.ua.snapshots import (
    CallDirection,
    CallSnapshot,
    CallState,
    Cause,
    DialogSnapshot,
    FlowSnapshot,
    OfferAnswerState,
    RegistrationSnapshot,
    RegistrationState,
    SessionTimerSnapshot,
    Termination,
)

_LOCAL_DESCRIPTION = wire.tag(call_pb.Call.LOCAL_DESCRIPTION_FIELD_NUMBER)
_REMOTE_DESCRIPTION = wire.tag(call_pb.Call.REMOTE_DESCRIPTION_FIELD_NUMBER)
_CALL_STATES = {
    CallState.CALLING: call_pb.Call.STATE_CALLING,
    CallState.INCOMING: call_pb.Call.STATE_INCOMING,
    CallState.EARLY: call_pb.Call.STATE_EARLY,
    CallState.CONNECTING: call_pb.Call.STATE_CONNECTING,
    CallState.CONFIRMED: call_pb.Call.STATE_CONFIRMED,
    CallState.TERMINATING: call_pb.Call.STATE_TERMINATING,
    CallState.TERMINATED: call_pb.Call.STATE_TERMINATED,
}
_DIRECTIONS = {
    CallDirection.OUTGOING: call_pb.Call.DIRECTION_OUTGOING,
    CallDirection.INCOMING: call_pb.Call.DIRECTION_INCOMING,
}
_OFFER_ANSWER_STATES = {
    OfferAnswerState.NONE: call_pb.OFFER_ANSWER_STATE_UNSPECIFIED,
    OfferAnswerState.LOCAL_OFFER: call_pb.OFFER_ANSWER_STATE_LOCAL_OFFER,
    OfferAnswerState.REMOTE_OFFER: call_pb.OFFER_ANSWER_STATE_REMOTE_OFFER,
    OfferAnswerState.STABLE: call_pb.OFFER_ANSWER_STATE_STABLE,
}
_CAUSES = {
    Cause.LOCAL_HANGUP: call_pb.Termination.CAUSE_LOCAL_HANGUP,
    Cause.REMOTE_HANGUP: call_pb.Termination.CAUSE_REMOTE_HANGUP,
    Cause.REJECTED: call_pb.Termination.CAUSE_REJECTED,
    Cause.CANCELLED: call_pb.Termination.CAUSE_CANCELLED,
    Cause.REDIRECTED: call_pb.Termination.CAUSE_REDIRECTED,
    Cause.TIMEOUT: call_pb.Termination.CAUSE_TIMEOUT,
    Cause.TRANSPORT_FAILURE: call_pb.Termination.CAUSE_TRANSPORT_FAILURE,
    Cause.SESSION_EXPIRED: call_pb.Termination.CAUSE_SESSION_EXPIRED,
    Cause.TRANSFERRED: call_pb.Termination.CAUSE_TRANSFERRED,
    Cause.SERVER_SHUTDOWN: call_pb.Termination.CAUSE_SERVER_SHUTDOWN,
}
_REGISTRATION_STATES = {
    RegistrationState.REGISTERING: registration_pb.Registration.STATE_REGISTERING,
    RegistrationState.ACTIVE: registration_pb.Registration.STATE_ACTIVE,
    RegistrationState.FAILED: registration_pb.Registration.STATE_FAILED,
    RegistrationState.UNREGISTERING: registration_pb.Registration.STATE_UNREGISTERING,
    RegistrationState.TERMINATED: registration_pb.Registration.STATE_TERMINATED,
}


def call(value: CallSnapshot, clock: Clock) -> call_pb.Call:
    """A call as it stands."""
    result = call_pb.Call()
    put_call(result, value, clock)
    return result


def put_call(to: call_pb.Call, value: CallSnapshot, clock: Clock) -> None:
    """Sets ``to``, a field in its place, to a call as it stands."""
    _put(to, value, clock)
    if value.local_description is not None:
        to.local_description.MergeFromString(descriptions.to_octets(value.local_description))
    if value.remote_description is not None:
        to.remote_description.MergeFromString(descriptions.to_octets(value.remote_description))


def call_octets(value: CallSnapshot, clock: Clock) -> bytes:
    """The same, encoded; the descriptions, the largest parts of it, need not be encoded anew."""
    call = call_pb.Call()
    _put(call, value, clock)
    octets = call.SerializeToString()
    local, remote = value.local_description, value.remote_description
    if local is not None:
        octets += wire.field(_LOCAL_DESCRIPTION, descriptions.to_octets(local))
    if remote is not None:
        octets += wire.field(_REMOTE_DESCRIPTION, descriptions.to_octets(remote))
    return octets


def _put(to: call_pb.Call, value: CallSnapshot, clock: Clock) -> None:
    """All but the descriptions."""
    # Fields are set in their places: protobuf copies messages that are moved there, by
    # encoding and parsing them.
    to.name = value.name
    to.state = _CALL_STATES[value.state]
    to.direction = _DIRECTIONS[value.direction]
    put_address(to.from_address, value.from_address)
    put_address(to.to_address, value.to_address)
    to.request_uri = clean(value.request_uri)
    to.sip_call_id = clean(value.sip_call_id)
    to.local_tag = clean(value.local_tag)
    for each in value.dialogs:
        put_dialog(to.dialogs.add(), each)
    to.offer_answer_state = _OFFER_ANSWER_STATES[value.offer_answer_state]
    if value.local_hold:
        to.local_hold = True
    if value.remote_hold:
        to.remote_hold = True
    if value.session_timer is not None:
        to.session_timer.CopyFrom(session_timer(value.session_timer))
    if value.termination is not None:
        put_termination(to.termination, value.termination)
    clock.put(to.create_time, value.create_time)
    if value.answer_time is not None:
        clock.put(to.answer_time, value.answer_time)
    if value.end_time is not None:
        clock.put(to.end_time, value.end_time)
    if value.labels:
        to.labels.update(value.labels)
    if value.authenticated_user:
        to.authenticated_user = clean(value.authenticated_user)


def put_dialog(to: call_pb.Dialog, value: DialogSnapshot) -> None:
    """Sets ``to`` to one dialog of a call."""
    to.remote_tag = clean(value.remote_tag)
    to.remote_target = clean(value.remote_target)
    to.route_set.extend(map(clean, value.route_set))
    to.early = value.early


def session_timer(value: SessionTimerSnapshot) -> call_pb.SessionTimer:
    """A session timer that runs."""
    ours, theirs = call_pb.SessionTimer.REFRESHER_LOCAL, call_pb.SessionTimer.REFRESHER_REMOTE
    return call_pb.SessionTimer(
        interval=duration(value.interval),
        min_se=duration(value.min_se) if value.min_se else None,
        refresher=ours if value.we_refresh else theirs,
    )


def put_termination(to: call_pb.Termination, value: Termination) -> None:
    """Sets ``to`` to how a call ended."""
    to.cause = _CAUSES[value.cause]
    put_status(to.status, value.status, value.reason)
    if value.reasons:
        to.reasons.extend(map(clean, value.reasons))


def registration(value: RegistrationSnapshot, clock: Clock) -> registration_pb.Registration:
    """A registration as it stands."""
    expires = value.expire_time
    return registration_pb.Registration(
        name=value.name,
        state=_REGISTRATION_STATES[value.state],
        registrar_uri=clean(value.registrar),
        aor=address(value.aor),
        contacts=addresses(value.contacts),
        expires=duration(value.expires),
        expire_time=None if expires is None else clock.timestamp(expires),
        last_status=status(value.last_status, value.last_reason),
        service_route=map(clean, value.service_route),
        labels=value.labels,
        path=map(clean, value.path),
        pub_gruu=clean(value.pub_gruu),
        temp_gruu=clean(value.temp_gruu),
        flows=[flow(each, clock) for each in value.flows],
    )


def flow(value: FlowSnapshot, clock: Clock) -> registration_pb.Registration.Flow:
    """One binding of a registration."""
    expires, seen = value.expire_time, value.seen
    return registration_pb.Registration.Flow(
        reg_id=value.reg_id,
        edge=clean(value.edge),
        state=_REGISTRATION_STATES[value.state],
        outbound=value.outbound,
        reflexive_address="" if seen is None else f"{bracketed(seen.host)}:{seen.port}",
        expire_time=None if expires is None else clock.timestamp(expires),
        last_status=status(value.last_status, value.last_reason),
    )
