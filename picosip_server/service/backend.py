"""What all services share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from google.protobuf.message import Message

from picosip_server.engine.config import ListenerSpec
from picosip_server.service import errors
from picosip_server.service.bridge import Bridge, CommandFailed, OnCreated
from picosip_server.service.clock import Clock
from picosip_server.service.convert.commands import MakeCommand
from picosip_server.service.event_log import EventLog
from picosip_server.service.idempotency import Idempotency
from picosip_server.service.streams import Streams
from picosip_server.service.waiting import WaitingCalls

_log = structlog.get_logger(__name__)

Value = TypeVar("Value")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """The engine behind its bridge, the event log, and what requests leave behind."""

    bridge: Bridge
    log: EventLog
    streams: Streams
    waiting: WaitingCalls
    idempotency: Idempotency
    clock: Clock
    listeners: tuple[ListenerSpec, ...]
    host: str
    """For the origin of a structured session description that names no address."""
    start_time: float
    """Monotonic seconds."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def perform(
        self, make: MakeCommand, kind: type[Value], on_created: OnCreated | None = None
    ) -> Value:
        """Has the engine do a command that completes with a value of ``kind``.

        Raises ApiError.
        """
        try:
            value = await self.bridge.perform(make, on_created)
        except CommandFailed as error:
            raise errors.from_failure(error.failure) from error
        if not isinstance(value, kind):
            raise TypeError(f"the engine completed a command with {type(value).__name__}")
        return value

    async def once(
        self,
        method: str,
        request_id: str,
        request: Message,
        work: Callable[[], Coroutine[Any, Any, Result]],
    ) -> Result:
        """Does the work of a mutation, once for each request_id."""
        return await self.idempotency.run(method, request_id, request, work)

    def spawn(self, work: Coroutine[Any, Any, object], what: str) -> None:
        """Has work done that nobody waits for; ``what`` names it in the log if it fails."""

        async def supervised() -> None:
            try:
                await work
            except errors.ApiError as error:
                _log.info(f"{what} failed", reason=error.reason, detail=error.message)
            except Exception:
                _log.exception(f"{what} failed")

        task = asyncio.create_task(supervised())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
