"""Each kind of event as the API has it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from picosip.v1 import call_service_pb2 as call_pb, event_service_pb2 as pb, sip_pb2
from picosip_server.service.clock import Clock
from picosip_server.service.convert import (
    descriptions,
    events as convert,
    resources,
    values as convert_values,
)
from picosip_server.sip.ua import events
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.snapshots import Cause, DialogSnapshot, Termination
from tests.service import values

CLOCK = Clock(now=lambda: 1000.0, wall=lambda: 1_700_000_000.0)
BUSY = sip_pb2.SipStatus(code=486, reason="Busy Here")
DESCRIBED = descriptions.to_proto(values.SDP)
COMMON: dict[str, Any] = {"resource": "calls/one", "at": 1000.25, "labels": {"a": "b"}}

KINDS: list[tuple[events.Event, pb.Event]] = [
    (
        events.CallCreated(**COMMON, call=values.call(), token=1),
        pb.Event(call_created=pb.CallCreated(call=resources.call(values.call(), CLOCK))),
    ),
    (
        events.CallReceived(**COMMON, call=values.call(), offer=values.SDP, answer_by=1180.0),
        pb.Event(
            call_received=pb.CallReceived(
                call=resources.call(values.call(), CLOCK),
                offer=DESCRIBED,
                answer_by=Timestamp(seconds=1_700_000_180),
            )
        ),
    ),
    (
        events.CallProgressed(
            **COMMON,
            status=183,
            reason="Session Progress",
            remote_tag="b1",
            reliable=True,
            description=values.SDP,
        ),
        pb.Event(
            call_progressed=pb.CallProgressed(
                status=sip_pb2.SipStatus(code=183, reason="Session Progress"),
                remote_tag="b1",
                reliable=True,
                description=DESCRIBED,
            )
        ),
    ),
    (
        events.CallForked(**COMMON, dialog=DialogSnapshot(remote_tag="b2", remote_target="sip:b")),
        pb.Event(
            call_forked=pb.CallForked(dialog=call_pb.Dialog(remote_tag="b2", remote_target="sip:b"))
        ),
    ),
    (
        events.CallAnswered(
            **COMMON, status=200, reason="OK", remote_tag="b1", description=values.SDP
        ),
        pb.Event(
            call_answered=pb.CallAnswered(
                status=sip_pb2.SipStatus(code=200, reason="OK"),
                remote_tag="b1",
                description=DESCRIBED,
            )
        ),
    ),
    (
        events.CallConfirmed(**COMMON, description=values.SDP),
        pb.Event(call_confirmed=pb.CallConfirmed(description=DESCRIBED)),
    ),
    (events.CallConfirmed(**COMMON), pb.Event(call_confirmed=pb.CallConfirmed())),
    (
        events.CallModified(**COMMON, local_description=None, remote_description=values.SDP),
        pb.Event(call_modified=pb.CallModified(remote_description=DESCRIBED)),
    ),
    (
        events.CallHeld(**COMMON, local_hold=True, remote_hold=False),
        pb.Event(call_held=pb.CallHeld(local_hold=True)),
    ),
    (
        events.CallRedirected(
            **COMMON, status=302, reason="Moved Temporarily", contacts=(values.BOB,)
        ),
        pb.Event(
            call_redirected=pb.CallRedirected(
                status=sip_pb2.SipStatus(code=302, reason="Moved Temporarily"),
                contacts=[sip_pb2.Address(uri="sip:bob@example.com")],
            )
        ),
    ),
    (
        events.CallEnded(
            **COMMON,
            termination=Termination(cause=Cause.REJECTED, status=486, reason="Busy Here"),
            sip_call_id="call-1",
        ),
        pb.Event(
            call_ended=pb.CallEnded(
                termination=call_pb.Termination(
                    cause=call_pb.Termination.CAUSE_REJECTED, status=BUSY
                )
            )
        ),
    ),
    (
        events.RegistrationChanged(**COMMON, registration=values.registration()),
        pb.Event(
            registration_changed=pb.RegistrationChanged(
                registration=resources.registration(values.registration(), CLOCK)
            )
        ),
    ),
    (
        events.IncomingRequest(
            **COMMON,
            name="requests/one",
            call="calls/one",
            method="REGISTER",
            from_address=values.ALICE,
            to_address=values.BOB,
            headers=(("Authorization", "Digest 5ec2e7"), ("X-A", "b")),
            body=Body(content_type="a/b", data=b"c"),
            offer=values.SDP,
            respond_by=1010.0,
            contacts=(values.BOB,),
            authenticated_user="alice",
        ),
        pb.Event(
            incoming_request=pb.IncomingRequest(
                name="requests/one",
                call="calls/one",
                method="REGISTER",
                from_address=convert_values.address(values.ALICE),
                to_address=sip_pb2.Address(uri="sip:bob@example.com"),
                headers=[
                    sip_pb2.Header(name="Authorization", value="Digest ***"),
                    sip_pb2.Header(name="X-A", value="b"),
                ],
                body=sip_pb2.Body(content_type="a/b", data=b"c"),
                offer=DESCRIBED,
                respond_by=Timestamp(seconds=1_700_000_010),
                contacts=[sip_pb2.Address(uri="sip:bob@example.com")],
                authenticated_user="alice",
            )
        ),
    ),
    (
        events.TransferProgressed(
            **COMMON, transfer="calls/one/transfers/1", status=200, reason="OK", done=True
        ),
        pb.Event(
            transfer_progressed=pb.TransferProgressed(
                transfer="calls/one/transfers/1",
                status=sip_pb2.SipStatus(code=200, reason="OK"),
                done=True,
            )
        ),
    ),
    (
        events.DtmfReceived(**COMMON, digit="5", duration=0.16),
        pb.Event(dtmf_received=pb.DtmfReceived(digit="5", duration=Duration(nanos=160_000_000))),
    ),
    (
        events.DtmfReceived(**COMMON, digit="#", duration=None),
        pb.Event(dtmf_received=pb.DtmfReceived(digit="#")),
    ),
    (
        events.IncomingRequestClosed(**COMMON, name="requests/one", status=486, reason="Busy Here"),
        pb.Event(
            incoming_request_closed=pb.IncomingRequestClosed(name="requests/one", status=BUSY)
        ),
    ),
    (
        events.IncomingRequestClosed(**COMMON, name="requests/one", status=0),
        pb.Event(incoming_request_closed=pb.IncomingRequestClosed(name="requests/one")),
    ),
]


@pytest.mark.parametrize(("event", "expected"), KINDS)
def test_each_kind(event: events.Event, expected: pb.Event) -> None:
    expected.revision = 7
    expected.time.seconds = 1_700_000_000
    expected.time.nanos = 250_000_000
    expected.resource = "calls/one"
    expected.labels["a"] = "b"
    assert pb.Event.FromString(convert.octets(event, 7, CLOCK)) == expected


def test_every_kind_of_the_engine_is_converted() -> None:
    kinds = {
        kind
        for kind in vars(events).values()
        if isinstance(kind, type) and issubclass(kind, events.Event) and kind is not events.Event
    }
    assert {type(event) for event, _ in KINDS} == kinds


def test_an_unknown_kind_is_an_error() -> None:
    @dataclasses.dataclass(slots=True, kw_only=True)
    class Unheard(events.Event):
        pass

    with pytest.raises(TypeError, match="Unheard"):
        convert.octets(Unheard(**COMMON), 1, CLOCK)


def test_snapshots_and_draining() -> None:
    call = values.call(labels={"a": "b"})
    assert convert.snapshot(call, 5, 1001.0, CLOCK) == pb.Event(
        revision=5,
        time=Timestamp(seconds=1_700_000_001),
        resource="calls/one",
        labels={"a": "b"},
        snapshot=pb.ResourceSnapshot(call=resources.call(call, CLOCK)),
    )
    registration = values.registration()
    assert convert.snapshot(registration, 5, 1001.0, CLOCK) == pb.Event(
        revision=5,
        time=Timestamp(seconds=1_700_000_001),
        resource="registrations/one",
        snapshot=pb.ResourceSnapshot(registration=resources.registration(registration, CLOCK)),
    )
    assert convert.draining(1030.0, 6, 1000.0, CLOCK) == pb.Event(
        revision=6,
        time=Timestamp(seconds=1_700_000_000),
        server_draining=pb.ServerDraining(deadline=Timestamp(seconds=1_700_000_030)),
    )
