"""From the event loop to the engine's threads and back.

Commands go straight to the engine. What comes back is handed to the loop in order
and in batches: an RPC's result is never seen before the events that precede it.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Final

import structlog

from picosip_server.engine.load.figures import LoadFigures
from picosip_server.engine.load.script import Load
from picosip_server.engine.snapshot import Snapshot
from picosip_server.service import errors
from picosip_server.service.convert.commands import MakeCommand
from picosip_server.service.ports import EnginePort, MakeEngine
from picosip_server.sip.ua.commands import Brief, Hangup
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

_SLICE: Final = 256
"""Outputs that are handled before the loop gets a turn for other things."""

_MOST_OUTPUTS: Final = 50_000
"""Outputs that may wait for the loop. None is dropped: beyond, nothing begins that makes more."""

OnCreated = Callable[[str], None]
"""Is told the name of the call that a command made, as soon as it exists."""


Answered = Callable[[object], None]
"""Is told the value that completed a command, or the Failure, on the loop."""


class Bridge:
    """Takes commands to the engine and answers back, and passes its events and traces on.

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
        self._ident = threading.get_ident()
        self._on_event = on_event
        self._on_traced = on_traced
        self._on_batch = on_batch
        self._revision = revision
        self._pending: dict[Hashable, Answered] = {}
        self._makers: dict[Hashable, OnCreated] = {}
        self._tokens = itertools.count(1)
        self._lock = threading.Lock()
        self._outputs: deque[Output] = deque()
        self._scheduled = False
        self._held = False
        """Whether the engine was told to begin nothing new."""
        self._closed = False
        self.engine: EnginePort = make_engine(self._sink)

    def submit(
        self,
        make: MakeCommand,
        answered: Answered,
        on_created: OnCreated | None = None,
        *,
        brief: bool = False,
    ) -> None:
        """Has the engine do a command; commands reach it in the order of these calls.

        ``on_created`` is told of the call that the command makes, if it does. With ``brief``
        a command on a call is answered with its name alone.
        """
        token: Hashable = next(self._tokens)
        if brief:
            token = Brief(token)
        self._pending[token] = answered
        if on_created is not None:
            self._makers[token] = on_created
        try:
            self.engine.submit(make(token))
        except BaseException:
            self._forget(token)
            raise

    def hang_up(self, name: str) -> None:
        """Ends a call whose maker has left; nobody waits for it."""

        def answered(value: object) -> None:
            if isinstance(value, Failure):
                _log.info("a call whose maker has left did not end", call=name, why=value.detail)

        self.submit(lambda token: Hangup(token=token, name=name), answered)

    def submit_snapshot(self, answered: Answered) -> None:
        """Asks for a ``Snapshot`` of all that lives."""
        self.engine.submit_snapshot(self._ask(answered))

    async def snapshot(self) -> tuple[Snapshot, int]:
        """All live resources, and the revision of the event log that they stand for.

        Raises ApiError where the server stops before.
        """
        value, revision = await self._awaited(self.submit_snapshot)
        assert isinstance(value, Snapshot)
        return value, revision

    async def begin_load(self, load: Load, host: str) -> Awaitable[LoadFigures]:
        """Begins a load, and gives what waits for its end. Raises ApiError where it may not."""
        ending: asyncio.Future[LoadFigures] = self._loop.create_future()

        def ended(value: object) -> None:
            if ending.done():
                return
            if isinstance(value, LoadFigures):
                ending.set_result(value)
            else:
                assert isinstance(value, Failure)
                ending.set_exception(errors.from_failure(value))

        over = self._ask(ended)
        try:
            await self._awaited(
                lambda answered: self.engine.begin_load(load, host, self._ask(answered), over)
            )
        except errors.ApiError:
            self._pending.pop(over, None)
            raise
        return ending

    async def measure_load(self, name: str) -> LoadFigures:
        """The figures of a load as of now."""
        value, _ = await self._awaited(
            lambda answered: self.engine.measure_load(name, self._ask(answered))
        )
        assert isinstance(value, LoadFigures)
        return value

    async def end_all_calls(self) -> None:
        """Ends all calls and registrations and returns when none is left."""
        await self._awaited(lambda answered: self.engine.end_all_calls(self._ask(answered)))

    def close(self) -> None:
        """Fails what is still open; the engine must have been stopped."""
        with self._lock:
            self._closed = True
            self._outputs.clear()
        failure = Failure(kind=FailureKind.UNAVAILABLE, detail="the server has been stopped")
        pending, self._pending = self._pending, {}
        for answered in pending.values():
            answered(failure)
        self._makers.clear()

    def _ask(self, answered: Answered) -> int:
        token = next(self._tokens)
        self._pending[token] = answered
        return token

    def _forget(self, token: Hashable) -> None:
        del self._pending[token]
        self._makers.pop(token, None)

    async def _awaited(self, ask: Callable[[Answered], None]) -> tuple[object, int]:
        """The answer, and where the event log was when the engine gave it."""
        future: asyncio.Future[tuple[object, int]] = self._loop.create_future()

        def answered(value: object) -> None:
            if future.done():
                return
            if isinstance(value, Failure):
                future.set_exception(errors.from_failure(value))
            else:
                future.set_result((value, self._revision()))

        ask(answered)
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
        if threading.get_ident() == self._ident:
            self._loop.call_soon(self._deliver)
        else:
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
                if self._makers and isinstance(event, CallCreated):
                    made_by = self._makers.pop(event.token, None)
                    if made_by is not None:
                        made_by(event.resource)
            case Completed(token=token, value=value):
                self._answer(token, value)
            case Failed(token=token, failure=failure):
                self._answer(token, failure)
            case Traced():
                self._on_traced(output)

    def _answer(self, token: Hashable, value: object) -> None:
        if self._makers:
            self._makers.pop(token, None)
        answered = self._pending.pop(token, None)
        if answered is not None:
            answered(value)
