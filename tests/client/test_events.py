"""The Events iterator: nothing missed, nothing twice, whatever becomes of the stream."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

import picosip
from picosip.v1 import error_details_pb2 as details_pb, event_service_pb2 as event_pb
from tests.client.conftest import Connect
from tests.client.scripted import (
    Script,
    ScriptedServer,
    breaks,
    cursor,
    ends,
    plays,
    response,
)


def revisions(events: object, number: int) -> list[int]:
    iterator = iter(events)  # type: ignore[call-overload]
    return [next(iterator).revision for _ in range(number)]


EXPIRED = details_pb.CursorFailure(incarnation="two", oldest_revision=5, latest_revision=9)


def test_the_request_says_what_is_wanted(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    script.streams["Events"] = [plays(response(cursor(0)))]
    connect(server.target).events(
        resources=["calls/"],
        labels={"tenant": "a"},
        include_messages=True,
        observer=True,
        handle_methods=["REGISTER", "MESSAGE"],
        after=cursor(7),
        include_snapshot=True,
        progress_interval=1.5,
    )
    expected = event_pb.EventsRequest(
        filter=event_pb.EventFilter(
            resources=["calls/"],
            labels={"tenant": "a"},
            include_messages=True,
            observer=True,
            handle_methods=["REGISTER", "MESSAGE"],
        ),
        after=cursor(7),
        include_snapshot=True,
    )
    expected.progress_interval.FromMilliseconds(1500)
    assert script.requests == [expected]


def test_it_is_ready_when_it_returns(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    script.streams["Events"] = [plays(response(cursor(42)), response(cursor(43), [43]))]
    events = connect(server.target).events()
    # Known without an event having come: the first response was waited for.
    assert events.cursor == cursor(42)
    assert revisions(events, 1) == [43]


def test_the_cursor_is_that_of_the_event_handed_out(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    # The stream is further than its last event: the filter left something out.
    script.streams["Events"] = [plays(response(cursor(9), [2, 4, 5]), response(cursor(12), [12]))]
    events = connect(server.target).events()
    assert events.cursor == cursor(1)
    seen = []
    for _ in range(4):
        seen.append((next(events).revision, events.cursor))
    assert seen == [(2, cursor(2)), (4, cursor(4)), (5, cursor(9)), (12, cursor(12))]


def test_an_idle_stream_moves_its_cursor_on(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    script.streams["Events"] = [
        breaks(grpc.StatusCode.UNAVAILABLE, response(cursor(1)), response(cursor(30))),
        plays(response(cursor(31), [31])),
    ]
    events = connect(server.target).events()
    assert revisions(events, 1) == [31]
    assert [request.after for request in script.requests] == [event_pb.Cursor(), cursor(30)]


def test_it_resumes_when_the_server_dies_and_comes_back(
    connect: Connect, script: Script, tmp_path: Path
) -> None:
    address = f"unix:{tmp_path}/s"
    script.streams["Events"] = [
        plays(response(cursor(0)), response(cursor(2), [1, 2])),
        plays(response(cursor(2)), response(cursor(4), [3, 4])),
    ]
    with ScriptedServer(script, address):
        events = connect(address).events(labels={"a": "b"}, include_snapshot=True)
        assert revisions(events, 2) == [1, 2]
    with ScriptedServer(script, address):
        assert revisions(events, 2) == [3, 4]
    first, second = script.requests
    assert (first.include_snapshot, second.include_snapshot) == (True, False)
    assert second.after == cursor(2)
    assert second.filter == first.filter
    assert events.losses == 0


@pytest.mark.parametrize("code", ["UNAVAILABLE", "INTERNAL", "CANCELLED"])
def test_it_resumes_in_the_middle_of_a_batch(
    connect: Connect, script: Script, server: ScriptedServer, code: str
) -> None:
    script.streams["Events"] = [
        breaks(grpc.StatusCode[code], response(cursor(3), [1, 2, 3])),
        breaks(grpc.StatusCode[code]),
        plays(response(cursor(4), [4])),
    ]
    events = connect(server.target).events()
    # What was received is handed out even where the stream is gone by then.
    assert revisions(events, 4) == [1, 2, 3, 4]
    assert [r.after.revision for r in script.requests] == [0, 3, 3]


def test_it_resumes_when_the_server_ends_the_stream(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    script.streams["Events"] = [
        ends(response(cursor(1), [1])),
        plays(response(cursor(2), [2])),
    ]
    assert revisions(connect(server.target).events(), 2) == [1, 2]


def test_an_expired_cursor_is_raised(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    script.streams["Events"] = [
        breaks(grpc.StatusCode.UNAVAILABLE, response(cursor(1), [1])),
        breaks(grpc.StatusCode.OUT_OF_RANGE, details=[EXPIRED]),
    ]
    events = connect(server.target).events()
    assert revisions(events, 1) == [1]
    with pytest.raises(picosip.CursorExpired) as caught:
        next(events)
    assert caught.value.oldest == cursor(5, "two")
    assert caught.value.latest == cursor(9, "two")


def test_an_expired_cursor_at_the_start_is_raised(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    script.streams["Events"] = [breaks(grpc.StatusCode.OUT_OF_RANGE, details=[EXPIRED])]
    with pytest.raises(picosip.CursorExpired):
        connect(server.target).events(after=cursor(1))


def test_a_snapshot_takes_the_place_of_what_was_lost(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    script.streams["Events"] = [
        breaks(grpc.StatusCode.UNAVAILABLE, response(cursor(1), [1])),
        breaks(grpc.StatusCode.OUT_OF_RANGE, details=[EXPIRED]),
        plays(response(cursor(9, "two"), snapshots=["calls/a"]), response(cursor(10, "two"), [10])),
    ]
    events = connect(server.target).events(snapshot_on_loss=True)
    assert [next(events).WhichOneof("kind") for _ in range(3)] == [
        "call_ended",
        "snapshot",
        "call_ended",
    ]
    assert events.losses == 1
    assert events.cursor == cursor(10, "two")
    last = script.requests[-1]
    assert (last.HasField("after"), last.include_snapshot) == (False, True)


def test_a_snapshot_that_broke_off_is_asked_for_again(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    script.streams["Events"] = [
        breaks(grpc.StatusCode.UNAVAILABLE, response(cursor(7), snapshots=["calls/a"])),
        breaks(
            grpc.StatusCode.UNAVAILABLE,
            response(cursor(9), snapshots=["calls/a"]),
            response(cursor(9), snapshots=["calls/b"]),
            response(cursor(9)),
        ),
        plays(response(cursor(10), [10])),
    ]
    events = connect(server.target).events(include_snapshot=True)
    assert events.cursor == cursor(7)
    assert [next(events).resource for _ in range(4)] == [
        "calls/a",
        "calls/a",
        "calls/b",
        "calls/10",
    ]
    assert [(r.after.revision, r.include_snapshot) for r in script.requests] == [
        (0, True),
        (7, True),
        (9, False),
    ]


def test_what_a_new_stream_does_not_mend_is_raised(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    script.streams["Events"] = [breaks(grpc.StatusCode.INVALID_ARGUMENT)]
    with pytest.raises(picosip.InvalidArgument):
        connect(server.target).events(resources=["?"])


def test_a_server_that_is_not_there_is_raised_at_the_start(
    connect: Connect, tmp_path: Path
) -> None:
    with pytest.raises(picosip.Unavailable):
        connect(f"unix:{tmp_path}/nobody", retry_for=0.1).events()


def test_the_end_of_the_client_ends_the_iteration(
    connect: Connect, script: Script, server: ScriptedServer
) -> None:
    script.streams["Events"] = [plays(response(cursor(1), [1]))]
    client = connect(server.target)
    events = client.events()
    client.close()
    assert [event.revision for event in events] == [1]
    assert len(script.requests) == 1
