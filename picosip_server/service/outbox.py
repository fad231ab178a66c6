"""The writing end of a Control stream: results of commands gathered, events beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from picosip_server.service import wire
from picosip_server.service.streams import EventStream, Pace, Write

_BATCH_OCTETS = 1 << 20
"""Clients take messages of up to 4 MiB by default."""


class Outbox:
    """The one that writes to a stream, whatever comes at the same time.

    ``on_room`` is called whenever results have been written. With ``events`` they go along
    with each other, whichever is due first.
    """

    def __init__(
        self,
        write: Write,
        pace: Pace,
        *,
        events: EventStream | None,
        on_room: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._write = write
        self._pace = pace
        self._events = events
        self._on_room = on_room
        self._results: list[bytes] = []
        self._writing = asyncio.Lock()
        """gRPC takes one message at a time."""
        self._wrote_at = float("-inf")
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._due = False
        self.unwritten = 0
        """Results that have not been written yet."""

    def add(self, result: bytes) -> None:
        """An encoded CommandResult is to go out, with others if they come in time."""
        self._results.append(result)
        self.unwritten += 1
        if len(self._results) >= self._pace.batch:
            self._wake()
        elif self._timer is None:
            wait = self._wrote_at + self._pace.linger - self._loop.time()
            # What the engine says at the same moment goes along in any case.
            self._timer = (
                self._loop.call_later(wait, self._wake)
                if wait > 0
                else self._loop.call_soon(self._wake)
            )

    async def send_events(self, events: bytes) -> None:
        """Sends an encoded EventsResponse."""
        async with self._writing:
            if self._events is not None and self._results:
                await self._send(self._take(), events)
            else:
                await self._write(wire.control_events(events))

    async def send_nothing(self) -> None:
        """Sends an empty batch of results, to see whether somebody is there."""
        async with self._writing:
            await self._write(wire.control_results(()))

    async def run(self) -> None:
        """Sends results as they come, for ever."""
        try:
            while True:
                if not self._due:
                    self._waiter = self._loop.create_future()
                    await self._waiter
                self._due = False
                await self.flush()
        finally:
            if self._timer is not None:
                self._timer.cancel()

    async def flush(self) -> None:
        """Sends the results that there are."""
        while self._results:
            async with self._writing:
                if self._results:
                    events = None if self._events is None else self._events.take()
                    await self._send(self._take(), events)

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _take(self) -> list[bytes]:
        results = self._results[: self._pace.most]
        octets = 0
        for count, result in enumerate(results):
            octets += len(result)
            if count and octets > _BATCH_OCTETS:
                results = results[:count]
                break
        del self._results[: len(results)]
        return results

    async def _send(self, results: list[bytes], events: bytes | None) -> None:
        self._wrote_at = self._loop.time()
        if events is None:
            await self._write(wire.control_results(results))
        else:
            await self._write(wire.control_both(results, events))
        self.unwritten -= len(results)
        self._on_room()
