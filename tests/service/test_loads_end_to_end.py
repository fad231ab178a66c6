"""Loads between two real servers, over the API."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from picosip.v1 import (
    call_service_pb2 as call_pb,
    load_service_pb2 as pb,
)
from tests.service.sides import ALICE, Side, audio

Code = grpc.StatusCode


def calls(far: Side, **profile: Any) -> pb.LoadServiceRunRequest:
    request = pb.LoadServiceRunRequest(
        calls=pb.CallScript(
            invite=call_pb.InviteRequest(
                from_address=ALICE, to_address=far.address("load"), offer=audio(4000)
            )
        ),
        profile=pb.LoadProfile(**{"constant": 200.0, "count": 40, **profile}),
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
