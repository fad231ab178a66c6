"""One Control stream: commands in, their results and events out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from typing import Any

import grpc

from picosip.v1 import event_service_pb2 as pb
from picosip_server.service.attaching import attach
from picosip_server.service.backend import Backend
from picosip_server.service.dispatch import Dispatch, misused
from picosip_server.service.errors import ApiError
from picosip_server.service.outbox import Outbox
from picosip_server.service.sessions import Session
from picosip_server.service.streams import Credit, EventStream, Write
from picosip_server.service.validate import Check

_KEEP_SESSION = 30.0
_LONGEST_KEEP = 3600.0
_TURN = 64
"""Commands begun before others of the loop get a turn."""

Read = Callable[[], Awaitable[Any]]
"""Gives the next ControlRequest, or ``grpc.aio.EOF``."""


class ControlStream:
    """Commands are begun as they are read, without a task each; what the engine answers is
    gathered by the outbox."""

    def __init__(self, backend: Backend, read: Read, write: Write) -> None:
        self._backend = backend
        self._read_one = read
        self._write = write
        self._most = backend.most_commands
        self._events: EventStream
        self._session: Session
        self._outbox: Outbox
        self._dispatch: Dispatch
        self._waiter: asyncio.Future[None] | None = None
        self._superseded: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def serve(self) -> None:
        """Runs until the client has ended it in order and has all results. Raises ApiError."""
        request = await self._read_one()
        if request is grpc.aio.EOF:
            return
        if request.WhichOneof("kind") != "open":
            raise misused("open", "must come first on a Control stream")
        opening = request.open
        check = Check()
        keep, credit = _check(check, opening)
        self._events, first = await attach(self._backend, check, opening, credit)
        sessions = self._backend.sessions
        self._session, known = sessions.begin(opening.session, keep, self._supersede)
        self._outbox = Outbox(
            self._write,
            self._backend.pace,
            events=self._events if opening.combine else None,
            on_room=self._wake,
        )
        self._dispatch = Dispatch(self._backend, self._session, self._outbox.add)
        lost = True
        try:
            cursor = self._events.cursor
            opened = pb.ControlOpened(cursor=cursor, resumed=known)
            await self._write(pb.ControlResponse(opened=opened).SerializeToString())
            await self._run(first)
            lost = False
        finally:
            self._dispatch.gone = True
            self._backend.streams.remove(self._events)
            sessions.left(self._session, self._supersede, lost=lost)

    async def _run(self, first: Iterable[bytes]) -> None:
        reading = asyncio.create_task(self._read())
        events = asyncio.create_task(self._events.run(self._outbox.send_events, first))
        results = asyncio.create_task(self._outbox.run())
        tasks = (reading, events, results)
        try:
            await asyncio.wait((*tasks, self._superseded), return_when=asyncio.FIRST_COMPLETED)
            if self._superseded.done():
                raise ApiError(
                    grpc.StatusCode.ABORTED,
                    "SESSION_TAKEN_OVER",
                    "another stream of the same session has been opened",
                )
            if events.done() and not reading.done():
                # It cannot go on, but what was done is told.
                await self._outbox.flush()
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _supersede(self) -> None:
        if not self._superseded.done():
            self._superseded.set_result(None)

    # Commands.

    async def _read(self) -> None:
        """Returns when the client has ended its side and has all results."""
        while True:
            request = await self._read_one()
            if request is grpc.aio.EOF:
                await self._until(lambda: self._unanswered == 0)
                # A connection that breaks may look the same at first; then this fails.
                await self._outbox.send_nothing()
                return
            match request.WhichOneof("kind"):
                case "commands":
                    await self._begin_all(request.commands.commands)
                case "acknowledge_revision":
                    self._events.acknowledge(request.acknowledge_revision)
                case "open":
                    raise misused("open", "must come once on a Control stream, and first")
                case _:
                    raise misused("kind", "needs commands or acknowledge_revision")

    async def _begin_all(self, commands: Iterable[pb.Command]) -> None:
        waiting = iter(commands)
        while True:
            # The client is not read any more while it has so many without a result.
            asked = min(self._most - self._unanswered, _TURN)
            if asked <= 0:
                await self._until(lambda: self._unanswered < self._most)
                continue
            some = list(islice(waiting, asked))
            self._dispatch.begin(some)
            if len(some) < asked:
                return
            await asyncio.sleep(0)

    @property
    def _unanswered(self) -> int:
        return len(self._dispatch.open) + self._outbox.unwritten

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _check(check: Check, opening: pb.ControlOpen) -> tuple[float, Credit | None]:
    """How long the session is kept, in seconds, and the client's credit."""
    check.text("session", opening.session, most=128)
    keep = _KEEP_SESSION
    if opening.HasField("keep_session"):
        keep = check.seconds("keep_session", opening.keep_session)
        if keep > _LONGEST_KEEP:
            check.fail("keep_session", f"must not be longer than {_LONGEST_KEEP:g} seconds")
    most = opening.max_outstanding_events
    if most < 0:
        check.fail("max_outstanding_events", "must not be negative")
    return keep, Credit(most) if most > 0 else None
