"""LoadService: loads made inside the engine."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import grpc
import structlog

from picosip.v1 import load_service_pb2 as pb, load_service_pb2_grpc as pb_grpc
from picosip_server.engine.load.figures import LoadFigures, total
from picosip_server.engine.load.script import Load
from picosip_server.service import errors
from picosip_server.service.backend import Backend
from picosip_server.service.convert import loads as convert
from picosip_server.service.idempotency import Outcome
from picosip_server.service.running_load import RunningLoad
from picosip_server.service.validate import Check
from picosip_server.settings_load import LoadSettings, auto_answer, load_targets
from picosip_server.sip.ua.failures import not_found

_log = structlog.get_logger(__name__)

_OWN = "loads/auto-answer"
"""The one of --auto-answer."""
_USUAL_INTERVAL = 1.0
_MOST_KEPT = 32
"""Reports of loads that ended."""

Context = grpc.aio.ServicerContext[Any, Any]


class Loads:
    """The loads of a server: those that run, and the last ones that ended."""

    def __init__(self, backend: Backend, settings: LoadSettings, node: str) -> None:
        self._backend = backend
        self._targets = load_targets(settings)
        self._most = settings.max_loads
        self._node = node
        self._own = auto_answer(settings)
        """The answers that the server gives by itself."""
        self._loads: dict[str, RunningLoad] = {}
        self._draining = False
        self._past = LoadFigures()
        """Of loads that are forgotten."""

    async def begin(self, request: pb.LoadServiceRunRequest) -> RunningLoad:
        """Begins a load. Raises ApiError where it is not as it must be, or may not be."""
        check = Check()
        interval = convert.progress_interval(check, request)
        load = convert.load(
            check,
            request,
            f"loads/{self._node}-{secrets.token_hex(6)}",
            host=self._backend.host,
            targets=self._targets,
        )
        if self._draining:
            raise errors.draining()
        if len([each for each in self.running if each.name != _OWN]) >= self._most:
            detail = f"no more than {self._most} loads run at once (--max-loads)"
            raise errors.exhausted(detail, "loads")
        return await self._begin(load, interval)

    async def answer(self) -> None:
        """Begins to answer calls, where the settings say so."""
        if self._own is not None:
            load = Load(name=_OWN, script=self._own, targets=self._targets)
            await self._begin(load, _USUAL_INTERVAL)

    async def _begin(self, load: Load, interval: float) -> RunningLoad:
        running = RunningLoad(
            load,
            self._backend.bridge,
            self._backend.clock,
            host=self._backend.host,
            interval=interval,
        )
        self._forget()
        self._loads[load.name] = running
        try:
            await running.began()
        except errors.ApiError:
            del self._loads[load.name]
            raise
        script = type(load.script).__name__.removesuffix("Script").lower()
        _log.info("load began", load=load.name, script=script)
        return running

    @property
    def running(self) -> list[RunningLoad]:
        """Those that have not ended."""
        return [load for load in self._loads.values() if not load.ended]

    @property
    def all(self) -> list[RunningLoad]:
        """Those too that ended lately."""
        return [*self._loads.values()]

    def totals(self) -> LoadFigures:
        """The counts of all loads since the start, as last measured; any thread may ask."""
        return total([self._past, *(each.figures.counts() for each in self.all)])

    def get(self, name: str) -> RunningLoad | None:
        """A load by its name."""
        return self._loads.get(name)

    def _forget(self) -> None:
        ended = [name for name, load in self._loads.items() if load.ended]
        for name in ended[: max(0, len(ended) - _MOST_KEPT)]:
            self._past = total([self._past, self._loads.pop(name).figures.counts()])

    def drain(self) -> None:
        """Begins nothing more, in no load."""
        self._draining = True
        for load in self.running:
            load.stop(hang_up=False)


class LoadService(pb_grpc.LoadServiceServicer):
    """Each load belongs to whoever watches it, unless it is detached."""

    def __init__(self, backend: Backend, loads: Loads) -> None:
        self._idempotency = backend.idempotency
        self._loads = loads
        self._beginning: set[asyncio.Task[None]] = set()

    async def Run(  # type: ignore[override]
        self, request: pb.LoadServiceRunRequest, context: Context
    ) -> None:
        """Begins a load, or finds the one of this request_id, and reports on it."""
        load = await self._watched(request)
        try:
            async with aclosing(load.reports()) as reports:
                async for report in reports:
                    await context.write(pb.LoadServiceRunResponse(report=report))
        finally:
            load.watchers -= 1
            self._leave(load, request)

    async def _watched(self, request: pb.LoadServiceRunRequest) -> RunningLoad:
        """The load of a request, which counts this stream among its watchers."""
        request_id = request.request_id
        found: asyncio.Future[RunningLoad] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if found.done():
                return
            if isinstance(outcome, Exception):
                found.set_exception(outcome)
                return
            assert isinstance(outcome, pb.LoadServiceRunResponse)
            name = outcome.report.name
            load = self._loads.get(name)
            if load is None:
                found.set_exception(errors.from_failure(not_found(name)))
            else:
                load.watchers += 1
                found.set_result(load)

        if not request_id or self._idempotency.join("RunLoad", request_id, request, done):
            # In a task of its own: a stream that goes away while the load begins must not
            # leave it half begun.
            task = asyncio.create_task(self._begin(request, done))
            self._beginning.add(task)
            task.add_done_callback(self._beginning.discard)
        try:
            return await found
        except asyncio.CancelledError:
            if found.done() and not found.cancelled() and found.exception() is None:
                # It was found in the moment in which the stream went away.
                load = found.result()
                load.watchers -= 1
                self._leave(load, request)
            raise

    async def _begin(
        self, request: pb.LoadServiceRunRequest, done: Callable[[Outcome], None]
    ) -> None:
        outcome: Outcome
        load: RunningLoad | None = None
        try:
            load = await self._loads.begin(request)
            outcome = pb.LoadServiceRunResponse(report=pb.LoadReport(name=load.name))
        except Exception as error:
            outcome = error
        if request.request_id:
            self._idempotency.settle(request.request_id, outcome)
        else:
            done(outcome)
        if load is not None:
            self._leave(load, request)

    def _leave(self, load: RunningLoad, request: pb.LoadServiceRunRequest) -> None:
        if not load.watchers and not request.detached:
            load.stop(hang_up=True)

    async def Stop(
        self, request: pb.LoadServiceStopRequest, context: object
    ) -> pb.LoadServiceStopResponse:
        """Ends a load and gives its last report."""
        check = Check()
        name = check.name("name", request.name, "loads")
        check.done()
        load = self._loads.get(name)
        if load is None:
            raise errors.from_failure(not_found(name))
        load.stop(hang_up=request.hang_up)
        return pb.LoadServiceStopResponse(report=await load.over())

    async def List(
        self, request: pb.LoadServiceListRequest, context: object
    ) -> pb.LoadServiceListResponse:
        """How all loads stand."""
        return pb.LoadServiceListResponse(reports=[await each.now() for each in self._loads.all])
