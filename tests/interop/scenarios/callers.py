"""SIPp calls, the application answers: every way in which such a call can go."""

from __future__ import annotations

from picosip.v1 import request_service_pb2 as request_pb, sip_pb2
from tests.interop.suite import Play, scenario
from tests.support.app import Call, Termination, media, sdp

ANSWERED = ["call_received", "call_answered", "call_confirmed", "call_ended"]


@scenario("rfc3261-s13.2-call-uac", over=["udp", "tcp"])
def caller_hangs_up(play: Play, transport: str) -> None:
    app = play.app
    with play.caller(transport=transport) as sipp:
        received = app.wait_for("call_received")
        assert media(received.call_received.offer)[0][0] == "audio"
        app.progress(received.resource)
        # Answer comes back once the ACK is in.
        assert app.answer(received.resource).state == Call.STATE_CONFIRMED
        ended = app.wait_for("call_ended", received.resource)
        assert ended.call_ended.termination.cause == Termination.CAUSE_REMOTE_HANGUP
        sipp.finish()
    assert app.kinds(received.resource) == ANSWERED


@scenario("rfc3261-s15.1.2-hung-up-uac", over=["udp", "tcp"])
def callee_hangs_up(play: Play, transport: str) -> None:
    app = play.app
    with play.caller(transport=transport) as sipp:
        received = app.wait_for("call_received")
        app.answer(received.resource)
        assert app.hangup(received.resource).state == Call.STATE_TERMINATED
        sipp.finish()
    ended = app.wait_for("call_ended", received.resource)
    assert ended.call_ended.termination.cause == Termination.CAUSE_LOCAL_HANGUP
    assert app.kinds(received.resource) == ANSWERED


@scenario("rfc3261-s7.3.1-headers-uac")
def headers_pass_both_ways(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        received = app.wait_for("call_received")
        own = [
            (header.name, header.value)
            for header in received.message.headers
            if header.name.lower() == "x-interop"
        ]
        assert own == [("X-Interop", "first; q=1"), ("x-INTEROP", "second, third")]
        answer = sip_pb2.Header(name="X-Answer", value='answered, "twice"')
        app.answer(received.resource, options=sip_pb2.MessageOptions(headers=[answer]))
        sipp.finish()
    app.wait_for("call_ended", received.resource)


@scenario("rfc3262-s3-reliable-progress-uac", over=[0, 1200])
def reliable_progress_waits_for_prack(play: Play, late: int) -> None:
    """Repeated after T1 and 2*T1; no 2xx before the PRACK, as it has SDP."""
    app = play.app
    with play.caller(pause=late) as sipp:
        received = app.wait_for("call_received")
        app.progress(received.resource, 183, reliable=True, description=sdp())
        app.answer(received.resource, description=None)
        app.wait_for("call_ended", received.resource)
        sipp.finish()
        provisionals = [m for m in sipp.received() if m.status == 183]
    assert len({m.one("RSeq") for m in provisionals}) == 1
    assert len(provisionals) == (1 if late == 0 else 2)


@scenario("rfc3262-s5-answer-in-prack-uac")
def answer_to_reliable_offer_comes_in_the_prack(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        received = app.wait_for("call_received")
        app.progress(received.resource, 183, reliable=True, description=sdp(4000))
        modified = app.wait_for("call_modified", received.resource).call_modified
        assert modified.remote_description.sdp.origin.username == "sipp"
        app.answer(received.resource, description=None)
        app.wait_for("call_ended", received.resource)
        sipp.finish()


@scenario("rfc3262-s5-offer-in-prack-uac")
def offer_in_a_prack_is_answered_by_respond(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        received = app.wait_for("call_received")
        app.progress(received.resource, 183, reliable=True, description=sdp(4000))
        asked = app.wait_for("incoming_request").incoming_request
        assert (asked.method, asked.call) == ("PRACK", received.resource)
        assert asked.offer.sdp.origin.username == "sipp"
        status = sip_pb2.SipStatus(code=200)
        app.requests.Respond(
            request_pb.RespondRequest(name=asked.name, status=status, description=sdp(4010)),
            timeout=10,
        )
        app.answer(received.resource, description=None)
        app.wait_for("call_ended", received.resource)
        sipp.finish()


@scenario("rfc3261-s13.2.1-offerless-uac")
def offerless_call_is_offered_in_the_200(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        received = app.wait_for("call_received")
        assert not received.call_received.HasField("offer")
        app.answer(received.resource)
        confirmed = app.wait_for("call_confirmed", received.resource)
        # RFC 3261 section 13.2.2.4: the answer came in the ACK.
        assert confirmed.call_confirmed.description.sdp.origin.username == "sipp"
        sipp.finish()
    app.wait_for("call_ended", received.resource)


@scenario("rfc3261-s9.1-cancel-uac", over=["udp", "tcp"])
def caller_cancels(play: Play, transport: str) -> None:
    app = play.app
    with play.caller(transport=transport) as sipp:
        received = app.wait_for("call_received")
        app.progress(received.resource)
        ended = app.wait_for("call_ended", received.resource)
        assert ended.call_ended.termination.cause == Termination.CAUSE_CANCELLED
        sipp.finish()
    assert app.kinds(received.resource) == ["call_received", "call_ended"]


@scenario("rfc3261-s9.2-late-cancel-uac")
def cancel_that_crosses_the_200_changes_nothing(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        received = app.wait_for("call_received")
        assert app.answer(received.resource).state == Call.STATE_CONFIRMED
        ended = app.wait_for("call_ended", received.resource)
        assert ended.call_ended.termination.cause == Termination.CAUSE_REMOTE_HANGUP
        sipp.finish()


@scenario("rfc3261-s13.3.1.4-late-ack-uac")
def ok_is_repeated_until_the_ack(play: Play) -> None:
    """After T1, then after twice as long."""
    app = play.app
    with play.caller(pause=1200) as sipp:
        received = app.wait_for("call_received")
        assert app.answer(received.resource).state == Call.STATE_CONFIRMED
        app.wait_for("call_ended", received.resource)
        sipp.finish()
        answers = [m for m in sipp.received() if m.status == 200 and m.method == "INVITE"]
    assert len(answers) == 2
    assert len({answer.octets for answer in answers}) == 1


@scenario("rfc3261-s13.3.1.4-no-ack-uac", slow=True)
def ok_is_never_acknowledged(play: Play) -> None:
    """The wait of 64*T1 = 32 s, and then BYE."""
    app = play.app
    with play.caller() as mute:
        received = app.wait_for("call_received")
        app.answer(received.resource, no_wait=True)
        ended = app.wait_for("call_ended", received.resource, timeout=40)
        mute.finish()
        answers = [m for m in mute.received() if m.status == 200]
    assert ended.call_ended.termination.cause == Termination.CAUSE_TIMEOUT
    # At 0, 0.5, 1.5, 3.5 s and from there on every T2 = 4 s.
    assert len({m.octets for m in answers}) == 1
    assert len(answers) == 11


@scenario("rfc3261-s11.2-options-uac")
def options_tells_what_the_stack_can_do(play: Play) -> None:
    with play.caller(calls=20) as sipp:
        assert sipp.finish().successful == 20
