"""The orderly end of service: no new work, time for what runs, then an end to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from picosip_server.engine.stats import EngineStats
from picosip_server.service import errors
from picosip_server.service.backend import Backend
from picosip_server.service.loads import Loads
from picosip_server.service.trace import Tracer

_log = structlog.get_logger(__name__)

_LOOK_EVERY = 0.1
"""Seconds between looks at how many calls are left."""
_ENDING_TAKES = 5.0
"""Seconds in which no far end has answered, before the server goes all the same."""


class Drain:
    """Begins once, by RPC or by signal, and then runs to its end."""

    def __init__(
        self,
        backend: Backend,
        tracer: Tracer,
        loads: Loads,
        not_serving: Callable[[], Awaitable[None]],
    ) -> None:
        self._backend = backend
        self._tracer = tracer
        self._loads = loads
        self._not_serving = not_serving
        self._deadline = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def active(self) -> bool:
        """Whether no new work is taken."""
        return self._task is not None

    async def begin(self, grace: float) -> float:
        """Begins, or shortens a drain that has begun: calls have ``grace`` seconds from now.

        Gives the deadline in monotonic seconds.
        """
        deadline = self._backend.clock.now() + grace
        if self._task is None:
            self._deadline = deadline
            # Before new work is refused: theirs is not to fail for that.
            self._loads.drain()
            self._backend.bridge.engine.refuse_new_work()
            self._backend.log.append_draining(deadline)
            self._backend.log.wake()
            self._task = asyncio.create_task(self._run(), name="drain")
            _log.info("draining", grace=grace)
            await self._not_serving()
        self._deadline = min(self._deadline, deadline)
        return self._deadline

    async def wait(self) -> None:
        """Returns when everything has ended; at once if no drain has begun."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _run(self) -> None:
        bridge, clock = self._backend.bridge, self._backend.clock
        # Once this is answered, all workers know that they are to refuse new work.
        await bridge.snapshot()
        while bridge.engine.stats().active_calls > 0:
            left = self._deadline - clock.now()
            if left <= 0:
                break
            await asyncio.sleep(min(left, _LOOK_EVERY))
        stats = bridge.engine.stats()
        if _left(stats):
            await self._end(stats)
        self._backend.streams.end_all(errors.draining())
        self._tracer.end_all(errors.draining())
        _log.info("drained")

    async def _end(self, stats: EngineStats) -> None:
        left = _left(stats)
        _log.info("ending", **left)
        bridge = self._backend.bridge
        ending = asyncio.create_task(bridge.end_all_calls())
        # Very many take their time, since no more end at once than far ends can follow.
        while not (await asyncio.wait((ending,), timeout=_ENDING_TAKES))[0]:
            before, left = left, _left(bridge.engine.stats())
            if left == before:
                _log.warning("far ends do not answer: what is left ends without them", **left)
                bridge.engine.abandon_all()
                break
        await ending


def _left(stats: EngineStats) -> dict[str, int]:
    """How many of each kind still live; those of which there are none are left out."""
    left = {
        "calls": stats.active_calls,
        "registrations": stats.active_registrations,
        "subscriptions": stats.active_subscriptions,
        "publications": stats.active_publications,
    }
    return {kind: number for kind, number in left.items() if number}
