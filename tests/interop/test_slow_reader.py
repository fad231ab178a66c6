"""One application that does not read its events, beside one that does."""

from __future__ import annotations

import time
from collections.abc import Iterator

import grpc

from picosip.v1 import call_service_pb2 as call_pb, event_service_pb2 as event_pb, sip_pb2
from picosip.v1.event_service_pb2_grpc import EventServiceStub
from tests.support.app import App, Event, sdp
from tests.support.server import PicosipServer

CALLS = 150
EVENTS_OF_A_CALL = 7
"""Created, answered, confirmed, ended for the caller; received ... ended for the callee."""


def test_slow_reader_does_not_slow_others(server: PicosipServer) -> None:
    """The server calls itself. Each event carries a large message, so that the window of the
    stream that nobody reads is full long before the end."""
    filler = sip_pb2.Header(name="X-Filler", value="x" * 1000)
    delays: list[float] = []

    def act(app: App, event: Event) -> None:
        delays.append(time.time() - event.time.ToNanoseconds() / 1e9)
        kind = event.WhichOneof("kind")
        if kind == "call_received":
            answer = call_pb.AnswerRequest(name=event.resource, description=sdp(), no_wait=True)
            app.soon(app.calls.Answer.future(answer))
        elif kind == "call_confirmed" and event.labels["side"] == "caller":
            app.soon(app.calls.Hangup.future(call_pb.HangupRequest(name=event.resource)))

    with grpc.insecure_channel(server.grpc) as channel, App(server.grpc, on_event=act) as app:
        start = app.latest()
        slow: Iterator[event_pb.EventsResponse] = EventServiceStub(channel).Events(
            event_pb.EventsRequest(
                after=start, filter=event_pb.EventFilter(observer=True, include_messages=True)
            )
        )
        for _ in range(CALLS):
            app.invite(
                server.uri("itself"),
                labels={"side": "caller"},
                options=sip_pb2.MessageOptions(headers=[filler]),
            )
        app.wait_for_count("call_ended", 2 * CALLS, timeout=20)
        assert app.errors == []
        assert len(app.events) >= CALLS * EVENTS_OF_A_CALL
        delays.sort()
        # At once, on a busy machine too: a held-up reader would be behind by all of the rest.
        assert delays[len(delays) // 2] < 0.2
        assert delays[-1] < 2.0

        # The slow one finds everything in its place, or is told that it came too late.
        wanted = [event.revision for event in app.events]
        found: list[int] = []
        try:
            for response in slow:
                found.extend(event.revision for event in response.events)
                if len(found) >= len(wanted):
                    break
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.OUT_OF_RANGE
        assert found == wanted[: len(found)]
        assert found
