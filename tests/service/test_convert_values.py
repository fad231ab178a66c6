"""Engine values for the API, and back."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from picosip.v1 import (
    call_service_pb2 as call_pb,
    registration_service_pb2 as registration_pb,
    request_service_pb2 as request_pb,
    sdp_pb2,
    sip_pb2 as pb,
)
from picosip_server.service.clock import Clock
from picosip_server.service.convert import commands, parts, resources, values as convert
from picosip_server.service.validate import Check
from picosip_server.sip.address import Address
from picosip_server.sip.grammar import Params
from picosip_server.sip.hop import Seen
from picosip_server.sip.ua.commands import (
    Body,
    Credentials,
    ForkedAnswers,
    Invite,
    NextHop,
    Options,
    Outbound,
    Policy,
    Register,
    Reliability,
    Respond,
    WaitFor,
)
from picosip_server.sip.ua.snapshots import (
    CallDirection,
    CallState,
    Cause,
    DialogSnapshot,
    FlowSnapshot,
    OfferAnswerState,
    RegistrationState,
    Termination,
)
from picosip_server.sip.uri import Uri
from tests.service import values

CLOCK = Clock(now=lambda: 1000.0, wall=lambda: 1_700_000_000.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '"A \\"b\\"" <sip:a@x;lr>;expires=60;+sip.instance="<urn:uuid:1>";flag',
            pb.Address(
                display_name='A "b"',
                uri="sip:a@x;lr",
                parameters=[
                    pb.Parameter(name="expires", value="60"),
                    pb.Parameter(name="+sip.instance", value="<urn:uuid:1>"),
                    pb.Parameter(name="flag"),
                ],
            ),
        ),
        ("<tel:+1-201>", pb.Address(uri="tel:+1-201")),
        (
            "<sip:a@[::1]>;received=[2001:db8::1]",
            pb.Address(
                uri="sip:a@[::1]",
                parameters=[pb.Parameter(name="received", value="[2001:db8::1]")],
            ),
        ),
    ],
)
def test_an_address_goes_out_and_comes_back(text: str, expected: pb.Address) -> None:
    address = Address.parse(text)
    assert convert.address(address) == expected
    check = Check()
    assert parts.address(check, "x", expected, contact=True) == address
    check.done()


def test_octets_that_are_no_utf8_become_replacement_characters() -> None:
    name = b'"caf\xe9" <sip:a@x>'.decode("utf-8", "surrogateescape")
    assert convert.address(Address.parse(name)).display_name == "caf\ufffd"
    assert convert.clean("café") == "café"


def test_a_request_as_a_message() -> None:
    request = values.request("REGISTER", Authorization="Digest x", Content_Type="a/b;c=d")
    request.body = b"\xff"
    assert convert.message(request) == pb.SipMessage(
        request=pb.RequestLine(method="REGISTER", uri="sip:bob@example.com"),
        headers=[
            pb.Header(name="Via", value="SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1"),
            pb.Header(name="From", value='"Alice" <sip:alice@example.com>;tag=a1'),
            pb.Header(name="To", value="<sip:bob@example.com>"),
            pb.Header(name="Call-ID", value="c1"),
            pb.Header(name="CSeq", value="1 REGISTER"),
            pb.Header(name="Authorization", value="Digest ***"),
            pb.Header(name="Content-Type", value="a/b;c=d"),
        ],
        body=pb.Body(content_type="a/b;c=d", data=b"\xff"),
    )


def test_a_response_as_a_message() -> None:
    message = convert.message(values.response(486, "Busy Here"))
    assert message.status == pb.SipStatus(code=486, reason="Busy Here")
    assert not message.HasField("body")


def test_a_call() -> None:
    call = values.call(
        state=CallState.CONFIRMED,
        direction=CallDirection.INCOMING,
        dialogs=(
            DialogSnapshot(
                remote_tag="b1", remote_target="sip:b@h", route_set=("<sip:p;lr>",), early=True
            ),
        ),
        offer_answer_state=OfferAnswerState.STABLE,
        local_description=Body(content_type="application/pidf+xml", data=b"<x/>"),
        termination=Termination(
            cause=Cause.REJECTED, status=486, reason="Busy Here", reasons=("Q.850;cause=17",)
        ),
        answer_time=1001.5,
        end_time=1002.000001,
        labels={"tenant": "a"},
        authenticated_user="alice",
    )
    made = resources.call(call, CLOCK)
    expected = call_pb.Call(
        name="calls/one",
        state=call_pb.Call.STATE_CONFIRMED,
        direction=call_pb.Call.DIRECTION_INCOMING,
        from_address=convert.address(values.ALICE),
        to_address=convert.address(values.BOB),
        request_uri="sip:bob@example.com",
        sip_call_id="id-of-calls/one",
        local_tag="a1",
        dialogs=[
            call_pb.Dialog(
                remote_tag="b1", remote_target="sip:b@h", route_set=["<sip:p;lr>"], early=True
            )
        ],
        offer_answer_state=call_pb.OFFER_ANSWER_STATE_STABLE,
        local_description=sdp_pb2.SessionDescription(raw=b"<x/>"),
        termination=call_pb.Termination(
            cause=call_pb.Termination.CAUSE_REJECTED,
            status=pb.SipStatus(code=486, reason="Busy Here"),
            reasons=["Q.850;cause=17"],
        ),
        create_time=Timestamp(seconds=1_700_000_000),
        answer_time=Timestamp(seconds=1_700_000_001, nanos=500_000_000),
        end_time=Timestamp(seconds=1_700_000_002, nanos=1000),
        labels={"tenant": "a"},
        authenticated_user="alice",
    )
    assert made == expected


def test_each_value_of_the_engine_has_its_name_in_the_api() -> None:
    """The names are the same on both sides, but for the prefix."""
    for state in CallState:
        made = resources.call(values.call(state=state), CLOCK)
        assert call_pb.Call.State.Name(made.state) == f"STATE_{state.name}"
    for direction in CallDirection:
        made = resources.call(values.call(direction=direction), CLOCK)
        assert call_pb.Call.Direction.Name(made.direction) == f"DIRECTION_{direction.name}"
    for cause in Cause:
        ended = call_pb.Termination()
        resources.put_termination(ended, Termination(cause=cause))
        assert call_pb.Termination.Cause.Name(ended.cause) == f"CAUSE_{cause.name}"
    for turn in OfferAnswerState:
        made = resources.call(values.call(offer_answer_state=turn), CLOCK)
        name = "UNSPECIFIED" if turn is OfferAnswerState.NONE else turn.name
        assert call_pb.OfferAnswerState.Name(made.offer_answer_state) == (
            f"OFFER_ANSWER_STATE_{name}"
        )
    for registered in RegistrationState:
        found = resources.registration(values.registration(state=registered), CLOCK)
        assert registration_pb.Registration.State.Name(found.state) == f"STATE_{registered.name}"


def test_a_registration() -> None:
    made = resources.registration(
        values.registration(
            contacts=(values.ALICE,),
            expires=59.5,
            expire_time=1059.5,
            service_route=("<sip:s;lr>",),
            path=("<sip:p;lr>",),
            pub_gruu="sip:a@x;gr=1",
            temp_gruu="sip:t@x;gr",
            flows=(
                FlowSnapshot(
                    reg_id=2,
                    edge="<sip:e;lr>",
                    state=RegistrationState.FAILED,
                    outbound=True,
                    seen=Seen(transport="UDP", listener=0, host="2001:db8::1", port=4),
                    expire_time=1059.5,
                    last_status=500,
                    last_reason="No",
                ),
                FlowSnapshot(state=RegistrationState.ACTIVE),
            ),
            labels={"a": "b"},
        ),
        CLOCK,
    )
    assert made == registration_pb.Registration(
        name="registrations/one",
        state=registration_pb.Registration.STATE_ACTIVE,
        registrar_uri="sip:example.com",
        aor=convert.address(values.BOB),
        contacts=[convert.address(values.ALICE)],
        expires=Duration(seconds=59, nanos=500_000_000),
        expire_time=Timestamp(seconds=1_700_000_059, nanos=500_000_000),
        last_status=pb.SipStatus(code=200, reason="OK"),
        service_route=["<sip:s;lr>"],
        path=["<sip:p;lr>"],
        pub_gruu="sip:a@x;gr=1",
        temp_gruu="sip:t@x;gr",
        flows=[
            registration_pb.Registration.Flow(
                reg_id=2,
                edge="<sip:e;lr>",
                state=registration_pb.Registration.STATE_FAILED,
                outbound=True,
                reflexive_address="[2001:db8::1]:4",
                expire_time=Timestamp(seconds=1_700_000_059, nanos=500_000_000),
                last_status=pb.SipStatus(code=500, reason="No"),
            ),
            registration_pb.Registration.Flow(state=registration_pb.Registration.STATE_ACTIVE),
        ],
        labels={"a": "b"},
    )


def test_a_whole_invite() -> None:
    request = call_pb.InviteRequest(
        from_address=pb.Address(display_name="Alice", uri="sip:alice@example.com"),
        to_address=pb.Address(uri="sip:bob@example.com"),
        request_uri="sip:bob@192.0.2.1;transport=tcp",
        offer=sdp_pb2.SessionDescription(raw=b"v=0\r\n"),
        extra_bodies=[pb.Body(content_type="text/plain", data=b"hi", content_disposition="render")],
        credentials=[
            pb.Credentials(realm="r", username="alice", password=""),
            pb.Credentials(username="bob", ha1="0" * 32),
        ],
        options=pb.MessageOptions(
            headers=[pb.Header(name="Subject", value="lunch")],
            routes=["<sip:p.example.com;lr>"],
            next_hop=pb.Endpoint(transport=pb.TRANSPORT_TCP, host="[::1]", port=5070),
            contact_parameters=[
                pb.Parameter(name="isfocus"),
                pb.Parameter(name="mobility", value="fixed"),
                pb.Parameter(name="description", value='<a "b">'),
                pb.Parameter(name="q", value="0.5"),
            ],
        ),
        policy=call_pb.CallPolicy(
            reliable_provisional=call_pb.CallPolicy.RELIABLE_PROVISIONAL_REQUIRED,
            ring_timeout=Duration(seconds=30),
            max_duration=Duration(seconds=3600, nanos=500_000_000),
            max_redirects=3,
            forked_answers=call_pb.CallPolicy.FORKED_ANSWERS_KEEP_ALL,
        ),
        labels={"tenant": "a"},
        wait_for=call_pb.InviteRequest.WAIT_FOR_FINAL,
    )
    assert commands.invite(request, host="h")(7) == Invite(
        token=7,
        from_address=Address.parse('"Alice" <sip:alice@example.com>'),
        to_address=values.BOB,
        request_uri=Uri.parse("sip:bob@192.0.2.1;transport=tcp"),
        offer=Body(content_type="application/sdp", data=b"v=0\r\n"),
        extra_bodies=(Body(content_type="text/plain", data=b"hi", disposition="render"),),
        credentials=(
            Credentials(realm="r", username="alice", password=""),
            Credentials(username="bob", ha1="0" * 32),
        ),
        options=Options(
            headers=(("Subject", "lunch"),),
            routes=("<sip:p.example.com;lr>",),
            next_hop=NextHop(host="::1", port=5070, transport="TCP"),
            # RFC 3840 section 9: feature tags have their values in quotes.
            contact_params=Params.parse(r';isfocus;mobility="fixed";description="<a \"b\">";q=0.5'),
        ),
        policy=Policy(
            reliability=Reliability.REQUIRED,
            ring_timeout=30.0,
            max_duration=3600.5,
            max_redirects=3,
            forked_answers=ForkedAnswers.KEEP_ALL,
        ),
        labels={"tenant": "a"},
        wait_for=WaitFor.FINAL,
    )


def test_the_least_invite_takes_the_defaults() -> None:
    request = call_pb.InviteRequest(
        from_address=pb.Address(uri="sip:bob@example.com"),
        to_address=pb.Address(uri="sip:bob@example.com"),
    )
    assert commands.invite(request, host="h")(1) == Invite(
        token=1, from_address=values.BOB, to_address=values.BOB
    )


@pytest.mark.parametrize(
    ("request_", "expires"),
    [
        (registration_pb.RegisterRequest(), 3600.0),
        (registration_pb.RegisterRequest(expires=Duration(seconds=60)), 60.0),
        (registration_pb.RegisterRequest(expires=Duration(seconds=60, nanos=1)), 61.0),
    ],
)
def test_registrations_last_whole_seconds(
    request_: registration_pb.RegisterRequest, expires: float
) -> None:
    request_.registrar_uri = "sip:example.com"
    request_.aor.uri = "sip:bob@example.com"
    assert commands.register(request_)(1) == Register(
        token=1, registrar=Uri.parse("sip:example.com"), aor=values.BOB, expires=expires
    )


def test_a_registration_over_flows() -> None:
    request = registration_pb.RegisterRequest(
        registrar_uri="sip:example.com",
        aor=pb.Address(uri="sip:bob@example.com"),
        outbound=registration_pb.Outbound(
            instance_id="urn:uuid:1", edges=["sip:a", "sips:b:5062;lr"]
        ),
    )
    assert commands.register(request)(1) == Register(
        token=1,
        registrar=Uri.parse("sip:example.com"),
        aor=values.BOB,
        outbound=Outbound(
            instance_id="urn:uuid:1", edges=(Uri.parse("sip:a"), Uri.parse("sips:b:5062;lr"))
        ),
    )


def test_a_response_may_carry_any_body() -> None:
    request = request_pb.RespondRequest(
        name="requests/a",
        status=pb.SipStatus(code=200, reason="Fine"),
        body=pb.Body(content_type="text/plain", data=b"hi"),
        options=pb.MessageOptions(headers=[pb.Header(name="Contact", value="<sip:a@x>")]),
    )
    assert commands.respond(request, host="h")(1) == Respond(
        token=1,
        name="requests/a",
        status=200,
        reason="Fine",
        body=Body(content_type="text/plain", data=b"hi"),
        options=Options(headers=(("Contact", "<sip:a@x>"),)),
    )
