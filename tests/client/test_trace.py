"""The Trace iterator."""

from __future__ import annotations

import grpc
import pytest

import picosip
from picosip.v1 import admin_service_pb2 as admin_pb
from tests.client.conftest import Connect
from tests.client.scripted import Script, ScriptedServer, breaks, ends

BEGUN = admin_pb.TraceResponse()
RECORDS = [admin_pb.TraceRecord(resource=f"calls/{number}") for number in range(3)]


def test_records_one_by_one(connect: Connect, script: Script, server: ScriptedServer) -> None:
    script.streams["Trace"] = [
        ends(
            BEGUN,
            admin_pb.TraceResponse(records=RECORDS[:2], dropped=1),
            admin_pb.TraceResponse(records=RECORDS[2:], dropped=4),
        )
    ]
    trace = connect(server.target).trace(resources=["calls/"], methods=["BYE"], include_raw=True)
    assert list(trace) == RECORDS
    assert trace.dropped == 5
    assert script.requests == [
        admin_pb.TraceRequest(resources=["calls/"], methods=["BYE"], include_raw=True)
    ]


def test_a_broken_stream_is_raised(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    script.streams["Trace"] = [
        breaks(grpc.StatusCode.UNAVAILABLE, BEGUN, admin_pb.TraceResponse(records=RECORDS[:1]))
    ]
    trace = connect(server.target).trace()
    assert next(trace) == RECORDS[0]
    with pytest.raises(picosip.Unavailable):
        next(trace)


def test_a_trace_that_cannot_be_had_is_raised_at_once(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    script.streams["Trace"] = [breaks(grpc.StatusCode.RESOURCE_EXHAUSTED)]
    with pytest.raises(picosip.PicosipError, match="RESOURCE_EXHAUSTED"):
        connect(server.target).trace()
