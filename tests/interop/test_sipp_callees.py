"""An application places calls to SIPp over gRPC: every way in which such a call can go."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from picosip.v1 import call_service_pb2 as call_pb, request_service_pb2 as request_pb, sip_pb2
from tests.interop.sipp import Sipp
from tests.support.app import App, Call, Event, Termination, sdp
from tests.support.failures import failure_of
from tests.support.server import PicosipServer

pytestmark = pytest.mark.peer("sipp")

FINAL = call_pb.InviteRequest.WAIT_FOR_FINAL
PROGRESS = call_pb.InviteRequest.WAIT_FOR_PROGRESS


@pytest.fixture
def app(server: PicosipServer) -> Iterator[App]:
    """An application that sees the SIP messages."""
    with App(server.grpc, include_messages=True) as running:
        yield running
        running.leave_nothing()


def cause(event: Event) -> int:
    return event.call_ended.termination.cause


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_caller_hangs_up(app: App, tmp_path: Path, transport: str) -> None:
    with Sipp("uas_call", tmp_path, transport=transport) as sipp:
        call = app.invite(sipp.uri, wait_for=FINAL)
        app.wait_for("call_confirmed", call)
        assert app.call(call).state == Call.STATE_CONFIRMED
        assert app.hangup(call).state == Call.STATE_TERMINATED
        sipp.finish()
    assert cause(app.wait_for("call_ended", call)) == Termination.CAUSE_LOCAL_HANGUP
    expected = ["created", "progressed", "answered", "confirmed", "ended"]
    assert app.kinds(call) == [f"call_{kind}" for kind in expected]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_callee_hangs_up(app: App, tmp_path: Path, transport: str) -> None:
    with Sipp("uas_hangs_up", tmp_path, transport=transport) as sipp:
        call = app.invite(sipp.uri)
        assert cause(app.wait_for("call_ended", call)) == Termination.CAUSE_REMOTE_HANGUP
        sipp.finish()


def test_headers_pass_both_ways(app: App, tmp_path: Path) -> None:
    own = [("X-Interop", "first; q=1"), ("x-INTEROP", "second, third")]
    with Sipp("uas_headers", tmp_path) as sipp:
        headers = [sip_pb2.Header(name=name, value=value) for name, value in own]
        call = app.invite(sipp.uri, options=sip_pb2.MessageOptions(headers=headers))
        answered = app.wait_for("call_answered", call)
        back = [h.value for h in answered.message.headers if h.name == "X-Answer"]
        assert back == ['answered, "twice"']
        reason = sip_pb2.Header(name="Reason", value="SIP;cause=200")
        app.hangup(call, options=sip_pb2.MessageOptions(headers=[reason]))
        sipp.finish()


def test_reliable_provisionals_are_acknowledged(app: App, tmp_path: Path) -> None:
    with Sipp("uas_100rel", tmp_path) as sipp:
        call = app.invite(sipp.uri, wait_for=FINAL)
        app.hangup(call)
        sipp.finish()
    progressed = [event.call_progressed for event in app.of_kind("call_progressed")]
    assert [(p.status.code, p.reliable) for p in progressed] == [(183, True), (180, True)]


def test_each_repeated_200_is_acknowledged(app: App, tmp_path: Path) -> None:
    """RFC 3261 section 13.2.2.4: the same ACK for each copy, one event for all."""
    with Sipp("uas_lost_ack", tmp_path, flags=("-nr",)) as sipp:
        call = app.invite(sipp.uri, wait_for=FINAL)

        def acknowledged() -> list[bytes]:
            return [m.octets for m in sipp.received() if m.method == "ACK"]

        sipp.wait_until(lambda: len(acknowledged()) == 3, "three ACKs")
        app.hangup(call)
        sipp.finish()
        assert len(set(acknowledged())) == 1
    assert len(app.of_kind("call_answered")) == 1


def test_second_200_of_a_fork_is_ended(app: App, tmp_path: Path) -> None:
    with Sipp("uas_two_answers", tmp_path) as sipp:
        call = app.invite(sipp.uri, wait_for=FINAL)
        sipp.wait_until(lambda: any(m.method == "BYE" for m in sipp.received()), "a BYE")
        state = app.call(call)
        assert state.state == Call.STATE_CONFIRMED
        assert [dialog.remote_tag for dialog in state.dialogs] == ["left1"]
        app.hangup(call)
        sipp.finish()
    forks = [event.call_forked.dialog.remote_tag for event in app.of_kind("call_forked")]
    assert forks == ["right1"]
    answers = [event.call_answered.remote_tag for event in app.of_kind("call_answered")]
    assert answers == ["left1"]


def test_both_200s_of_a_fork_are_kept_if_the_policy_says_so(app: App, tmp_path: Path) -> None:
    policy = call_pb.CallPolicy(forked_answers=call_pb.CallPolicy.FORKED_ANSWERS_KEEP_ALL)
    with Sipp("uas_both_kept", tmp_path) as sipp:
        call = app.invite(sipp.uri, policy=policy)
        answered = app.wait_for_count("call_answered", 2)
        assert [e.call_answered.remote_tag for e in answered] == ["left1", "right1"]
        app.hangup(call, remote_tag="right1")
        assert [dialog.remote_tag for dialog in app.call(call).dialogs] == ["left1"]
        app.hangup(call)
        sipp.finish()


def test_answer_to_an_offer_in_the_200_goes_in_the_ack(app: App, tmp_path: Path) -> None:
    with Sipp("uas_offerless", tmp_path) as sipp:
        call = app.invite(sipp.uri, offer=None)
        answered = app.wait_for("call_answered", call)
        assert answered.call_answered.description.sdp.origin.username == "sipp"
        app.answer(call, description=sdp(4000))
        app.wait_for("call_confirmed", call)
        app.hangup(call)
        sipp.finish()


def test_answer_to_a_reliable_offer_goes_in_the_prack(app: App, tmp_path: Path) -> None:
    with Sipp("uas_offer_in_progress", tmp_path) as sipp:
        call = app.invite(sipp.uri, offer=None)
        progressed = app.wait_for("call_progressed", call).call_progressed
        assert progressed.reliable
        assert progressed.description.sdp.origin.username == "sipp"
        app.answer(call, description=sdp(4000))
        app.wait_for("call_confirmed", call)
        app.hangup(call)
        sipp.finish()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_large_request_goes_over_tcp_if_it_can(app: App, tmp_path: Path, transport: str) -> None:
    """RFC 3261 section 18.1.1: above 1300 octets TCP is tried, and UDP where nobody takes it."""
    filler = sip_pb2.Header(name="X-Filler", value="x" * 2000)
    with Sipp("uas_call", tmp_path, transport=transport) as sipp:
        call = app.invite(
            f"sip:sipp@127.0.0.1:{sipp.port}",
            wait_for=FINAL,
            options=sip_pb2.MessageOptions(headers=[filler]),
        )
        app.wait_for("call_confirmed", call)
        app.hangup(call)
        sipp.finish()


def test_unanswered_offer_ends_the_call(tmp_path: Path) -> None:
    """Nothing said within --offer-timeout: ACK, then BYE."""
    with (
        PicosipServer(tmp_path / "server", "--offer-timeout=0.3") as server,
        App(server.grpc) as app,
        Sipp("uas_unanswered_offer", tmp_path) as sipp,
    ):
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


@pytest.mark.parametrize(("status", "code", "reason", "header"), REFUSALS)
def test_refusal(
    app: App,
    tmp_path: Path,
    status: str,
    code: grpc.StatusCode,
    reason: str | None,
    header: str,
) -> None:
    header = header or "X-Nothing: to say"
    with Sipp("uas_refuse", tmp_path, keys={"status": status, "header": header}) as sipp:
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


def test_redirect_is_reported(app: App, tmp_path: Path) -> None:
    keys = {"status": "302 Moved", "header": "Contact: <sip:there@192.0.2.1>;q=0.5"}
    with Sipp("uas_refuse", tmp_path, keys=keys) as sipp:
        call = app.invite(sipp.uri)
        redirected = app.wait_for("call_redirected", call).call_redirected
        app.wait_for("call_ended", call)
        sipp.finish()
    assert [contact.uri for contact in redirected.contacts] == ["sip:there@192.0.2.1"]
    assert redirected.status == sip_pb2.SipStatus(code=302, reason="Moved")


def test_redirect_is_followed_if_the_policy_says_so(app: App, tmp_path: Path) -> None:
    with Sipp("uas_call", tmp_path) as there:
        keys = {"status": "302 Moved", "header": f"Contact: <{there.uri}>"}
        with Sipp("uas_refuse", tmp_path, keys=keys) as here:
            call = app.invite(here.uri, wait_for=FINAL, policy=call_pb.CallPolicy(max_redirects=1))
            here.finish()
        app.hangup(call)
        there.finish()
    assert cause(app.wait_for("call_ended", call)) == Termination.CAUSE_LOCAL_HANGUP


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_caller_cancels(app: App, tmp_path: Path, transport: str) -> None:
    with Sipp("uas_rings", tmp_path, transport=transport) as sipp:
        call = app.invite(sipp.uri, wait_for=PROGRESS)
        assert app.hangup(call).state == Call.STATE_TERMINATED
        sipp.finish()
    termination = app.wait_for("call_ended", call).call_ended.termination
    assert termination.cause == Termination.CAUSE_CANCELLED


def test_ring_timeout_cancels(app: App, tmp_path: Path) -> None:
    with Sipp("uas_rings", tmp_path) as sipp:
        policy = call_pb.CallPolicy(ring_timeout=Duration(nanos=300_000_000))
        with pytest.raises(grpc.RpcError) as raised:
            app.invite(sipp.uri, wait_for=FINAL, policy=policy)
        sipp.finish()
    failure = failure_of(raised.value)
    assert failure.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert cause(app.wait_for("call_ended")) == Termination.CAUSE_TIMEOUT


def test_200_that_crosses_the_cancel_is_ended_with_bye(app: App, tmp_path: Path) -> None:
    with Sipp("uas_cancel_crosses", tmp_path) as sipp:
        call = app.invite(sipp.uri, wait_for=PROGRESS)
        app.hangup(call)
        app.wait_for("call_ended", call)
        sipp.finish()


def test_ping(app: App, tmp_path: Path) -> None:
    with Sipp("uas_options", tmp_path) as sipp:
        response = app.requests.Ping(request_pb.PingRequest(uri=sipp.uri), timeout=10).response
        sipp.finish()
    assert response.status == sip_pb2.SipStatus(code=200, reason="OK")
    allow = [header.value for header in response.headers if header.name == "Allow"]
    assert allow == ["INVITE, ACK, BYE, CANCEL, OPTIONS"]


def test_thousand_calls_at_a_hundred_a_second(
    server: PicosipServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def hang_up(app: App, event: Event) -> None:
        if event.WhichOneof("kind") == "call_confirmed":
            app.soon(app.calls.Hangup.future(call_pb.HangupRequest(name=event.resource)))

    with (
        Sipp("uas_call", tmp_path, calls=1000, messages=False) as sipp,
        App(server.grpc, on_event=hang_up) as app,
    ):
        before = app.stats().counters
        request = call_pb.InviteRequest(
            from_address=sip_pb2.Address(uri="sip:interop@127.0.0.1"),
            to_address=sip_pb2.Address(uri=sipp.uri),
            offer=sdp(),
        )
        pace = threading.Event()
        start = time.monotonic()
        for number in itertools.count():
            if number == 1000:
                break
            pace.wait(max(0.0, start + number / 100 - time.monotonic()))
            app.soon(app.calls.Invite.future(request))
        ended = app.wait_for_count("call_ended", 1000, timeout=20)
        outcome = sipp.finish()
        after = app.stats()
        assert app.errors == []
    assert (outcome.successful, outcome.failed) == (1000, 0)
    assert {cause(event) for event in ended} == {Termination.CAUSE_LOCAL_HANGUP}
    assert after.active_calls == 0
    repeated = after.counters["retransmissions_sent"] - before["retransmissions_sent"]
    with capsys.disabled():
        print(f"\n1,000 calls to SIPp: retransmissions SIPp {outcome.retransmissions}", end="")
        print(f", picoSIP {repeated}")


def test_nobody_answers_and_nobody_acknowledges(
    server: PicosipServer, app: App, tmp_path: Path
) -> None:
    """The two waits of 64*T1 = 32 s, side by side: timer B for an INVITE to which nothing comes
    back, and a 200 that is never acknowledged (RFC 3261 sections 17.1.1.2 and 13.3.1.4)."""
    with (
        Sipp("uas_silent", tmp_path) as silent,
        Sipp("uac_no_ack", tmp_path, server=server.udp) as mute,
    ):
        outgoing = app.invite(silent.uri)
        received = app.wait_for("call_received")
        app.answer(received.resource, no_wait=True)
        incoming = app.wait_for("call_ended", received.resource, timeout=40)
        timed_out = app.wait_for("call_ended", outgoing, timeout=40)
        mute.finish()
        answers = [m for m in mute.received() if m.status == 200]
        invites = [m for m in silent.received() if m.method == "INVITE"]
    assert cause(incoming) == Termination.CAUSE_TIMEOUT
    assert cause(timed_out) == Termination.CAUSE_TIMEOUT
    # Timer A: at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s.
    assert len({m.octets for m in invites}) == 1
    assert len(invites) == 7
    # Section 13.3.1.4: at 0, 0.5, 1.5, 3.5 s and from there on every T2 = 4 s.
    assert len({m.octets for m in answers}) == 1
    assert len(answers) == 11
