"""Sessions that change: offers in UPDATE and re-INVITE from both sides, glare, hold."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from picosip.v1 import call_service_pb2 as call_pb, request_service_pb2 as request_pb, sip_pb2
from tests.interop.suite import Play, scenario
from tests.support.app import App, Call, Event, Termination, sdp
from tests.support.failures import failure_of

FINAL = call_pb.InviteRequest.WAIT_FOR_FINAL
INVITE = call_pb.ModifyRequest.METHOD_INVITE
UPDATE = call_pb.ModifyRequest.METHOD_UPDATE
ANSWERS = ["200 OK", "488 Not Acceptable Here"]


def modify(app: App, call: str, method: call_pb.ModifyRequest.Method, **more: Any) -> Call:
    """Offers another port."""
    request = call_pb.ModifyRequest(name=call, method=method, offer=sdp(4010), **more)
    return app.calls.Modify(request, timeout=40).call


def respond(app: App, event: Event, code: int, **more: Any) -> None:
    """Answers a request that came in."""
    app.requests.Respond(
        request_pb.RespondRequest(
            name=event.incoming_request.name, status=sip_pb2.SipStatus(code=code), **more
        ),
        timeout=10,
    )


def accept_or_refuse(app: App, event: Event, code: int) -> None:
    if code < 300:
        respond(app, event, code, description=sdp(4010))
    else:
        respond(app, event, code)


# In early dialogs.


@scenario("rfc3311-s5.1-early-update-uac", over=[200, 488])
def offer_in_an_early_update(play: Play, code: int) -> None:
    app = play.app
    with play.caller(keys={"status": str(code)}) as sipp:
        call = app.wait_for("call_received").resource
        app.progress(call, 183, reliable=True, description=sdp(4000))
        asked = app.wait_for("incoming_request")
        assert (asked.incoming_request.method, asked.incoming_request.call) == ("UPDATE", call)
        assert asked.incoming_request.HasField("offer")
        accept_or_refuse(app, asked, code)
        app.answer(call, description=None)
        app.wait_for("call_ended", call)
        sipp.finish()
    assert len(app.of_kind("call_modified")) == (1 if code == 200 else 0)


@scenario("rfc3311-s5.1-early-update-uas", over=ANSWERS)
def offer_by_an_early_update(play: Play, status: str) -> None:
    app = play.app
    with play.callee(keys={"status": status}) as sipp:
        call = app.invite(sipp.uri)
        progressed = app.wait_for("call_progressed", call).call_progressed
        assert progressed.reliable
        # The PRACK is to have its answer before the next offer.
        sipp.wait_until(lambda: any(m.method == "PRACK" for m in sipp.received()), "a PRACK")
        if status.startswith("200"):
            modify(app, call, UPDATE)
        else:
            with pytest.raises(grpc.RpcError) as raised:
                modify(app, call, UPDATE)
            assert failure_of(raised.value).status == 488
        app.wait_for("call_confirmed", call)
        app.hangup(call)
        sipp.finish()


@scenario("rfc3262-s5-offer-in-prack-refused-uac")
def offer_in_a_prack_is_refused(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.progress(call, 183, reliable=True, description=sdp(4000))
        asked = app.wait_for("incoming_request")
        assert asked.incoming_request.method == "PRACK"
        respond(app, asked, 488)
        app.answer(call, description=None)
        app.wait_for("call_ended", call)
        sipp.finish()


# In confirmed dialogs, by the far end.


@scenario("rfc3261-s14.2-reinvite-uac", over=[200, 488])
def reinvite_of_the_far_end(play: Play, code: int) -> None:
    app = play.app
    # RFC 3261 section 12.2.2: the target is refreshed by the 2xx alone.
    keys = {"status": str(code), "bye-user": "moved" if code == 200 else "sipp"}
    with play.caller(keys=keys) as sipp:
        call = app.wait_for("call_received").resource
        app.answer(call)
        asked = app.wait_for("incoming_request")
        assert (asked.incoming_request.method, asked.incoming_request.call) == ("INVITE", call)
        accept_or_refuse(app, asked, code)
        if code == 200:
            app.wait_for("call_modified", call)
        sipp.wait_until(lambda: any(m.status == code for m in sipp.received()), "the answer")
        app.hangup(call)
        sipp.finish()


@scenario("rfc3261-s14.2-second-reinvite-uac")
@scenario("rfc3311-s5.2-second-update-uac")
def second_offer_before_the_first_is_answered(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.answer(call)
        asked = app.wait_for("incoming_request")
        sipp.wait_until(lambda: any(m.status == 500 for m in sipp.received()), "a 500")
        accept_or_refuse(app, asked, 200)
        app.wait_for("call_ended", call)
        sipp.finish()
    assert len(app.of_kind("incoming_request")) == 1


@scenario("rfc5407-s3.1.4-reinvite-before-ack-uac")
def reinvite_before_the_ack(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.answer(call, no_wait=True)
        accept_or_refuse(app, app.wait_for("incoming_request"), 200)
        app.wait_for("call_ended", call)
        sipp.finish()


@scenario("rfc5407-s3.1.5-reinvite-before-answer-uac")
def reinvite_before_the_answer_in_the_ack(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.answer(call, no_wait=True)
        confirmed = app.wait_for("call_confirmed", call).call_confirmed
        assert confirmed.description.sdp.origin.username == "sipp"
        app.wait_for("call_ended", call)
        sipp.finish()
    assert app.of_kind("incoming_request") == []


@scenario("rfc3264-s8.4-held-uac")
def far_end_holds(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        policy = call_pb.CallPolicy(offers=call_pb.CallPolicy.OFFERS_ACCEPT)
        app.answer(call, policy=policy)
        held = app.wait_for("call_held", call).call_held
        assert (held.local_hold, held.remote_hold) == (False, True)
        app.wait_for("call_ended", call)
        sipp.finish()


# In confirmed dialogs, by us.


def established(play: Play, sipp_uri: str, **more: Any) -> str:
    """A call that SIPp has answered."""
    call = play.app.invite(sipp_uri, wait_for=FINAL, **more)
    play.app.wait_for("call_confirmed", call)
    return call


@scenario("rfc3261-s14.1-reinvite-uas")
@scenario("rfc3261-s14.1-reinvite-491-uas")
@scenario("rfc3261-s14.1-reinvite-pending-uas")
def reinvite_of_ours(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = established(play, sipp.uri)
        modify(app, call, INVITE)
        modified = app.wait_for("call_modified", call).call_modified
        assert modified.remote_description.sdp.origin.username == "sipp"
        app.hangup(call)
        sipp.finish()


@scenario("rfc3311-s5.3-update-491-uas")
def update_of_ours_crosses(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = established(play, sipp.uri)
        modify(app, call, UPDATE)
        app.hangup(call)
        sipp.finish()
        numbers = [m.one("CSeq") for m in sipp.received() if m.method == "UPDATE"]
    assert numbers == sorted(set(numbers))


@scenario("rfc3261-s14.1-reinvite-refused-uas")
def reinvite_of_ours_is_refused(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = established(play, sipp.uri)
        with pytest.raises(grpc.RpcError) as raised:
            modify(app, call, INVITE)
        assert failure_of(raised.value).status == 488
        state = app.call(call)
        assert state.state == Call.STATE_CONFIRMED
        assert state.local_description.sdp.media[0].port == 4000
        app.hangup(call)
        sipp.finish()
    app.catch_up()
    assert app.of_kind("call_modified") == []


@scenario("rfc3261-s14.1-reinvite-481-uas", over=["INVITE"])
@scenario("rfc3311-s5.3-update-481-uas", over=["UPDATE"])
def dialog_is_gone(play: Play, method: str) -> None:
    app = play.app
    with play.callee() as sipp:
        call = established(play, sipp.uri)
        with pytest.raises(grpc.RpcError) as raised:
            modify(app, call, INVITE if method == "INVITE" else UPDATE)
        assert failure_of(raised.value).status == 481
        ended = app.wait_for("call_ended", call).call_ended
        sipp.finish()
    assert ended.termination.cause == Termination.CAUSE_REMOTE_HANGUP


@scenario("rfc3311-s5.2-update-crosses-uac", over=["UPDATE"])
@scenario("rfc3261-s14.1-reinvite-glare-uac", over=["INVITE"])
def change_of_ours_crosses_theirs(play: Play, method: str) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.answer(call)
        modify(app, call, INVITE if method == "INVITE" else UPDATE)
        app.hangup(call)
        sipp.finish()
    app.wait_for("call_modified", call)
    assert app.of_kind("incoming_request") == []


@scenario("rfc3261-s22.2-reinvite-challenged-uas", over=[401, 407])
def reinvite_is_challenged(play: Play, code: int) -> None:
    app = play.app
    keys = {
        401: {
            "status": "401 Unauthorized",
            "challenge": "WWW-Authenticate",
            "credentials": "Authorization",
        },
        407: {
            "status": "407 Proxy Authentication Required",
            "challenge": "Proxy-Authenticate",
            "credentials": "Proxy-Authorization",
        },
    }
    alice = sip_pb2.Credentials(username="alice", password="secret")
    with play.callee(keys=keys[code]) as sipp:
        call = established(play, sipp.uri, credentials=[alice])
        modify(app, call, INVITE)
        app.hangup(call)
        sipp.finish()


@scenario("rfc3264-s8.4-hold-uas")
def hold_and_resume(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = established(play, sipp.uri)
        assert app.calls.Hold(call_pb.HoldRequest(name=call), timeout=10).call.local_hold
        assert not app.calls.Resume(call_pb.ResumeRequest(name=call), timeout=10).call.local_hold
        app.hangup(call)
        sipp.finish()
    app.catch_up()
    held = [event.call_held.local_hold for event in app.of_kind("call_held")]
    assert held == [True, False]


@scenario("rfc3261-s12.2.1.2-target-refresh-uas")
def far_end_moves(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = established(play, sipp.uri)
        modify(app, call, INVITE)
        assert app.call(call).dialogs[0].remote_target == f"sip:moved@127.0.0.1:{sipp.port}"
        app.hangup(call)
        sipp.finish()


@scenario("rfc3261-s14.2-reinvite-by-policy-uac", over=[200, 488])
def policy_answers_the_reinvite(play: Play, code: int) -> None:
    app = play.app
    policies = call_pb.CallPolicy.Offers
    offers = policies.OFFERS_ACCEPT if code == 200 else policies.OFFERS_REFUSE
    with play.caller(keys={"status": str(code)}) as sipp:
        call = app.wait_for("call_received").resource
        app.answer(call, policy=call_pb.CallPolicy(offers=offers))
        app.wait_for("call_ended", call)
        sipp.finish()
    assert app.of_kind("incoming_request") == []


@scenario("rfc3261-s14.2-reinvite-unanswered-uac", flags=["--respond-timeout=0.3"])
def nobody_answers_the_reinvite(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.answer(call)
        closed = app.wait_for("incoming_request_closed").incoming_request_closed
        assert closed.status.code == 488
        app.wait_for("call_ended", call)
        sipp.finish()
