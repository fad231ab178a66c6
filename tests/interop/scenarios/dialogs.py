"""Early and confirmed dialogs: their routes, their numbers, and how they end."""

from __future__ import annotations

import grpc
import pytest

from picosip.v1 import call_service_pb2 as call_pb, request_service_pb2 as request_pb, sip_pb2
from tests.interop.suite import Play, scenario
from tests.support.app import Termination
from tests.support.failures import failure_of

FINAL = call_pb.InviteRequest.WAIT_FOR_FINAL
PROGRESS = call_pb.InviteRequest.WAIT_FOR_PROGRESS


@scenario("rfc3261-s7.3.3-compact-uac")
@scenario("rfc3261-s12.2.2-old-cseq-uac")
def caller_hangs_up(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.answer(call)
        ended = app.wait_for("call_ended", call).call_ended
        sipp.finish()
    assert ended.termination.cause == Termination.CAUSE_REMOTE_HANGUP


@scenario("rfc3261-s8.2.2.2-merged-request-uac")
@scenario("rfc3261-s8.2.6.2-response-headers-uac")
@scenario("rfc3261-s17.2.1-repeated-invite-uac")
def one_call_that_rings_and_is_answered(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.progress(call)
        if "s8.2.6.2" not in play.scenario.name:
            # SIPp's second INVITE is answered by the stack.
            sipp.wait_until(lambda: len([m for m in sipp.received() if m.status > 100]) > 1, "that")
        app.answer(call)
        app.wait_for("call_ended", call)
        sipp.finish()
    assert len(app.of_kind("call_received")) == 1


@scenario("rfc3261-s15.1.1-early-bye-uac")
def early_dialog_is_ended_with_bye(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.progress(call)
        ended = app.wait_for("call_ended", call).call_ended
        sipp.finish()
    assert ended.termination.cause in (
        Termination.CAUSE_REMOTE_HANGUP,
        Termination.CAUSE_CANCELLED,
    )


@scenario("rfc3261-s13.3.1-expires-uac")
def invite_expires(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        ended = app.wait_for("call_ended", call).call_ended
        sipp.finish()
    assert ended.termination.cause == Termination.CAUSE_CANCELLED
    assert ended.termination.status.code == 487


@scenario("rfc3261-s12.1.1-record-route-uac")
def callee_hangs_up_through_the_proxies(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.answer(call)
        app.hangup(call)
        sipp.finish()


@scenario("rfc3261-s12.2.1.1-loose-routing-uas")
@scenario("rfc3261-s12.2.1.1-strict-routing-uas")
@scenario("rfc3261-s17.1.3-wrong-branch-uas")
@scenario("rfc3262-s4-forked-prack-uas")
@scenario("rfc3262-s4-rseq-out-of-order-uas")
@scenario("rfc6228-s4-199-uas")
def caller_hangs_up_once_answered(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri, wait_for=FINAL)
        app.wait_for("call_confirmed", call)
        app.hangup(call)
        sipp.finish()
    ended = app.wait_for("call_ended", call).call_ended
    assert ended.termination.cause == Termination.CAUSE_LOCAL_HANGUP


@scenario("rfc3261-s12.1.2-missing-contact-uas")
def answer_without_contact_is_no_dialog(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri)
        app.wait_for("call_confirmed", call)
        app.hangup(call)
        sipp.finish()


@scenario("rfc3261-s8.1.3.4-redirect-chain-uas")
def chain_of_redirects_is_followed(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        policy = call_pb.CallPolicy(max_redirects=3)
        call = app.invite(sipp.uri, wait_for=FINAL, policy=policy)
        app.wait_for("call_confirmed", call)
        app.hangup(call)
        sipp.finish()


@scenario("rfc3261-s15.1.1-bye-refused-uas")
def refused_bye_ends_the_call_too(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri, wait_for=FINAL)
        app.wait_for("call_confirmed", call)
        with pytest.raises(grpc.RpcError) as raised:
            app.hangup(call)
        assert failure_of(raised.value).status == 481
        app.wait_for("call_ended", call)
        sipp.finish()


@scenario("rfc3261-s9.1-cancel-waits-uas")
def cancel_waits_for_the_first_response(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri)
        sipp.wait_until(lambda: bool(sipp.received()), "an INVITE")
        app.hangup(call)
        ended = app.wait_for("call_ended", call).call_ended
        sipp.finish()
    assert ended.termination.cause == Termination.CAUSE_CANCELLED


@scenario("rfc3261-s9.1-no-final-after-cancel-uas", slow=True)
def invite_has_no_answer_after_the_cancel(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri, wait_for=PROGRESS)
        app.hangup(call)
        ended = app.wait_for("call_ended", call, timeout=40).call_ended
        sipp.finish()
    assert ended.termination.cause == Termination.CAUSE_CANCELLED


@scenario("rfc6026-s7.2-487-races-200-uas")
def late_487_changes_nothing(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri, wait_for=PROGRESS)
        app.hangup(call)
        app.wait_for("call_ended", call)
        sipp.finish()


@scenario("rfc3261-s8.1.3.2-unknown-status-uas")
def unknown_statuses_count_as_their_class(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        with pytest.raises(grpc.RpcError) as raised:
            app.invite(sipp.uri, wait_for=FINAL)
        sipp.finish()
    assert failure_of(raised.value).status == 599
    app.catch_up()
    assert [e.call_progressed.status.code for e in app.of_kind("call_progressed")] == [187]


@scenario("rfc3261-s18.1.1-large-message-uac")
def large_invite_comes_over_udp(play: Play) -> None:
    app = play.app
    with play.caller(keys={"filler": "x" * 8000}) as sipp:
        received = app.wait_for("call_received")
        filler = [h.value for h in received.message.headers if h.name == "X-Filler"]
        assert filler == ["x" * 8000]
        app.answer(received.resource)
        app.wait_for("call_ended", received.resource)
        sipp.finish()


@scenario("rfc3326-s2-reason-uas")
def cancel_tells_why(play: Play) -> None:
    app = play.app
    reason = sip_pb2.Header(name="Reason", value='SIP;cause=600;text="Busy Everywhere"')
    with play.callee() as sipp:
        call = app.invite(sipp.uri, wait_for=PROGRESS)
        app.hangup(call, options=sip_pb2.MessageOptions(headers=[reason]))
        sipp.finish()


@scenario("rfc3261-s8.1.3.3-two-vias-uas")
def response_gone_astray_is_dropped(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        response = app.requests.Ping(request_pb.PingRequest(uri=sipp.uri), timeout=10).response
        assert response.status.code == 200
        sipp.finish()
