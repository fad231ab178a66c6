"""The application calls SIPp: every way in which such a call can go."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from picosip.v1 import call_service_pb2 as call_pb, request_service_pb2 as request_pb, sip_pb2
from tests.interop.suite import Play, scenario
from tests.support.app import Call, Event, Termination, sdp
from tests.support.failures import failure_of

FINAL = call_pb.InviteRequest.WAIT_FOR_FINAL
PROGRESS = call_pb.InviteRequest.WAIT_FOR_PROGRESS


def cause(event: Event) -> int:
    return event.call_ended.termination.cause


@scenario("rfc3261-s13.2-call-uas", over=["udp", "tcp"])
def caller_hangs_up(play: Play, transport: str) -> None:
    app = play.app
    with play.callee(transport=transport) as sipp:
        call = app.invite(sipp.uri, wait_for=FINAL)
        app.wait_for("call_confirmed", call)
        assert app.call(call).state == Call.STATE_CONFIRMED
        assert app.hangup(call).state == Call.STATE_TERMINATED
        sipp.finish()
    assert cause(app.wait_for("call_ended", call)) == Termination.CAUSE_LOCAL_HANGUP
    expected = ["created", "progressed", "answered", "confirmed", "ended"]
    assert app.kinds(call) == [f"call_{kind}" for kind in expected]


@scenario("rfc3261-s15.1.2-hangs-up-uas", over=["udp", "tcp"])
def callee_hangs_up(play: Play, transport: str) -> None:
    app = play.app
    with play.callee(transport=transport) as sipp:
        call = app.invite(sipp.uri)
        assert cause(app.wait_for("call_ended", call)) == Termination.CAUSE_REMOTE_HANGUP
        sipp.finish()


@scenario("rfc3261-s7.3.1-headers-uas")
def headers_pass_both_ways(play: Play) -> None:
    app = play.app
    own = [("X-Interop", "first; q=1"), ("x-INTEROP", "second, third")]
    with play.callee() as sipp:
        headers = [sip_pb2.Header(name=name, value=value) for name, value in own]
        call = app.invite(sipp.uri, options=sip_pb2.MessageOptions(headers=headers))
        answered = app.wait_for("call_answered", call)
        back = [h.value for h in answered.message.headers if h.name == "X-Answer"]
        assert back == ['answered, "twice"']
        reason = sip_pb2.Header(name="Reason", value="SIP;cause=200")
        app.hangup(call, options=sip_pb2.MessageOptions(headers=[reason]))
        sipp.finish()


@scenario("rfc3262-s4-two-reliable-uas")
def reliable_provisionals_are_acknowledged(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri, wait_for=FINAL)
        app.hangup(call)
        sipp.finish()
    app.catch_up()
    progressed = [event.call_progressed for event in app.of_kind("call_progressed")]
    assert [(p.status.code, p.reliable) for p in progressed] == [(183, True), (180, True)]


@scenario("rfc3261-s13.2.2.4-lost-ack-uas")
def each_repeated_200_is_acknowledged(play: Play) -> None:
    """The same ACK for each copy, one event for all."""
    app = play.app
    with play.callee(flags=("-nr",)) as sipp:
        call = app.invite(sipp.uri, wait_for=FINAL)

        def acknowledged() -> list[bytes]:
            return [m.octets for m in sipp.received() if m.method == "ACK"]

        sipp.wait_until(lambda: len(acknowledged()) == 3, "three ACKs")
        app.hangup(call)
        sipp.finish()
        assert len(set(acknowledged())) == 1
    app.catch_up()
    assert len(app.of_kind("call_answered")) == 1


@scenario("rfc3261-s13.2.2.4-second-fork-ended-uas")
def second_200_of_a_fork_is_ended(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri, wait_for=FINAL)
        sipp.wait_until(lambda: any(m.method == "BYE" for m in sipp.received()), "a BYE")
        state = app.call(call)
        assert state.state == Call.STATE_CONFIRMED
        assert [dialog.remote_tag for dialog in state.dialogs] == ["left1"]
        app.hangup(call)
        sipp.finish()
    app.catch_up()
    forks = [event.call_forked.dialog.remote_tag for event in app.of_kind("call_forked")]
    assert forks == ["right1"]
    answers = [event.call_answered.remote_tag for event in app.of_kind("call_answered")]
    assert answers == ["left1"]


@scenario("rfc3261-s13.2.2.4-both-forks-kept-uas")
def both_200s_of_a_fork_are_kept_if_the_policy_says_so(play: Play) -> None:
    app = play.app
    policy = call_pb.CallPolicy(forked_answers=call_pb.CallPolicy.FORKED_ANSWERS_KEEP_ALL)
    with play.callee() as sipp:
        call = app.invite(sipp.uri, policy=policy)
        answered = app.wait_for_count("call_answered", 2)
        assert [e.call_answered.remote_tag for e in answered] == ["left1", "right1"]
        app.hangup(call, remote_tag="right1")
        assert [dialog.remote_tag for dialog in app.call(call).dialogs] == ["left1"]
        app.hangup(call)
        sipp.finish()


@scenario("rfc3261-s13.2.1-offerless-uas")
def answer_to_an_offer_in_the_200_goes_in_the_ack(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri, offer=None)
        answered = app.wait_for("call_answered", call)
        assert answered.call_answered.description.sdp.origin.username == "sipp"
        app.answer(call, description=sdp(4000))
        app.wait_for("call_confirmed", call)
        app.hangup(call)
        sipp.finish()


@scenario("rfc3262-s5-offer-in-183-uas")
def answer_to_a_reliable_offer_goes_in_the_prack(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri, offer=None)
        progressed = app.wait_for("call_progressed", call).call_progressed
        assert progressed.reliable
        assert progressed.description.sdp.origin.username == "sipp"
        app.answer(call, description=sdp(4000))
        app.wait_for("call_confirmed", call)
        app.hangup(call)
        sipp.finish()


@scenario(
    "rfc3261-s18.1.1-large-request-uas",
    over=["udp", "tcp"],
    file=False,
    also=["rfc3261-s13.2-call-uas"],
)
def large_request_goes_over_tcp_if_it_can(play: Play, transport: str) -> None:
    """Above 1300 octets TCP is tried, and UDP where nobody takes it."""
    app = play.app
    filler = sip_pb2.Header(name="X-Filler", value="x" * 2000)
    with play.callee("rfc3261-s13.2-call-uas", transport=transport) as sipp:
        call = app.invite(
            f"sip:sipp@127.0.0.1:{sipp.port}",
            wait_for=FINAL,
            options=sip_pb2.MessageOptions(headers=[filler]),
        )
        app.wait_for("call_confirmed", call)
        app.hangup(call)
        sipp.finish()


@scenario("rfc3261-s13.2.2.4-unanswered-offer-uas", flags=["--offer-timeout=0.3"])
def unanswered_offer_ends_the_call(play: Play) -> None:
    """Nothing said within --offer-timeout: ACK, then BYE."""
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri, offer=None)
        app.wait_for("call_ended", call)
        sipp.finish()


REFUSALS = [
    ("486 Busy Here", grpc.StatusCode.FAILED_PRECONDITION, "CALLEE_BUSY", ""),
    ("600 Busy Everywhere", grpc.StatusCode.FAILED_PRECONDITION, None, ""),
    ("480 Temporarily Unavailable", grpc.StatusCode.FAILED_PRECONDITION, None, "Retry-After: 7"),
    ("503 Service Unavailable", grpc.StatusCode.FAILED_PRECONDITION, None, "Retry-After: 30"),
    ("404 Not Found", grpc.StatusCode.NOT_FOUND, None, 'Warning: 399 sipp "no such user"'),
    ("403 Forbidden", grpc.StatusCode.PERMISSION_DENIED, None, ""),
    ("603 Decline", grpc.StatusCode.PERMISSION_DENIED, None, 'Reason: SIP;cause=603;text="no"'),
    ("488 Not Acceptable Here", grpc.StatusCode.INVALID_ARGUMENT, None, ""),
    ("408 Request Timeout", grpc.StatusCode.DEADLINE_EXCEEDED, None, ""),
    ("302 Moved Temporarily", grpc.StatusCode.FAILED_PRECONDITION, None, ""),
]
"""Status line, code and reason of the RPC's failure, a header of the response."""


@scenario("rfc3261-s13.2.2.3-refused-uas", over=REFUSALS)
def refusal(
    play: Play, status: str, code: grpc.StatusCode, reason: str | None, header: str
) -> None:
    app = play.app
    header = header or "X-Nothing: to say"
    with play.callee(keys={"status": status, "header": header}) as sipp:
        with pytest.raises(grpc.RpcError) as raised:
            app.invite(sipp.uri, wait_for=FINAL)
        sipp.finish()
    failure = failure_of(raised.value)
    assert (failure.code, failure.status) == (code, int(status[:3]))
    assert reason in (None, failure.reason)
    name, value = header.split(": ")
    assert (name, value) in failure.headers
    termination = app.wait_for("call_ended").call_ended.termination
    assert termination.status.code == int(status[:3])
    assert termination.status.reason == status[4:]
    expected = Termination.CAUSE_REDIRECTED if status[0] == "3" else Termination.CAUSE_REJECTED
    assert termination.cause == expected
    if name == "Reason":
        assert list(termination.reasons) == [value]


@scenario(
    "rfc3261-s8.1.3.4-redirect-reported-uas",
    file=False,
    also=["rfc3261-s13.2.2.3-refused-uas"],
)
def redirect_is_reported(play: Play) -> None:
    app = play.app
    keys = {"status": "302 Moved", "header": "Contact: <sip:there@192.0.2.1>;q=0.5"}
    with play.callee("rfc3261-s13.2.2.3-refused-uas", keys=keys) as sipp:
        call = app.invite(sipp.uri)
        redirected = app.wait_for("call_redirected", call).call_redirected
        app.wait_for("call_ended", call)
        sipp.finish()
    assert [contact.uri for contact in redirected.contacts] == ["sip:there@192.0.2.1"]
    assert redirected.status == sip_pb2.SipStatus(code=302, reason="Moved")


@scenario(
    "rfc3261-s8.1.3.4-redirect-followed-uas",
    file=False,
    also=["rfc3261-s13.2-call-uas", "rfc3261-s13.2.2.3-refused-uas"],
)
def redirect_is_followed_if_the_policy_says_so(play: Play) -> None:
    app = play.app
    with play.callee("rfc3261-s13.2-call-uas") as there:
        keys = {"status": "302 Moved", "header": f"Contact: <{there.uri}>"}
        with play.callee("rfc3261-s13.2.2.3-refused-uas", keys=keys) as here:
            call = app.invite(here.uri, wait_for=FINAL, policy=call_pb.CallPolicy(max_redirects=1))
            here.finish()
        app.hangup(call)
        there.finish()
    assert cause(app.wait_for("call_ended", call)) == Termination.CAUSE_LOCAL_HANGUP


@scenario("rfc3261-s9.1-cancelled-uas", over=["udp", "tcp"])
def caller_cancels(play: Play, transport: str) -> None:
    app = play.app
    with play.callee(transport=transport) as sipp:
        call = app.invite(sipp.uri, wait_for=PROGRESS)
        assert app.hangup(call).state == Call.STATE_TERMINATED
        sipp.finish()
    termination = app.wait_for("call_ended", call).call_ended.termination
    assert termination.cause == Termination.CAUSE_CANCELLED


@scenario("rfc3261-s9.1-cancelled-uas")
def ring_timeout_cancels(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        policy = call_pb.CallPolicy(ring_timeout=Duration(nanos=300_000_000))
        with pytest.raises(grpc.RpcError) as raised:
            app.invite(sipp.uri, wait_for=FINAL, policy=policy)
        sipp.finish()
    failure = failure_of(raised.value)
    assert failure.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert cause(app.wait_for("call_ended")) == Termination.CAUSE_TIMEOUT


@scenario("rfc3261-s9.1-cancel-crosses-200-uas")
def ok_that_crosses_the_cancel_is_ended_with_bye(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri, wait_for=PROGRESS)
        app.hangup(call)
        app.wait_for("call_ended", call)
        sipp.finish()


@scenario("rfc3261-s11.1-options-uas")
def ping(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        response = app.requests.Ping(request_pb.PingRequest(uri=sipp.uri), timeout=10).response
        sipp.finish()
    assert response.status == sip_pb2.SipStatus(code=200, reason="OK")
    allow = [header.value for header in response.headers if header.name == "Allow"]
    assert allow == ["INVITE, ACK, BYE, CANCEL, OPTIONS"]


@scenario("rfc3261-s17.1.1.2-silent-uas", slow=True)
def nobody_answers(play: Play) -> None:
    """Timer B: 64*T1 = 32 s for an INVITE to which nothing comes back."""
    app = play.app
    with play.callee() as silent:
        call = app.invite(silent.uri)
        ended = app.wait_for("call_ended", call, timeout=40)
        invites = [m for m in silent.received() if m.method == "INVITE"]
    assert cause(ended) == Termination.CAUSE_TIMEOUT
    # Timer A: at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s.
    assert len({m.octets for m in invites}) == 1
    assert len(invites) == 7
