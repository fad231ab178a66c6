"""Streams that end while the server waits for a client that does not read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from picosip.v1 import (
    admin_service_pb2 as admin_pb,
    admin_service_pb2_grpc as admin_grpc,
    event_service_pb2 as event_pb,
    event_service_pb2_grpc as event_grpc,
)
from tests.support.raw import RawTcp, request
from tests.support.server import PicosipServer

MESSAGES = 100
BODY = b"x" * 60_000
"""Of each message; all of them together are far more than gRPC sends ahead."""

UNREAD = [("grpc.http2.bdp_probe", 0)]
"""Or gRPC takes more in from a server that it finds fast, perhaps all."""

EACH = 4
TRACE = "/picosip.v1.AdminService/Trace"
EVENTS = "/picosip.v1.EventService/Events"
CONTROL = "/picosip.v1.EventService/Control"


def opening(wanted: event_pb.EventFilter, over: threading.Event) -> Iterator[Message]:
    """What a client says on a Control stream that it then leaves open."""
    yield event_pb.ControlRequest(open=event_pb.ControlOpen(filter=wanted))
    over.wait()


def unread(channel: grpc.Channel, over: threading.Event) -> list[Any]:
    """Streams of each kind that have begun and are not read, though there is much to say."""
    admin, events = admin_grpc.AdminServiceStub(channel), event_grpc.EventServiceStub(channel)
    wanted = event_pb.EventFilter(handle_methods=["MESSAGE"], include_messages=True)
    streams: list[Any] = []
    for _ in range(EACH):
        streams.append(admin.Trace(admin_pb.TraceRequest(include_raw=True)))
        streams.append(events.Events(event_pb.EventsRequest(filter=wanted)))
        streams.append(events.Control(opening(wanted, over)))
    for stream in streams:
        next(stream)
    return streams


def fill(server: PicosipServer) -> None:
    """Makes something to say. Another trace is read up to the last message: by then the
    writes of those that nobody reads have been waiting for long."""
    with grpc.insecure_channel(server.grpc) as channel, RawTcp(server.tcp) as peer:
        trace = admin_grpc.AdminServiceStub(channel).Trace(admin_pb.TraceRequest(), timeout=20)
        next(trace)
        for _ in range(MESSAGES):
            peer.send(request("MESSAGE", peer, "Content-Type: text/plain", body=BODY))
        seen = 0
        while seen < MESSAGES:
            seen += sum(record.message.body.data == BODY for record in next(trace).records)
        trace.cancel()


def test_who_does_not_read_gets_no_more_calls(tmp_path: Path) -> None:
    """New work is refused for a stream that is behind, until another one takes it."""
    wanted = event_pb.EventFilter(handle_methods=["MESSAGE"], include_messages=True)
    with (
        PicosipServer(tmp_path / "server", "--overload-delay=0.2") as server,
        grpc.insecure_channel(server.grpc, UNREAD) as channel,
        RawTcp(server.tcp) as peer,
    ):
        events = event_grpc.EventServiceStub(channel)
        idle = events.Events(event_pb.EventsRequest(filter=wanted))
        next(idle)
        assert until(lambda: answer(peer) == 503, 20.0)
        keen = events.Events(event_pb.EventsRequest(filter=wanted))
        next(keen)
        reading = threading.Thread(target=drain, args=(keen,))
        reading.start()
        assert until(lambda: answer(peer) == 0, 20.0)
        keen.cancel()
        reading.join()


def answer(peer: RawTcp) -> int:
    """What a MESSAGE is answered with soon; 0: nothing, for an application has it."""
    peer.send(request("MESSAGE", peer, "Content-Type: text/plain", body=BODY))
    response = peer.receive(0.05)
    return 0 if response is None else response.status


def drain(stream: Any) -> None:
    """Reads until it is cancelled."""
    with suppress(grpc.RpcError):
        for _ in stream:
            continue


def until(happens: Callable[[], bool], seconds: float) -> bool:
    """Whether it happens within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if happens():
            return True
    return False


@pytest.mark.parametrize("leave", [True, False], ids=["clients-leave", "server-leaves"])
def test_all_end_as_cancelled(tmp_path: Path, leave: bool) -> None:
    """Nothing is logged as an error, and the process ends as it should."""
    over = threading.Event()
    server = PicosipServer(tmp_path / "server", "--log-level=debug")
    # The server is stopped before the channel is closed.
    with grpc.insecure_channel(server.grpc, UNREAD) as channel, server:
        streams = unread(channel, over)
        fill(server)
        if leave:
            for stream in streams:
                stream.cancel()
    over.set()
    ends = [line for line in server.log_lines() if line["event"] == "rpc"]
    assert [line["code"] for line in ends] == ["CANCELLED"] * len(ends)
    assert sorted(line["method"] for line in ends) == [
        *([TRACE] * (EACH + 1)),
        *([CONTROL] * EACH),
        *([EVENTS] * EACH),
    ]
    assert all(line["peer"].startswith("ipv4:127.0.0.1:") for line in ends)
