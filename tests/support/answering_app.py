"""An application in a process of its own, made to be killed.

It answers every call, and keeps its place in the event log in a file: after each batch of events
it notes the revisions that it was handed, acts on them, and only then moves the cursor on.

    python -m tests.support.answering_app TARGET DIRECTORY [--end-all]

With ``--end-all`` it also hangs up every call there is, and ends once there is none.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import grpc

from picosip.v1 import (
    admin_service_pb2 as admin_pb,
    admin_service_pb2_grpc as admin_grpc,
    call_service_pb2 as call_pb,
    call_service_pb2_grpc as call_grpc,
    event_service_pb2 as event_pb,
    event_service_pb2_grpc as event_grpc,
)
from tests.support.app import sdp


class Place:
    """Cursor and revisions in files, as they must outlive a SIGKILL."""

    def __init__(self, directory: Path) -> None:
        self._cursor = directory / "cursor.json"
        self._revisions = directory / "revisions"

    def load(self) -> event_pb.Cursor | None:
        """Where to resume; None at the first start."""
        if not self._cursor.exists():
            return None
        return event_pb.Cursor(**json.loads(self._cursor.read_text()))

    def note(self, events: list[event_pb.Event]) -> None:
        """Takes down what was handed over."""
        with self._revisions.open("a") as file:
            file.writelines(f"{event.revision}\n" for event in events)

    def save(self, cursor: event_pb.Cursor) -> None:
        """Everything up to here is done."""
        new = self._cursor.with_suffix(".new")
        new.write_text(json.dumps({"incarnation": cursor.incarnation, "revision": cursor.revision}))
        os.replace(new, self._cursor)


def main(target: str, directory: Path, end_all: bool) -> None:
    """Runs until it is killed or, with ``end_all``, until all calls have ended."""
    place = Place(directory)
    with grpc.insecure_channel(target) as channel:
        calls = call_grpc.CallServiceStub(channel)
        admin = admin_grpc.AdminServiceStub(channel)
        request = event_pb.EventsRequest(after=place.load())
        request.progress_interval.FromMilliseconds(50)
        stream = event_grpc.EventServiceStub(channel).Events(request)
        for response in stream:
            events = list(response.events)
            place.note(events)
            for event in events:
                if event.WhichOneof("kind") == "call_received":
                    answer(calls, event.resource)
            place.save(response.cursor)
            if end_all and not events:
                latest = admin.GetServerInfo(admin_pb.GetServerInfoRequest()).latest_cursor
                left = calls.ListCalls(call_pb.ListCallsRequest(page_size=1000)).calls
                if not left and latest.revision <= response.cursor.revision:
                    stream.cancel()
                    return
                for call in left:
                    if call.state == call_pb.Call.STATE_CONFIRMED:
                        hang_up(calls, call.name)


def answer(calls: call_grpc.CallServiceStub, name: str) -> None:
    """Answers a call, which an earlier life may have answered already."""
    request = call_pb.AnswerRequest(name=name, description=sdp(), no_wait=True)
    try:
        calls.Answer(request)
    except grpc.RpcError as error:
        if error.code() not in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND):
            raise


def hang_up(calls: call_grpc.CallServiceStub, name: str) -> None:
    """Ends a call, which the far end may be ending at the same moment."""
    try:
        calls.Hangup(call_pb.HangupRequest(name=name))
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), "--end-all" in sys.argv)
