"""Session timers (RFC 4028), in both roles."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from picosip.v1 import call_service_pb2 as call_pb
from tests.interop.suite import Play, scenario
from tests.support.app import Termination
from tests.support.failures import failure_of

FINAL = call_pb.InviteRequest.WAIT_FOR_FINAL
# Intervals that no test could wait for, made small.
BRIEF = ("--session-expires=3", "--min-se=1")


@scenario("rfc4028-s7.3-422-loop-uas")
def larger_intervals_are_asked_for(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri, wait_for=FINAL)
        timer = app.call(call).session_timer
        assert timer.interval == Duration(seconds=4000)
        assert timer.refresher == call_pb.SessionTimer.REFRESHER_REMOTE
        app.hangup(call)
        sipp.finish()
        assert len({m.one("Call-ID") for m in sipp.received()}) == 1


@scenario("rfc4028-s7.3-422-without-end-uas")
def interval_that_was_offered_is_too_small(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        with pytest.raises(grpc.RpcError) as raised:
            app.invite(sipp.uri, wait_for=FINAL)
        assert failure_of(raised.value).status == 422
        sipp.finish()


@scenario("rfc4028-s9-interval-too-small-uac")
def interval_too_small(play: Play) -> None:
    app = play.app

    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.answer(call)
        app.wait_for("call_ended", call)
        sipp.finish()
    # The stack refused the first INVITE by itself.
    assert len(app.of_kind("call_received")) == 1


@scenario("rfc4028-s10-refresh-by-update-uas", flags=BRIEF)
@scenario("rfc4028-s10-refresh-by-reinvite-uas", flags=BRIEF)
def session_is_refreshed_at_half_of_the_interval(play: Play) -> None:
    app = play.app
    expected = 2 if "update" in play.scenario.name else 1
    with play.callee() as sipp:
        call = app.invite(sipp.uri, wait_for=FINAL)

        def refreshes() -> int:
            inside = [m for m in sipp.received() if "tag=" in m.one("To")]
            return len([m for m in inside if m.method in ("INVITE", "UPDATE")])

        sipp.wait_until(lambda: refreshes() == expected, "the refreshes")
        app.hangup(call)
        sipp.finish()
    app.catch_up()
    # What changes nothing is no news.
    assert app.of_kind("call_modified") == []


@scenario("rfc4028-s10-expiry-uas", flags=BRIEF)
def session_expires(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri, wait_for=FINAL)
        ended = app.wait_for("call_ended", call).call_ended
        sipp.finish()
    assert ended.termination.cause == Termination.CAUSE_SESSION_EXPIRED


@scenario("rfc4028-s10-expiry-uac", flags=BRIEF)
def session_of_the_caller_expires(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.answer(call)
        ended = app.wait_for("call_ended", call).call_ended
        sipp.finish()
    assert ended.termination.cause == Termination.CAUSE_SESSION_EXPIRED


@scenario("rfc4028-s9-callee-refreshes-uac", flags=BRIEF)
def callee_refreshes(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.answer(call)
        timer = app.call(call).session_timer
        assert timer.refresher == call_pb.SessionTimer.REFRESHER_LOCAL
        app.wait_for("call_ended", call)
        sipp.finish()


@scenario("rfc4028-s9-policy-min-se-uac")
def policy_wants_more_than_the_caller_asks_for(play: Play) -> None:
    app = play.app
    timer = call_pb.SessionTimer(min_se=Duration(seconds=300))
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        with pytest.raises(grpc.RpcError):
            app.answer(call, policy=call_pb.CallPolicy(session_timer=timer))
        app.wait_for("call_ended", call)
        sipp.finish()
