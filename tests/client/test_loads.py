"""Loads: scripts made from plain values, and the stream of reports."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

import picosip
from picosip.v1 import load_service_pb2 as pb, sip_pb2
from tests.client.conftest import Connect
from tests.client.scripted import Script, ScriptedServer, breaks, ends

REPORTS = [pb.LoadReport(name="loads/1", started=number) for number in range(3)]
RESPONSES = [pb.LoadServiceRunResponse(report=report) for report in REPORTS]


def seconds(value: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(round(value * 1e9))
    return duration


def test_reports_one_by_one(connect: Connect, script: Script, server: ScriptedServer) -> None:
    script.streams["Run"] = [ends(*RESPONSES)]
    calls = picosip.call_script("sip:{n}@a", "sip:b@b", hold=1.5, headers=[("X", "{n}")])
    load = connect(server.target).run_load(
        calls,
        rate=picosip.ramp(1, 10, 5),
        count=100,
        duration=60,
        max_concurrent=7,
        poisson=True,
        table=picosip.load_table(["user"], [["anna"]]),
        progress_interval=0.5,
        detached=True,
        seed=3,
        publish_events=True,
        request_id="one",
    )
    assert load.name == "loads/1"
    assert list(load) == REPORTS
    assert load.report == REPORTS[-1]
    (request,) = script.requests
    expected = pb.LoadServiceRunRequest(
        request_id="one",
        calls=calls,
        table=pb.LoadTable(columns=["user"], rows=[pb.LoadRow(values=["anna"])]),
        progress_interval=seconds(0.5),
        detached=True,
        seed=3,
        publish_events=True,
        profile=pb.LoadProfile(
            count=100,
            duration=seconds(60),
            max_concurrent=7,
            arrivals=pb.LoadProfile.ARRIVALS_POISSON,
            ramp=pb.RampRate(from_rate=1, to_rate=10, duration=seconds(5)),
        ),
    )
    assert request == expected
    assert calls.invite.from_address.uri == "sip:{n}@a"
    assert calls.invite.options.headers == [sip_pb2.Header(name="X", value="{n}")]
    assert calls.hold == pb.Distribution(constant=seconds(1.5))


def test_the_end_can_be_waited_for(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    script.streams["Run"] = [ends(*RESPONSES)]
    answers = picosip.answer_script(
        ["load*"], ringing=True, delay=picosip.uniform(1, 2), outcomes=[(3, 200), (1, 486)]
    )
    load = connect(server.target).run_load(answers, duration=10)
    assert load.wait() == REPORTS[-1]
    (request,) = script.requests
    assert not request.HasField("profile")
    assert request.answers.duration == seconds(10)
    assert [each.status.code for each in request.answers.outcomes] == [200, 486]
    assert not request.answers.HasField("answer")


def test_a_load_that_may_not_begin_is_raised_at_once(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    script.streams["Run"] = [breaks(grpc.StatusCode.PERMISSION_DENIED)]
    with pytest.raises(picosip.PicosipError, match="PERMISSION_DENIED"):
        connect(server.target).run_load(picosip.message_script("sip:a@a", "sip:b@b", "hello"))


def test_a_broken_stream_is_raised(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    script.streams["Run"] = [breaks(grpc.StatusCode.UNAVAILABLE, RESPONSES[0])]
    load = connect(server.target).run_load(picosip.register_script("sip:b", "sip:{n}@b"), rate=1)
    assert next(load) == REPORTS[0]
    with pytest.raises(picosip.Unavailable):
        next(load)


def test_a_table_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_text('user,note\nanna,"a, b"\n\nbert,ü\n', encoding="utf-8")
    assert picosip.load_table_from_csv(path) == picosip.load_table(
        ["user", "note"], [["anna", "a, b"], ["bert", "ü"]]
    )


def test_rates_and_distributions() -> None:
    assert picosip.steps(1, 2, 10, 9) == pb.StepRate(
        from_rate=1, step=2, every=seconds(10), max_rate=9
    )
    assert picosip.exponential(2) == pb.Distribution(exponential=seconds(2))
    assert picosip.normal(2, 0.5) == pb.Distribution(
        normal=pb.NormalDistribution(mean=seconds(2), deviation=seconds(0.5))
    )
