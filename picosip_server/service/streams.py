"""Event streams: each one is a cursor into the log, with a filter and a pace of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from picosip.v1 import event_service_pb2 as pb
from picosip_server.service import errors, wire
from picosip_server.service.audience import Listeners
from picosip_server.service.errors import ApiError
from picosip_server.service.event_log import Entry, EventLog
from picosip_server.service.filters import StreamFilter

Write = Callable[[bytes], Awaitable[None]]
"""Sends an encoded EventsResponse; returns when flow control lets the next one in."""

_SNAPSHOT_EVENTS = 256
_BATCH_OCTETS = 1 << 20
"""Clients take messages of up to 4 MiB by default."""
_MOST = 512
"""Events, or results, of one response. Who gets them does not do so many at a glance."""
_SCAN = 2_000
"""Entries looked at before other streams get a turn."""
_CATCH_UP_WITHIN = 0.5
"""Seconds after which a stream is told that others' events have moved the log on."""
_SHORTEST_PROGRESS = 0.01


@dataclass(frozen=True, slots=True)
class Pace:
    """When what is to be sent goes out: the cost is per message, so things are gathered."""

    batch: int = 64
    """So many events, or results of commands, wait for no more of them."""
    linger: float = 0.002
    """Seconds for which fewer of them do, if the last response is as young."""

    @property
    def most(self) -> int:
        """In one response, of a stream that is behind: what waits already costs less together."""
        return max(self.batch, _MOST)


class Credit:
    """How many events may be on the way that the reader has not acknowledged."""

    __slots__ = ("_most", "_sent")

    def __init__(self, most: int) -> None:
        self._most = most
        self._sent: deque[int] = deque()

    @property
    def left(self) -> int:
        """How many more may be sent."""
        return self._most - len(self._sent)

    def sent(self, revision: int) -> None:
        """An event is on its way."""
        self._sent.append(revision)

    def acknowledge(self, revision: int) -> None:
        """Events up to this one have been handled."""
        sent = self._sent
        while sent and sent[0] <= revision:
            sent.popleft()


class EventStream:
    """One open Events RPC, or the events of a Control stream."""

    def __init__(
        self,
        log: EventLog,
        filter_: StreamFilter,
        *,
        after: int,
        progress_interval: float = 0.0,
        pace: Pace = Pace(),
        credit: Credit | None = None,
    ) -> None:
        self.filter = filter_
        self._log = log
        self._pace = pace
        self._credit = credit
        self._loop = asyncio.get_running_loop()
        self._position = after
        """Revision up to which the log has been looked through."""
        self._delivered = after
        """Revision up to which everything has been written or is of no interest."""
        self._told: int | None = None
        """Cursor of the last response."""
        self._wrote_at = float("-inf")
        self._since = float("inf")
        """When it began with the log, a snapshot being behind it."""
        self._progress = max(progress_interval, _SHORTEST_PROGRESS) if progress_interval else None
        self._writing = True
        """A response is on its way, or the first has not been sent: no other may pass it."""
        self._waiter: asyncio.Future[None] | None = None
        self._ending: ApiError | None = None

    @property
    def cursor(self) -> pb.Cursor:
        """Up to here the log has been looked through."""
        return self._log.cursor(self._position)

    def end(self, error: ApiError) -> None:
        """Ends the stream with ``error`` once it has sent what is in the log by now."""
        self._ending = error
        self.wake()

    def wake(self) -> None:
        """Says that there may be something to send."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def acknowledge(self, revision: int) -> None:
        """Events up to this one have been handled: as many more may be sent."""
        if self._credit is not None:
            self._credit.acknowledge(revision)
            self.wake()

    def take(self) -> bytes | None:
        """The next events, encoded, for one who has to write something else in any case."""
        if self._writing or not self._may_send():
            return None
        events = self._collect()
        self._delivered = self._position
        return self._response(events) if events else None

    def lag(self, now: float) -> float:
        """Age in seconds of the oldest event that has not been written yet; 0 if none waits."""
        waiting = self._waiting()
        return 0.0 if waiting is None else max(0.0, now - waiting.at)

    def behind(self, now: float) -> float:
        """Seconds for which an event has been waiting that could have been written, were the
        reader quicker: not what it waits for others, nor from before the stream was there."""
        waiting = self._waiting()
        if waiting is None:
            return 0.0
        return max(0.0, now - max(waiting.at, self._since) - self._pace.linger)

    def _waiting(self) -> Entry | None:
        try:
            return self._log.entry(max(self._delivered + 1, self._log.oldest))
        except (KeyError, IndexError):
            # Nothing waits; or the log moved on, for other threads ask as well.
            return None

    async def run(self, write: Write, snapshot: Iterable[bytes] = ()) -> None:
        """Sends the encoded snapshot events, then the log from the cursor on, for ever.

        The first response goes out at once, even if it is empty: the client then knows
        that it is attached. A response with no cursor has a snapshot that goes on in the
        next one. Raises ApiError when the cursor has fallen out of the log, or ``end``
        was called.
        """
        self._log.add_waker(self.wake)
        try:
            await self._send_snapshot(write, snapshot)
            self._since = self._log.now()
            # Where others' events made up the backlog, the client learns at once that it
            # has caught up.
            await self._send_backlog(write)
            if self._told != self._position:
                await self._write(write, [])
            while True:
                await self._send_backlog(write)
                if self._ending is not None:
                    raise self._ending
                if self._loop.time() >= self._due():
                    await self._write(write, [])
                await self._sleep_until(self._due())
        finally:
            self._log.remove_waker(self.wake)

    async def _send_snapshot(self, write: Write, snapshot: Iterable[bytes]) -> None:
        part: list[bytes] = []
        octets = 0
        for event in snapshot:
            if part and (len(part) == _SNAPSHOT_EVENTS or octets + len(event) > _BATCH_OCTETS):
                await write(wire.response(None, part))
                part, octets = [], 0
            part.append(event)
            octets += len(event)
        await self._write(write, part)

    async def _send_backlog(self, write: Write) -> None:
        while self._may_send():
            if self._log.latest - self._position < self._pace.batch:
                await self._linger()
            events = self._collect()
            if events:
                await self._write(write, events)
            else:
                self._delivered = self._position
                if self._loop.time() >= self._due():
                    await self._write(write, [])
                await asyncio.sleep(0)

    def _may_send(self) -> bool:
        """Whether there are events to look at, and the reader wants more."""
        return self._position < self._log.latest and (self._credit is None or self._credit.left > 0)

    async def _linger(self) -> None:
        # The cost is per message: after one has gone out, events gather for a moment.
        wait = self._wrote_at + self._pace.linger - self._loop.time()
        if wait > 0:
            await asyncio.sleep(wait)

    def _collect(self) -> list[bytes]:
        """The next events to send; moves the position behind all that it has looked at."""
        log, credit = self._log, self._credit
        if self._position < log.oldest - 1:
            raise errors.cursor_expired(
                f"this stream read too slowly: revision {self._position + 1} is no longer held",
                oldest=log.cursor(log.oldest),
                latest=log.cursor(log.latest),
            )
        events: list[bytes] = []
        octets = 0
        last = min(log.latest, self._position + _SCAN)
        most = self._pace.most if credit is None else min(self._pace.most, credit.left)
        while self._position < last and len(events) < most and octets < _BATCH_OCTETS:
            entry = log.entry(self._position + 1)
            if self.filter.sees(entry):
                event = entry.octets(include_message=self.filter.include_messages)
                if events and octets + len(event) > _BATCH_OCTETS:
                    break
                events.append(event)
                octets += len(event)
                if credit is not None:
                    credit.sent(self._position + 1)
            self._position += 1
        return events

    async def _write(self, write: Write, events: list[bytes]) -> None:
        self._writing = True
        response = self._response(events)
        position = self._position
        await write(response)
        self._writing = False
        self._delivered = position

    def _response(self, events: list[bytes]) -> bytes:
        self._wrote_at = self._loop.time()
        self._told = self._position
        return wire.response(self._log.cursor(self._position), events)

    def _due(self) -> float:
        """When an empty response is to say where the stream is."""
        due = float("inf")
        if self._told != self._position:
            due = self._wrote_at + _CATCH_UP_WITHIN
        if self._progress is not None:
            due = min(due, self._wrote_at + self._progress)
        return due

    async def _sleep_until(self, due: float) -> None:
        if self._may_send() or self._ending is not None:
            return
        self._waiter = self._loop.create_future()
        timer = None if due == float("inf") else self._loop.call_at(due, self.wake)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()


class Streams:
    """All open streams: how many there may be, and who listens."""

    def __init__(self, most: int, on_audience: Callable[[Listeners], None]) -> None:
        self._most = most
        self._on_audience = on_audience
        self._open: dict[EventStream, None] = {}
        self._ended: ApiError | None = None
        self._listeners = Listeners(())

    def __len__(self) -> int:
        return len(self._open)

    def hears(self, resource: str, labels: Mapping[str, str]) -> bool:
        """Whether a stream that is no mere observer sees this resource."""
        return self._listeners.hears(resource, labels)

    def admit(self) -> None:
        """Raises ApiError where no further stream can be had."""
        if self._ended is not None:
            raise self._ended
        if len(self._open) >= self._most:
            raise errors.exhausted(
                f"there are {self._most} event streams: share one, or filter by labels",
                "event_streams",
            )

    def add(self, stream: EventStream) -> None:
        """Counts the stream among the audience from now on. Raises as ``admit`` does."""
        self.admit()
        self._open[stream] = None
        self._tell()

    def remove(self, stream: EventStream) -> None:
        """Counts it no more."""
        if stream in self._open:
            del self._open[stream]
            self._tell()

    def end_all(self, error: ApiError) -> None:
        """Ends every stream, and every later one, with ``error``."""
        self._ended = error
        for stream in self._open:
            stream.end(error)

    def lag(self, now: float) -> float:
        """The longest that an event has been waiting to be written to a stream, in seconds."""
        return max((stream.lag(now) for stream in tuple(self._open)), default=0.0)

    def _tell(self) -> None:
        self._listeners = Listeners(self._open)
        self._on_audience(self._listeners)


def start_position(log: EventLog, after: pb.Cursor) -> int:
    """The revision that a stream resumes behind.

    Raises ApiError OUT_OF_RANGE with reason CURSOR_EXPIRED where the log cannot serve it.
    """
    if after.incarnation != log.incarnation:
        raise errors.cursor_expired(
            "the cursor is of another incarnation of the event log: the server was restarted",
            oldest=log.cursor(log.oldest),
            latest=log.cursor(log.latest),
        )
    if not log.oldest - 1 <= after.revision <= log.latest:
        raise errors.cursor_expired(
            f"revision {after.revision} is outside the log, "
            f"which goes from {log.oldest} to {log.latest}",
            oldest=log.cursor(log.oldest),
            latest=log.cursor(log.latest),
        )
    return after.revision
