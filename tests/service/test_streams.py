"""Event streams in virtual time: resume, expiry, filters, pace, progress, slow readers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from picosip.v1 import error_details_pb2, event_service_pb2 as pb
from picosip_server.service import errors
from picosip_server.service.audience import Listeners
from picosip_server.service.clock import Clock
from picosip_server.service.errors import ApiError
from picosip_server.service.event_log import EventLog
from picosip_server.service.filters import StreamFilter
from picosip_server.service.streams import EventStream, Streams, start_position
from picosip_server.sip.ua.events import Event
from tests.service import values
from tests.service.virtual_time import run


class Reader:
    """Takes responses in; ``slow`` readers take the next one only when told so."""

    def __init__(self, *, slow: bool = False) -> None:
        self.responses: list[pb.EventsResponse] = []
        self.times: list[float] = []
        self._allowed = asyncio.Semaphore(0) if slow else None

    async def write(self, octets: bytes) -> None:
        self.responses.append(pb.EventsResponse.FromString(octets))
        self.times.append(asyncio.get_running_loop().time())
        if self._allowed is not None:
            await self._allowed.acquire()

    def read(self, count: int) -> None:
        assert self._allowed is not None
        for _ in range(count):
            self._allowed.release()

    @property
    def revisions(self) -> list[int]:
        return [event.revision for response in self.responses for event in response.events]

    @property
    def cursors(self) -> list[int]:
        return [response.cursor.revision for response in self.responses]


def new_log(size: int = 1000) -> EventLog:
    return EventLog(size, Clock(now=asyncio.get_running_loop().time), incarnation="this")


def add(log: EventLog, *events: Event) -> None:
    for event in events:
        log.append(event)
    log.wake()


def stream(log: EventLog, *, after: int = 0, progress: float = 0.0, **fields: Any) -> EventStream:
    filter_ = StreamFilter(pb.EventFilter(**fields))
    return EventStream(log, filter_, after=after, progress_interval=progress)


@asynccontextmanager
async def running(
    of: EventStream, reader: Reader, snapshot: Iterable[bytes] = ()
) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(of.run(reader.write, snapshot))
    await asyncio.sleep(0.1)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def test_the_first_response_comes_at_once_and_says_where() -> None:
    async def main() -> None:
        log = new_log()
        add(log, *values.numbered(3))
        reader = Reader()
        async with running(stream(log, after=3), reader):
            assert reader.responses == [
                pb.EventsResponse(cursor=pb.Cursor(incarnation="this", revision=3))
            ]
            assert reader.times == [1000.0]

    run(main())


def test_a_stream_resumes_behind_its_cursor() -> None:
    async def main() -> None:
        log = new_log()
        add(log, *values.numbered(5))
        reader = Reader()
        async with running(stream(log, after=2), reader):
            assert reader.revisions == [3, 4, 5]
            assert reader.cursors == [2, 5]

    run(main())


def test_events_come_when_they_happen() -> None:
    async def main() -> None:
        log = new_log()
        reader = Reader()
        async with running(stream(log), reader):
            add(log, values.created("calls/a"), values.created("calls/b"))
            await asyncio.sleep(0.1)
            add(log, values.ended("calls/a"))
            await asyncio.sleep(0.1)
            assert [len(response.events) for response in reader.responses] == [0, 2, 1]
            # Nothing was held back, since nothing had been sent just before.
            assert reader.times[1:] == pytest.approx([1000.1, 1000.2])

    run(main())


def test_a_burst_is_gathered_for_two_milliseconds() -> None:
    async def main() -> None:
        log = new_log()
        reader = Reader()
        async with running(stream(log), reader):
            for event in values.numbered(10):
                add(log, event)
                await asyncio.sleep(0.0006)
            await asyncio.sleep(0.1)
            assert [len(response.events) for response in reader.responses] == [0, 1, 3, 3, 3]
            gaps = [b - a for a, b in zip(reader.times[1:], reader.times[2:], strict=False)]
            assert gaps == pytest.approx([0.002, 0.002, 0.002])

    run(main())


def test_a_response_has_at_most_512_events() -> None:
    async def main() -> None:
        log = new_log(size=2000)
        add(log, *values.numbered(1200))
        reader = Reader()
        async with running(stream(log), reader):
            assert [len(response.events) for response in reader.responses] == [0, 512, 512, 176]
            assert reader.cursors == [0, 512, 1024, 1200]
            assert reader.revisions == list(range(1, 1201))

    run(main())


def test_a_response_has_at_most_a_mebibyte() -> None:
    async def main() -> None:
        log = new_log()
        for name in ("calls/a", "calls/b", "calls/c"):
            message = values.request()
            message.body = bytes(400_000)
            log.append(values.created(name, message=message))
        large, small = Reader(), Reader()
        async with running(stream(log, include_messages=True), large), running(stream(log), small):
            assert [len(response.events) for response in large.responses] == [0, 2, 1]
            assert [len(response.events) for response in small.responses] == [0, 3]
            assert large.responses[1].events[0].message.body.data == bytes(400_000)
            assert not small.responses[1].events[0].HasField("message")

    run(main())


def test_others_events_move_the_cursor_on() -> None:
    async def main() -> None:
        log = new_log()
        reader = Reader()
        async with running(stream(log, resources=["calls/x"]), reader):
            add(log, *values.numbered(3))
            await asyncio.sleep(0.2)
            assert reader.cursors == [0]
            await asyncio.sleep(0.3)
            # Half a second after the last response, not sooner, and once.
            assert reader.cursors == [0, 3]
            assert reader.times[1] == pytest.approx(1000.5)
            await asyncio.sleep(5)
            assert reader.cursors == [0, 3]
            assert reader.revisions == []

    run(main())


def test_the_cursor_moves_on_even_where_others_events_never_cease() -> None:
    async def main() -> None:
        log = new_log()
        reader = Reader()
        async with running(stream(log, resources=["calls/x"]), reader):
            for event in values.numbered(300):
                add(log, event)
                await asyncio.sleep(0.01)
            assert len(reader.responses) == pytest.approx(7, abs=1)

    run(main())


def test_catching_up_is_told_at_once() -> None:
    async def main() -> None:
        log = new_log(5000)
        add(log, *values.numbered(4500))
        reader = Reader()
        async with running(stream(log, resources=["calls/x"]), reader):
            assert reader.cursors == [0, 4500]
            assert reader.times == [1000.0, 1000.0]

    run(main())


def test_progress_is_sent_as_often_as_asked_for() -> None:
    async def main() -> None:
        log = new_log()
        reader = Reader()
        async with running(stream(log, progress=2.0), reader):
            await asyncio.sleep(5)
            assert reader.times == pytest.approx([1000.0, 1002.0, 1004.0])
            add(log, *values.numbered(1))
            await asyncio.sleep(2.5)
            # An event is progress too.
            assert reader.times[3:] == pytest.approx([1005.1, 1007.1])
            assert reader.cursors == [0, 0, 0, 1, 1]

    run(main())


def test_a_slow_reader_delays_nobody_and_falls_out() -> None:
    async def main() -> None:
        log = new_log(size=100)
        slow, fast = Reader(slow=True), Reader()
        async with (
            running(stream(log), slow) as fallen,
            running(stream(log), fast),
        ):
            for event in values.numbered(300):
                add(log, event)
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.1)
            assert fast.revisions == list(range(1, 301))
            assert slow.revisions == []
            slow.read(1)
            await asyncio.wait([fallen])
            error = fallen.exception()
        assert isinstance(error, ApiError)
        assert (error.code, error.reason) == (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED")
        assert error.details == (
            error_details_pb2.CursorFailure(
                incarnation="this", oldest_revision=201, latest_revision=300
            ),
        )

    run(main())


def test_a_slow_reader_that_stays_in_the_log_misses_nothing() -> None:
    async def main() -> None:
        log = new_log(size=100)
        slow = Reader(slow=True)
        async with running(stream(log), slow):
            add(log, *values.numbered(90))
            slow.read(10)
            await asyncio.sleep(0.1)
            assert slow.revisions == list(range(1, 91))

    run(main())


def test_another_takes_along_what_waits_for_more() -> None:
    async def main() -> None:
        log = new_log()
        reader = Reader()
        reading = stream(log)
        loop = asyncio.get_running_loop()
        async with running(reading, reader):
            add(log, *values.numbered(1))
            await asyncio.sleep(0.0005)
            assert reader.revisions == [1]
            assert reading.take() is None
            add(log, *values.numbered(2))
            await asyncio.sleep(0.0005)
            assert reader.revisions == [1]
            taken = reading.take()
            assert taken is not None
            response = pb.EventsResponse.FromString(taken)
            assert [event.revision for event in response.events] == [2, 3]
            assert response.cursor.revision == 3
            await asyncio.sleep(10)
            assert reader.revisions == [1]
            assert reading.lag(loop.time()) == 0.0
            add(log, *values.numbered(1))
            await asyncio.sleep(0.1)
            assert reader.revisions == [1, 4]

    run(main())


def test_nothing_passes_a_response_on_its_way() -> None:
    async def main() -> None:
        log = new_log()
        slow = Reader(slow=True)
        reading = stream(log)
        add(log, *values.numbered(1))
        # Not before the first response, and not while that is being written.
        assert reading.take() is None
        async with running(reading, slow):
            assert reading.take() is None

    run(main())


def test_lag_is_the_age_of_what_has_not_been_written() -> None:
    async def main() -> None:
        log = new_log(size=100)
        slow = Reader(slow=True)
        reading = stream(log)
        loop = asyncio.get_running_loop()
        async with running(reading, slow):
            assert reading.lag(loop.time()) == 0.0
            add(log, *values.numbered(1))
            await asyncio.sleep(3)
            assert reading.lag(loop.time()) == pytest.approx(3.0)
            slow.read(2)
            await asyncio.sleep(0.1)
            assert reading.lag(loop.time()) == 0.0

    run(main())


def test_only_what_the_reader_could_have_had_makes_a_stream_be_behind() -> None:
    async def main() -> None:
        log = new_log()
        add(log, *values.numbered(3))
        await asyncio.sleep(60)
        slow = Reader(slow=True)
        reading = stream(log)
        loop = asyncio.get_running_loop()
        async with running(reading, slow, [b"", b""]):
            # Its snapshot is on the way; what it resumes with is older than it is.
            await asyncio.sleep(2)
            assert reading.behind(loop.time()) == 0.0
            slow.read(1)
            await asyncio.sleep(2)
            assert (reading.lag(loop.time()), reading.behind(loop.time())) == (
                pytest.approx(64.1),
                pytest.approx(2.0 - 0.002),
            )
            slow.read(5)
            await asyncio.sleep(0.1)
            assert reading.behind(loop.time()) == 0.0

    run(main())


def test_others_events_are_no_lag() -> None:
    async def main() -> None:
        log = new_log()
        reading = stream(log, resources=["calls/x"])
        async with running(reading, Reader()):
            add(log, *values.numbered(3))
            await asyncio.sleep(0.1)
            assert reading.lag(asyncio.get_running_loop().time()) == 0.0

    run(main())


def test_a_snapshot_comes_first_in_parts_of_which_the_last_has_the_cursor() -> None:
    async def main() -> None:
        log = new_log()
        add(log, *values.numbered(2))
        octets = pb.Event(revision=1, resource="calls/0").SerializeToString()
        reader = Reader()
        async with running(stream(log, after=1), reader, [octets] * 300):
            counts = [len(response.events) for response in reader.responses]
            assert counts == [256, 44, 1]
            assert not reader.responses[0].HasField("cursor")
            assert [response.cursor.revision for response in reader.responses[1:]] == [1, 2]

    run(main())


def test_an_ended_stream_says_all_it_has_and_then_why() -> None:
    async def main() -> None:
        log = new_log()
        reader = Reader()
        ending = stream(log, resources=["calls/x"])
        async with running(ending, reader) as task:
            log.append_draining(1030.0)
            ending.end(errors.draining())
            await asyncio.wait([task])
            assert task.exception() is not None
        assert [event.WhichOneof("kind") for one in reader.responses for event in one.events] == [
            "server_draining"
        ]

    run(main())


@pytest.mark.parametrize("revision", [2, 5, 7])
def test_a_cursor_within_the_log_is_served(revision: int) -> None:
    async def main() -> None:
        log = new_log(size=5)
        add(log, *values.numbered(7))
        assert start_position(log, log.cursor(revision)) == revision

    run(main())


@pytest.mark.parametrize(
    ("cursor", "message"),
    [
        (pb.Cursor(incarnation="this", revision=1), "revision 1 is outside the log"),
        (pb.Cursor(incarnation="this", revision=8), "revision 8 is outside the log"),
        (pb.Cursor(incarnation="that", revision=3), "another incarnation"),
        (pb.Cursor(), "another incarnation"),
    ],
)
def test_any_other_cursor_has_expired(cursor: pb.Cursor, message: str) -> None:
    async def main() -> None:
        log = new_log(size=5)
        add(log, *values.numbered(7))
        with pytest.raises(ApiError, match=message) as raised:
            start_position(log, cursor)
        assert raised.value.code is grpc.StatusCode.OUT_OF_RANGE
        assert raised.value.reason == "CURSOR_EXPIRED"
        assert raised.value.details == (
            error_details_pb2.CursorFailure(
                incarnation="this", oldest_revision=3, latest_revision=7
            ),
        )

    run(main())


def test_streams_are_counted_bounded_and_heard() -> None:
    async def main() -> None:
        audiences: list[Listeners] = []
        streams = Streams(2, audiences.append)
        log = new_log()
        one, two = stream(log, resources=["calls/a"]), stream(log, observer=True)
        streams.add(one)
        streams.add(two)
        assert len(streams) == 2
        assert audiences[-1].hears("calls/a", {})
        assert not audiences[-1].hears("calls/b", {})
        with pytest.raises(ApiError) as raised:
            streams.add(stream(log))
        assert raised.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        streams.remove(one)
        assert not audiences[-1].hears("calls/a", {})
        streams.remove(one)
        assert (len(streams), len(audiences)) == (1, 3)
        streams.end_all(errors.draining())
        with pytest.raises(ApiError) as raised:
            streams.admit()
        assert raised.value.code is grpc.StatusCode.UNAVAILABLE

    run(main())


def test_the_lag_of_all_streams_is_that_of_the_last() -> None:
    async def main() -> None:
        log = new_log()
        streams = Streams(2, lambda listeners: None)
        assert streams.lag(2000.0) == 0.0
        streams.add(stream(log, after=0))
        add(log, *values.numbered(1))
        await asyncio.sleep(1)
        streams.add(stream(log, after=1))
        assert streams.lag(asyncio.get_running_loop().time()) == pytest.approx(1.0)

    run(main())
