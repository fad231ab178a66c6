"""Reliable provisional responses by the application (RFC 3262 section 3)."""

from __future__ import annotations

import grpc
import pytest

from tests.interop.suite import Play, scenario
from tests.support.app import Termination, sdp
from tests.support.failures import failure_of


@scenario("rfc3262-s3-wrong-rack-uac")
def ringing_is_reliable(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.progress(call, 180, reliable=True)
        sipp.wait_until(lambda: any(m.status == 481 for m in sipp.received()), "a 481")
        app.answer(call)
        app.wait_for("call_ended", call)
        sipp.finish()


@scenario("rfc3262-s3-second-waits-uac")
def second_waits_for_the_prack_of_the_first(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.progress(call, 183, reliable=True, description=sdp())
        app.progress(call, 180, reliable=True)
        sipp.wait_until(
            lambda: len([m for m in sipp.received() if m.method == "PRACK"]) == 2, "two PRACKs"
        )
        app.answer(call, description=None)
        app.wait_for("call_ended", call)
        sipp.finish()


@scenario("rfc3262-s3-not-supported-uac")
def caller_does_not_support_it(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        with pytest.raises(grpc.RpcError) as raised:
            app.progress(call, 183, reliable=True, description=sdp())
        assert failure_of(raised.value).code is grpc.StatusCode.INVALID_ARGUMENT
        app.progress(call, 183, description=sdp())
        app.answer(call)
        app.wait_for("call_ended", call)
        sipp.finish()


@scenario("rfc3262-s3-no-prack-uac", slow=True)
def prack_never_comes(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.progress(call, 183, reliable=True, description=sdp())
        ended = app.wait_for("call_ended", call, timeout=40).call_ended
        sipp.finish()
        repeated = [m for m in sipp.received() if m.status == 183]
    assert ended.termination.cause == Termination.CAUSE_TIMEOUT
    # After T1, and each time twice as long: 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s.
    assert len({m.octets for m in repeated}) == 1
    assert len(repeated) == 7
