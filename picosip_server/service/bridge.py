"""From the event loop to the engine's threads and back.

Commands go straight to the engine. What comes back is handed to the loop in order
and in batches: an RPC's result is never seen before the events that precede it.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import structlog

from picosip_server.engine.snapshot import Snapshot
from picosip_server.service.convert.commands import MakeCommand
from picosip_server.service.ports import EnginePort, MakeEngine
from picosip_server.sip.ua.events import CallCreated, Event
from picosip_server.sip.ua.outputs import (
    Completed,
    Failed,
    Failure,
    FailureKind,
    Occurred,
    Output,
    Traced,
)

_log = structlog.get_logger(__name__)

_SLICE = 256
"""Outputs that are handled before the loop gets a turn for other things."""

_MOST_OUTPUTS = 50_000
"""Outputs that may wait for the loop. None is dropped: beyond, nothing begins that makes more."""

OnCreated = Callable[[str], None]
"""Is told the name of the call that a command made, as soon as it exists."""


class CommandFailed(Exception):
    """The engine could not do what it was told."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: object
    revision: int
    """Where the event log was when the engine answered."""


@dataclass(frozen=True, slots=True)
class _Pending:
    future: asyncio.Future[_Outcome]
    on_created: OnCreated | None


class Bridge:
    """Makes the engine's commands awaitable and passes its events and traces on.

    ``on_event`` and ``on_traced`` are called on the loop, ``on_batch`` after each
    batch; ``revision`` gives the latest revision of the event log.
    """

    def __init__(
        self,
        make_engine: MakeEngine,
        *,
        on_event: Callable[[Event], None],
        on_traced: Callable[[Traced], None],
        on_batch: Callable[[], None],
        revision: Callable[[], int],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_event = on_event
        self._on_traced = on_traced
        self._on_batch = on_batch
        self._revision = revision
        self._pending: dict[Hashable, _Pending] = {}
        self._tokens = itertools.count(1)
        self._lock = threading.Lock()
        self._outputs: deque[Output] = deque()
        self._scheduled = False
        self._held = False
        """Whether the engine was told to begin nothing new."""
        self._closed = False
        self.engine: EnginePort = make_engine(self._sink)

    async def perform(self, make: MakeCommand, on_created: OnCreated | None = None) -> object:
        """Has the engine do a command and gives the value that completes it.

        Raises CommandFailed. Cancelling this drops the result; the command goes on.
        """
        token = self._token()
        outcome = await self._ask(token, lambda: self.engine.submit(make(token)), on_created)
        return outcome.value

    async def snapshot(self) -> tuple[Snapshot, int]:
        """All live resources, and the revision of the event log that they stand for."""
        token = self._token()
        outcome = await self._ask(token, lambda: self.engine.submit_snapshot(token))
        assert isinstance(outcome.value, Snapshot)
        return outcome.value, outcome.revision

    async def end_all_calls(self) -> None:
        """Ends all calls and registrations and returns when none is left."""
        token = self._token()
        await self._ask(token, lambda: self.engine.end_all_calls(token))

    def close(self) -> None:
        """Fails what is still open; the engine must have been stopped."""
        with self._lock:
            self._closed = True
            self._outputs.clear()
        failure = Failure(kind=FailureKind.UNAVAILABLE, detail="the server has been stopped")
        for pending in self._pending.values():
            if not pending.future.done():
                pending.future.set_exception(CommandFailed(failure))
        self._pending.clear()

    def _token(self) -> int:
        return next(self._tokens)

    async def _ask(
        self, token: int, submit: Callable[[], None], on_created: OnCreated | None = None
    ) -> _Outcome:
        future: asyncio.Future[_Outcome] = self._loop.create_future()
        self._pending[token] = _Pending(future, on_created)
        try:
            submit()
        except BaseException:
            del self._pending[token]
            raise
        return await future

    def _sink(self, batch: list[Output]) -> None:
        """Takes a batch in a worker's thread; one wake-up of the loop serves many batches."""
        with self._lock:
            if self._closed:
                return
            self._outputs.extend(batch)
            if not self._held and len(self._outputs) > _MOST_OUTPUTS:
                self._held = True
                self.engine.hold_back(True)
            if self._scheduled:
                return
            self._scheduled = True
        self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            count = min(len(self._outputs), _SLICE)
            batch = [self._outputs.popleft() for _ in range(count)]
            self._scheduled = bool(self._outputs)
            again = self._scheduled
            if self._held and len(self._outputs) < _MOST_OUTPUTS // 2:
                self._held = False
                self.engine.hold_back(False)
        if again:
            self._loop.call_soon(self._deliver)
        for output in batch:
            try:
                self._handle(output)
            except Exception:
                # The others of the batch, results that RPCs wait for among them, go on.
                _log.exception("an output of the engine could not be handled")
        self._on_batch()

    def _handle(self, output: Output) -> None:
        match output:
            case Occurred(event=event):
                self._on_event(event)
                if isinstance(event, CallCreated):
                    made_by = self._pending.get(event.token)
                    if made_by is not None and made_by.on_created is not None:
                        made_by.on_created(event.resource)
            case Completed(token=token, value=value):
                pending = self._pending.pop(token, None)
                if pending is not None and not pending.future.done():
                    pending.future.set_result(_Outcome(value, self._revision()))
            case Failed(token=token, failure=failure):
                pending = self._pending.pop(token, None)
                if pending is not None and not pending.future.done():
                    pending.future.set_exception(CommandFailed(failure))
            case Traced():
                self._on_traced(output)
