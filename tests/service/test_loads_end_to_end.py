"""Loads between two real servers, over the API."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from prometheus_client import generate_latest

from picosip.v1 import (
    admin_service_pb2 as admin_pb,
    call_service_pb2 as call_pb,
    load_service_pb2 as pb,
    request_service_pb2 as request_pb,
    sip_pb2 as sip_pb,
)
from tests.service.serving import details, refusal
from tests.service.sides import ALICE, Side, audio, start

Code = grpc.StatusCode


def calls(far: Side, **profile: Any) -> pb.LoadServiceRunRequest:
    request = pb.LoadServiceRunRequest(
        calls=pb.CallScript(
            invite=call_pb.InviteRequest(
                from_address=ALICE, to_address=far.address("load"), offer=audio(4000)
            )
        ),
        profile=pb.LoadProfile(**{"constant": 50.0, "count": 40, **profile}),
    )
    request.progress_interval.FromMilliseconds(100)
    return request


async def read(stream: Any) -> pb.LoadReport:
    """The next report of a stream."""
    response = await asyncio.wait_for(stream.read(), 20)
    assert isinstance(response, pb.LoadServiceRunResponse), response
    return response.report


async def last(stream: Any) -> pb.LoadReport:
    """The last report, when the load has ended."""
    report = pb.LoadReport()
    while (response := await asyncio.wait_for(stream.read(), 20)) is not grpc.aio.EOF:
        report = response.report
    return report


async def test_calls_are_placed_answered_and_measured_on_both_sides(near: Side, far: Side) -> None:
    answering = far.client.loads.Run(
        pb.LoadServiceRunRequest(answers=pb.AnswerScript(users=["load"], ringing=True))
    )
    began = await read(answering)
    assert began.state == pb.LoadReport.STATE_RUNNING
    async with near.client.listening() as ear:
        report = await last(near.client.loads.Run(calls(far)))
        # Nobody hears of its calls.
        revision = ear.cursor.revision
        await ear.reach(revision)
        assert not ear._ready
    assert report.state == pb.LoadReport.STATE_ENDED
    assert (report.started, report.succeeded, report.failed) == (40, 40, 0)
    assert dict(report.responses) == {200: 40}
    assert report.active == 0
    for histogram in (report.setup, report.post_dial_delay, report.teardown):
        assert histogram.count == 40
        assert histogram.hdr.startswith("HISTFAAAA")
        p50, p99 = histogram.quantiles[0].value, histogram.quantiles[4].value
        assert 0 < p50.ToNanoseconds() <= p99.ToNanoseconds() <= histogram.max.ToNanoseconds()
    assert report.end_time.ToNanoseconds() > report.start_time.ToNanoseconds()

    stop = pb.LoadServiceStopRequest(name=began.name)
    stopped = (await far.client.loads.Stop(stop)).report
    assert (stopped.started, stopped.succeeded, stopped.failed) == (40, 40, 0)
    assert dict(stopped.responses) == {200: 40}
    assert (await last(answering)).state == pb.LoadReport.STATE_ENDED


async def test_a_server_answers_by_itself(near: Side) -> None:
    target = await start(node="target", auto_answer=True, auto_answer_user=("load",))
    try:
        report = await last(near.client.loads.Run(calls(target, count=10)))
        assert (report.succeeded, dict(report.responses)) == (10, {200: 10})
        (own,) = (await target.client.loads.List(pb.LoadServiceListRequest())).reports
        assert (own.name, own.state) == ("loads/auto-answer", pb.LoadReport.STATE_RUNNING)
        assert (own.started, own.succeeded) == (10, 10)
    finally:
        await target.client.channel.close()
        await target.server.stop()


async def test_a_load_goes_with_its_stream_unless_it_is_detached(near: Side, far: Side) -> None:
    answering = far.client.loads.Run(pb.LoadServiceRunRequest(answers=pb.AnswerScript()))
    await read(answering)
    request = calls(far, count=0)
    request.calls.hold.constant.FromSeconds(60)
    states = pb.LoadReport
    for detached in (False, True):
        request.detached = detached
        running = near.client.loads.Run(request)
        while (report := await read(running)).active < 10:
            pass
        running.cancel()
        name = report.name
        if detached:
            listed = await reports(near)
            assert listed[name].state == states.STATE_RUNNING
            stop = pb.LoadServiceStopRequest(name=name, hang_up=True)
            await near.client.loads.Stop(stop)
        while (await reports(near))[name].state != states.STATE_ENDED:
            await asyncio.sleep(0.01)
        ended = (await reports(near))[name]
        assert ended.started == ended.succeeded + ended.failures["stopped"] > 0
    answering.cancel()


async def reports(side: Side) -> dict[str, pb.LoadReport]:
    """The loads of a server by name."""
    listed = await side.client.loads.List(pb.LoadServiceListRequest())
    return {report.name: report for report in listed.reports}


async def test_the_same_request_id_is_the_same_load(near: Side, far: Side) -> None:
    answering = far.client.loads.Run(pb.LoadServiceRunRequest(answers=pb.AnswerScript()))
    await read(answering)
    request = calls(far, count=20)
    request.request_id = "one"
    first, second = (near.client.loads.Run(request) for _ in range(2))
    one, other = await asyncio.gather(last(first), last(second))
    assert one == other
    assert one.started == 20
    # Also when it has ended.
    assert (await last(near.client.loads.Run(request))).name == one.name
    assert list(await reports(near)) == [one.name]
    request.profile.count = 21
    error = await refusal(near.client.loads.Run(request).read())
    assert details(error)[0].reason == "REQUEST_ID_REUSED"
    answering.cancel()


async def test_targets_that_are_not_allowed_are_refused(near: Side, far: Side) -> None:
    async def refused(**changes: Any) -> str:
        request = calls(far)
        for field, value in changes.items():
            if field == "next_hop":
                request.calls.invite.options.next_hop.host = value
            elif field == "route":
                request.calls.invite.options.routes.append(value)
            else:
                setattr(request.calls.invite, field, value)
        error = await refusal(near.client.loads.Run(request).read())
        assert error.code() is Code.PERMISSION_DENIED
        assert details(error)[0].reason == "TARGET_NOT_ALLOWED"
        assert "--load-target" in str(error.details())
        return str(details(error)[0].metadata["target"])

    assert await refused(request_uri="sip:bob@192.0.2.1") == "192.0.2.1"
    assert await refused(request_uri="sip:bob@127.0.0.1;maddr=192.0.2.4") == "192.0.2.4"
    assert await refused(next_hop="192.0.2.2") == "192.0.2.2"
    assert await refused(route="<sip:192.0.2.3;lr>") == "192.0.2.3"
    # A name has to lead there.
    answering = far.client.loads.Run(pb.LoadServiceRunRequest(answers=pb.AnswerScript()))
    await read(answering)
    near_names = calls(far)
    near_names.calls.invite.request_uri = "sip:bob@localhost:" + far.udp.rpartition(":")[2]
    report = await last(near.client.loads.Run(near_names))
    assert report.succeeded == 40
    assert not (await reports(near)).keys() - {report.name}
    answering.cancel()


async def test_no_more_loads_at_once_than_the_setting() -> None:
    side = await start(node="fewer", max_loads="1")
    try:
        request = pb.LoadServiceRunRequest(answers=pb.AnswerScript())
        running = side.client.loads.Run(request)
        await read(running)
        error = await refusal(side.client.loads.Run(request).read())
        assert error.code() is Code.RESOURCE_EXHAUSTED
        assert error.details() == "no more than 1 loads run at once (--max-loads)"
        running.cancel()
    finally:
        await side.client.channel.close()
        await side.server.stop()


async def test_a_draining_server_ends_its_loads(near: Side, far: Side) -> None:
    answering = far.client.loads.Run(pb.LoadServiceRunRequest(answers=pb.AnswerScript()))
    await read(answering)
    running = near.client.loads.Run(calls(far, count=0))
    while (await read(running)).started < 10:
        pass
    await near.client.admin.Drain(admin_pb.DrainRequest())
    report = await last(running)
    assert report.state == pb.LoadReport.STATE_ENDED
    assert report.started == report.succeeded
    error = await refusal(near.client.loads.Run(calls(far)).read())
    assert (error.code(), details(error)[0].reason) == (Code.UNAVAILABLE, "DRAINING")
    answering.cancel()


async def test_a_flood_of_messages_and_its_metrics(far: Side) -> None:
    near = await start(node="metric", metrics="127.0.0.1:0")
    try:
        request = pb.LoadServiceRunRequest(
            messages=pb.MessageScript(
                message=request_pb.SendMessageRequest(
                    from_address=ALICE,
                    to_address=far.address("user{n}"),
                    body=sip_pb.Body(content_type="text/plain", data=b"{{n}} is {n}"),
                )
            ),
            profile=pb.LoadProfile(constant=200, count=20),
        )
        report = await last(near.client.loads.Run(request))
        # Nobody takes a MESSAGE there.
        assert dict(report.responses) == {405: 20}
        assert dict(report.failures) == {"405": 20}
        figures = generate_latest(near.server._metrics.registry).decode()
        assert "picosip_load_started_total 20.0" in figures
        assert "picosip_load_failed_total 20.0" in figures
        assert "picosip_load_active 0.0" in figures
    finally:
        await near.client.channel.close()
        await near.server.stop()


async def test_workers_share_a_load() -> None:
    near = await start(node="several", workers="3")
    far = await start(node="others", workers="2", auto_answer=True)
    try:
        request = calls(far, count=61, max_concurrent=30)
        request.calls.invite.from_address.uri = "sip:number{n}@example.com"
        request.publish_events = True
        async with near.client.listening() as ear:
            report = await last(near.client.loads.Run(request))
            callers = []
            while len(callers) < 61:
                event = await ear.next()
                if event.HasField("call_created"):
                    callers.append(event.call_created.call.from_address.uri)
        assert (report.started, report.succeeded, report.active) == (61, 61, 0)
        assert report.setup.count == 61
        # Each number once, whichever worker had it.
        assert sorted(callers) == sorted(f"sip:number{n}@example.com" for n in range(61))
        stop = pb.LoadServiceStopRequest(name="loads/auto-answer")
        stopped = (await far.client.loads.Stop(stop)).report
        assert (stopped.started, stopped.succeeded) == (61, 61)
    finally:
        for side in (near, far):
            await side.client.channel.close()
            await side.server.stop()


async def test_a_server_that_stops_ends_the_streams_of_its_loads(far: Side) -> None:
    near = await start(node="stops")
    running = near.client.loads.Run(calls(far, count=0))
    await read(running)
    stopping = asyncio.create_task(near.server.stop())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await last(running)
    assert caught.value.code() in (Code.CANCELLED, Code.UNAVAILABLE)
    await stopping
    await near.client.channel.close()
