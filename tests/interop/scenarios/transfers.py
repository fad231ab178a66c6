"""REFER, Replaces, and Join."""

from __future__ import annotations

import re

from picosip.v1 import (
    call_service_pb2 as call_pb,
    request_service_pb2 as request_pb,
    sip_pb2,
    subscription_service_pb2 as subscription_pb,
    subscription_service_pb2_grpc as subscription_grpc,
)
from tests.interop.sipp import Sipp
from tests.interop.suite import Play, scenario
from tests.support.app import Termination

FINAL = call_pb.InviteRequest.WAIT_FOR_FINAL
Subscription = subscription_pb.Subscription


@scenario("rfc3515-s2.4.4-refer-uas")
def transfer_is_reported(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri, wait_for=FINAL)
        app.wait_for("call_confirmed", call)
        request = call_pb.TransferRequest(
            name=call,
            uri="sip:third@192.0.2.1",
            referred_by=sip_pb2.Address(uri="sip:interop@127.0.0.1"),
        )
        transfer = app.calls.Transfer(request, timeout=10).transfer
        app.wait_for("transfer_progressed", where=lambda e: e.transfer_progressed.done)
        app.hangup(call)
        sipp.finish()
    told = [e.transfer_progressed for e in app.of_kind("transfer_progressed")]
    assert [(t.transfer, t.status.code, t.done) for t in told] == [
        (transfer, 100, False),
        (transfer, 200, True),
    ]


@scenario("rfc4488-s4-no-subscription-uas")
def transfer_without_subscription(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri, wait_for=FINAL)
        app.wait_for("call_confirmed", call)
        request = call_pb.TransferRequest(
            name=call, uri="sip:third@192.0.2.1", without_progress=True
        )
        app.calls.Transfer(request, timeout=10)
        app.hangup(call)
        sipp.finish()


@scenario("rfc3515-s2.4.2-refer-refused-uac")
def refer_is_refused(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.answer(call)
        asked = app.wait_for("incoming_request").incoming_request
        assert (asked.method, asked.call) == ("REFER", call)
        assert asked.refer_to.uri == "sip:third@192.0.2.1"
        app.requests.Respond(
            request_pb.RespondRequest(name=asked.name, status=sip_pb2.SipStatus(code=603)),
            timeout=10,
        )
        app.wait_for("call_ended", call)
        sipp.finish()
    assert len(app.of_kind("incoming_request")) == 1


@scenario("rfc3515-s2.4.4-refer-outside-uac", methods=["REFER"])
def refer_outside_a_call(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        asked = app.wait_for("incoming_request").incoming_request
        assert (asked.method, asked.call) == ("REFER", "")
        assert asked.refer_to.uri == "sip:third@192.0.2.1"
        app.requests.Respond(
            request_pb.RespondRequest(name=asked.name, status=sip_pb2.SipStatus(code=202)),
            timeout=10,
        )
        told = app.wait_for("subscription_changed").subscription_changed.subscription
        assert (told.role, told.incoming_request) == (Subscription.ROLE_NOTIFIER, asked.name)
        body = sip_pb2.Body(content_type="message/sipfrag", data=b"SIP/2.0 200 OK\r\n")
        request = subscription_pb.NotifyRequest(
            name=told.name, state=Subscription.STATE_TERMINATED, body=body
        )
        subscription_grpc.SubscriptionServiceStub(app.channel).Notify(request, timeout=10)
        sipp.finish()


def replaces_of(sipp: Sipp) -> str:
    """What a Replaces must say to mean the call that SIPp has placed."""
    answer = next(m for m in sipp.received() if m.status == 200)

    def tag(name: str) -> str:
        found = re.search(r";tag=([^;]+)", answer.one(name))
        assert found
        return found[1]

    # RFC 3891 section 3: the tags as this server, which gets the INVITE, has them.
    return f"{answer.one('Call-ID')};to-tag={tag('To')};from-tag={tag('From')}"


@scenario("rfc3891-s3-replaces-uac", also=["rfc3261-s15.1.2-hung-up-uac"])
def call_is_replaced(play: Play) -> None:
    app = play.app
    with play.caller("rfc3261-s15.1.2-hung-up-uac") as first:
        old = app.wait_for("call_received").resource
        app.answer(old)
        with play.caller(keys={"replaces": replaces_of(first)}) as second:
            received = app.wait_for_count("call_received", 2)[1]
            assert received.call_received.replaces == old
            app.answer(received.resource)
            # The old call is ended by us.
            ended = app.wait_for("call_ended", old).call_ended
            first.finish()
            app.wait_for("call_ended", received.resource)
            second.finish()
    assert ended.termination.cause == Termination.CAUSE_TRANSFERRED


@scenario(
    "rfc3891-s3-wrong-replaces-uac",
    over=["481", "486"],
    also=["rfc3261-s15.1.2-hung-up-uac"],
)
def call_is_not_replaced(play: Play, status: str) -> None:
    """481 for tags that fit no dialog, 486 for early-only where the call is answered."""
    app = play.app
    with play.caller("rfc3261-s15.1.2-hung-up-uac") as first:
        old = app.wait_for("call_received").resource
        app.answer(old)
        named = replaces_of(first)
        named = f"{named};early-only" if status == "486" else f"{named}x"
        with play.caller(keys={"replaces": named, "status": status}) as second:
            second.finish()
        app.hangup(old)
        first.finish()
    assert len(app.of_kind("call_received")) == 1


@scenario("rfc3515-s2.4.2-refer-uac")
def refer_is_accepted(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.answer(call)
        asked = app.wait_for("incoming_request").incoming_request
        app.requests.Respond(
            request_pb.RespondRequest(name=asked.name, status=sip_pb2.SipStatus(code=202)),
            timeout=10,
        )
        subscription = app.wait_for("subscription_changed").subscription_changed.subscription
        assert subscription.role == Subscription.ROLE_NOTIFIER
        subscriptions = subscription_grpc.SubscriptionServiceStub(app.channel)
        for status, state in (
            ("180 Ringing", Subscription.STATE_ACTIVE),
            ("200 OK", Subscription.STATE_TERMINATED),
        ):
            body = sip_pb2.Body(
                content_type="message/sipfrag;version=2.0", data=f"SIP/2.0 {status}\r\n".encode()
            )
            subscriptions.Notify(
                subscription_pb.NotifyRequest(name=subscription.name, state=state, body=body),
                timeout=10,
            )
        app.wait_for("call_ended", call)
        sipp.finish()


@scenario("rfc4488-s4-no-subscription-uac")
def refer_makes_no_subscription(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.answer(call)
        asked = app.wait_for("incoming_request").incoming_request
        app.requests.Respond(
            request_pb.RespondRequest(name=asked.name, status=sip_pb2.SipStatus(code=202)),
            timeout=10,
        )
        app.wait_for("call_ended", call)
        sipp.finish()
    assert app.of_kind("subscription_changed") == []
