"""One Control stream: commands in, their results and events out."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from itertools import islice
from typing import Any

import grpc
import structlog

from picosip.v1 import event_service_pb2 as pb
from picosip_server.service import errors
from picosip_server.service.attaching import attach
from picosip_server.service.backend import Backend
from picosip_server.service.commands import COMMANDS
from picosip_server.service.errors import ApiError, FieldViolation
from picosip_server.service.idempotency import Outcome
from picosip_server.service.operations import Begins
from picosip_server.service.outbox import Outbox
from picosip_server.service.sessions import Session
from picosip_server.service.streams import Credit, EventStream, Write
from picosip_server.service.validate import Check

_log = structlog.get_logger(__name__)

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
        self._open: set[int] = set()
        """command_id of those that are being done."""
        self._events: EventStream
        self._session: Session
        self._outbox: Outbox
        self._waiter: asyncio.Future[None] | None = None
        self._superseded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._gone = False

    async def serve(self) -> None:
        """Runs until the client has ended it in order and has all results. Raises ApiError."""
        request = await self._read_one()
        if request is grpc.aio.EOF:
            return
        if request.WhichOneof("kind") != "open":
            raise _misused("open", "must come first on a Control stream")
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
        lost = True
        try:
            cursor = self._events.cursor
            opened = pb.ControlOpened(cursor=cursor, resumed=known)
            await self._write(pb.ControlResponse(opened=opened).SerializeToString())
            await self._run(first)
            lost = False
        finally:
            self._gone = True
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
                    raise _misused("open", "must come once on a Control stream, and first")
                case _:
                    raise _misused("kind", "needs commands or acknowledge_revision")

    async def _begin_all(self, commands: Iterable[pb.Command]) -> None:
        waiting = iter(commands)
        while True:
            # The client is not read any more while it has so many without a result.
            asked = min(self._most - self._unanswered, _TURN)
            if asked <= 0:
                await self._until(lambda: self._unanswered < self._most)
                continue
            some = list(islice(waiting, asked))
            with self._backend.bridge.engine.gather():
                for command in some:
                    self._begin(command)
            if len(some) < asked:
                return
            await asyncio.sleep(0)

    def _begin(self, command: pb.Command) -> None:
        number = command.command_id
        if number in self._open:
            text = f"{number} is that of a command that has no result yet"
            self._tell(number, _misused("command_id", text, "DUPLICATE_COMMAND_ID").status())
            return
        field = command.WhichOneof("request")
        if field is None:
            text = "is none that this server knows: set one of the fields"
            self._tell(number, _misused("request", text).status())
            return
        operation = COMMANDS[field]
        request = getattr(command, field)
        done = partial(self._done, number, operation)
        on_created = None
        if field == "invite" and request.policy.hangup_on_disconnect:
            on_created = partial(self._backend.sessions.created, self._session)
        self._open.add(number)
        try:
            operation.begin(
                self._backend, request, done, brief=command.brief, on_created=on_created
            )
        except Exception as error:
            done(error)

    def _done(self, number: int, operation: Begins, outcome: Outcome) -> None:
        """A command has come to its end, in whichever way."""
        code = grpc.StatusCode.OK
        if isinstance(outcome, pb.CommandResult):
            result = outcome
        elif isinstance(outcome, Exception):
            error = outcome if isinstance(outcome, ApiError) else _unexpected(operation, outcome)
            code = error.code
            result = pb.CommandResult(error=error.status())
        else:
            result = operation.result(outcome)
        self._backend.rpc_done(operation.path, code.name)
        self._open.discard(number)
        result.command_id = number
        if not self._gone:
            self._outbox.add(result.SerializeToString())

    def _tell(self, number: int, status: Any) -> None:
        result = pb.CommandResult(command_id=number, error=status)
        self._outbox.add(result.SerializeToString())

    @property
    def _unanswered(self) -> int:
        return len(self._open) + self._outbox.unwritten

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


def _misused(field: str, description: str, reason: str = "INVALID_FIELD") -> ApiError:
    return errors.invalid((FieldViolation(field=field, description=description, reason=reason),))


def _unexpected(operation: Begins, error: Exception) -> ApiError:
    error_id = secrets.token_hex(8)
    _log.error(
        "a command failed unexpectedly", method=operation.path, error_id=error_id, exc_info=error
    )
    return errors.internal(error_id)
