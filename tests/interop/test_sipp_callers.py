"""SIPp calls, an application answers over gRPC: every way in which such a call can go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from picosip.v1 import request_service_pb2 as request_pb, sip_pb2
from tests.interop.sipp import Sipp
from tests.support.app import App, Call, Termination, answering, media, sdp
from tests.support.server import PicosipServer

pytestmark = pytest.mark.peer("sipp")

ANSWERED = ["call_received", "call_answered", "call_confirmed", "call_ended"]


@pytest.fixture
def app(server: PicosipServer) -> Iterator[App]:
    """An application that answers nothing by itself and sees the SIP messages."""
    with App(server.grpc, include_messages=True) as running:
        yield running
        running.leave_nothing()


def address(server: PicosipServer, transport: str) -> tuple[str, int]:
    return "127.0.0.1", server.ports[transport]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_caller_hangs_up(server: PicosipServer, app: App, tmp_path: Path, transport: str) -> None:
    where = address(server, transport)
    with Sipp("uac_call", tmp_path, server=where, transport=transport) as sipp:
        received = app.wait_for("call_received")
        assert media(received.call_received.offer)[0][0] == "audio"
        app.progress(received.resource)
        # Answer comes back once the ACK is in.
        assert app.answer(received.resource).state == Call.STATE_CONFIRMED
        ended = app.wait_for("call_ended", received.resource)
        assert ended.call_ended.termination.cause == Termination.CAUSE_REMOTE_HANGUP
        sipp.finish()
    assert app.kinds(received.resource) == ANSWERED


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_callee_hangs_up(server: PicosipServer, app: App, tmp_path: Path, transport: str) -> None:
    where = address(server, transport)
    with Sipp("uac_hung_up", tmp_path, server=where, transport=transport) as sipp:
        received = app.wait_for("call_received")
        app.answer(received.resource)
        assert app.hangup(received.resource).state == Call.STATE_TERMINATED
        sipp.finish()
    ended = app.wait_for("call_ended", received.resource)
    assert ended.call_ended.termination.cause == Termination.CAUSE_LOCAL_HANGUP
    assert app.kinds(received.resource) == ANSWERED


def test_headers_pass_both_ways(server: PicosipServer, app: App, tmp_path: Path) -> None:
    with Sipp("uac_headers", tmp_path, server=server.udp) as sipp:
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


@pytest.mark.parametrize("late", [0, 1200])
def test_reliable_progress_waits_for_prack(
    server: PicosipServer, app: App, tmp_path: Path, late: int
) -> None:
    """RFC 3262 section 3: repeated after T1 and 2*T1; no 2xx before the PRACK, as it has SDP."""
    with Sipp("uac_100rel", tmp_path, server=server.udp, pause=late) as sipp:
        received = app.wait_for("call_received")
        app.progress(received.resource, 183, reliable=True, description=sdp())
        app.answer(received.resource, description=None)
        app.wait_for("call_ended", received.resource)
        sipp.finish()
        provisionals = [m for m in sipp.received() if m.status == 183]
    assert len({m.one("RSeq") for m in provisionals}) == 1
    assert len(provisionals) == (1 if late == 0 else 2)


def test_answer_to_reliable_offer_comes_in_the_prack(
    server: PicosipServer, app: App, tmp_path: Path
) -> None:
    with Sipp("uac_answer_in_prack", tmp_path, server=server.udp) as sipp:
        received = app.wait_for("call_received")
        app.progress(received.resource, 183, reliable=True, description=sdp(4000))
        modified = app.wait_for("call_modified", received.resource).call_modified
        assert modified.remote_description.sdp.origin.username == "sipp"
        app.answer(received.resource, description=None)
        app.wait_for("call_ended", received.resource)
        sipp.finish()


def test_offer_in_a_prack_is_answered_by_respond(
    server: PicosipServer, app: App, tmp_path: Path
) -> None:
    with Sipp("uac_offer_in_prack", tmp_path, server=server.udp) as sipp:
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


def test_offerless_call_is_offered_in_the_200(
    server: PicosipServer, app: App, tmp_path: Path
) -> None:
    with Sipp("uac_offerless", tmp_path, server=server.udp) as sipp:
        received = app.wait_for("call_received")
        assert not received.call_received.HasField("offer")
        app.answer(received.resource)
        confirmed = app.wait_for("call_confirmed", received.resource)
        # RFC 3261 section 13.2.2.4: the answer came in the ACK.
        assert confirmed.call_confirmed.description.sdp.origin.username == "sipp"
        sipp.finish()
    app.wait_for("call_ended", received.resource)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_caller_cancels(server: PicosipServer, app: App, tmp_path: Path, transport: str) -> None:
    where = address(server, transport)
    with Sipp("uac_cancel", tmp_path, server=where, transport=transport) as sipp:
        received = app.wait_for("call_received")
        app.progress(received.resource)
        ended = app.wait_for("call_ended", received.resource)
        assert ended.call_ended.termination.cause == Termination.CAUSE_CANCELLED
        sipp.finish()
    assert app.kinds(received.resource) == ["call_received", "call_ended"]


def test_cancel_that_crosses_the_200_changes_nothing(
    server: PicosipServer, app: App, tmp_path: Path
) -> None:
    with Sipp("uac_late_cancel", tmp_path, server=server.udp) as sipp:
        received = app.wait_for("call_received")
        assert app.answer(received.resource).state == Call.STATE_CONFIRMED
        ended = app.wait_for("call_ended", received.resource)
        assert ended.call_ended.termination.cause == Termination.CAUSE_REMOTE_HANGUP
        sipp.finish()


def test_200_is_repeated_until_the_ack(server: PicosipServer, app: App, tmp_path: Path) -> None:
    """RFC 3261 section 13.3.1.4: after T1, then after twice as long."""
    with Sipp("uac_late_ack", tmp_path, server=server.udp, pause=1200) as sipp:
        received = app.wait_for("call_received")
        assert app.answer(received.resource).state == Call.STATE_CONFIRMED
        app.wait_for("call_ended", received.resource)
        sipp.finish()
        answers = [m for m in sipp.received() if m.status == 200 and m.method == "INVITE"]
    assert len(answers) == 2
    assert len({answer.octets for answer in answers}) == 1


def test_options_tells_what_the_stack_can_do(server: PicosipServer, tmp_path: Path) -> None:
    with Sipp("uac_options", tmp_path, server=server.udp, calls=20) as sipp:
        assert sipp.finish().successful == 20


def test_thousand_calls_at_a_hundred_a_second(
    server: PicosipServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        App(server.grpc, on_event=answering) as app,
        Sipp("uac_call", tmp_path, server=server.udp, calls=1000, rate=100, messages=False) as sipp,
    ):
        before = app.stats().counters
        outcome = sipp.finish()
        ended = app.wait_for_count("call_ended", 1000)
        after = app.stats()
        assert app.errors == []
    assert (outcome.successful, outcome.failed) == (1000, 0)
    causes = {event.call_ended.termination.cause for event in ended}
    assert causes == {Termination.CAUSE_REMOTE_HANGUP}
    assert after.active_calls == 0
    repeated = after.counters["retransmissions_sent"] - before["retransmissions_sent"]
    with capsys.disabled():
        print(f"\n1,000 calls by SIPp: retransmissions SIPp {outcome.retransmissions}", end="")
        print(f", picoSIP {repeated}")
