"""One load as the service sees it: begun, watched, ended."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator

import structlog

from picosip.v1 import load_service_pb2 as pb
from picosip_server.engine.load.figures import LoadFigures
from picosip_server.engine.load.script import Load
from picosip_server.service import errors
from picosip_server.service.bridge import Bridge
from picosip_server.service.clock import Clock
from picosip_server.service.convert import load_reports
from picosip_server.service.errors import ApiError

_log = structlog.get_logger(__name__)


class RunningLoad:
    """Measured once in each interval, for all who watch."""

    def __init__(
        self, load: Load, bridge: Bridge, clock: Clock, *, host: str, interval: float
    ) -> None:
        self.name = load.name
        self._load = load
        self._bridge = bridge
        self._clock = clock
        self._host = host
        self._interval = interval
        self._start = clock.now()
        self._end: float | None = None
        self._figures = LoadFigures()
        self._reported = self._figures
        """Those of the last report to the streams."""
        self._error: ApiError | None = None
        self._latest = pb.LoadReport()
        self._number = 0
        """Of the latest report."""
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._run(), name=load.name)
        self.watchers = 0
        """How many streams watch it."""

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._end is not None

    @property
    def figures(self) -> LoadFigures:
        """As last measured."""
        return self._figures

    async def _run(self) -> None:
        try:
            end = await self._bridge.begin_load(self._load, self._host)
            self._start = self._clock.now()
            running = asyncio.ensure_future(end)
            await self._measure(running)
            while not running.done():
                await asyncio.wait((running,), timeout=self._interval)
                await self._measure(running)
            self._figures = await running
        except ApiError as error:
            # It may not begin, or the server has gone.
            self._error = error
        except Exception:
            # Those who watch it must not wait for ever.
            error_id = secrets.token_hex(8)
            _log.exception("a load cannot be watched", load=self.name, error_id=error_id)
            self._error = errors.internal(error_id)
            self.stop(hang_up=True)
        self._end = self._clock.now()
        await self._report(self._figures)

    async def _measure(self, running: asyncio.Future[LoadFigures]) -> None:
        if running.done():
            return
        figures = await self._bridge.measure_load(self.name)
        if not running.done():
            await self._report(figures)

    async def _report(self, figures: LoadFigures) -> None:
        self._figures = figures
        report = self._made(figures)
        report.interval.CopyFrom(load_reports.interval(self._reported, figures))
        self._reported = figures
        async with self._news:
            self._latest = report
            self._number += 1
            self._news.notify_all()

    def _made(self, figures: LoadFigures) -> pb.LoadReport:
        state = pb.LoadReport.STATE_STOPPING if figures.stopping else pb.LoadReport.STATE_RUNNING
        report = pb.LoadReport(
            name=self.name,
            state=pb.LoadReport.STATE_ENDED if self.ended else state,
            start_time=self._clock.timestamp(self._start),
        )
        if self._end is not None:
            report.end_time.CopyFrom(self._clock.timestamp(self._end))
        load_reports.fill(report, figures)
        return report

    async def began(self) -> None:
        """Returns once it runs. Raises ApiError where it may not."""
        async with self._news:
            await self._news.wait_for(lambda: self._number > 0)
        if self._error is not None:
            raise self._error

    async def reports(self) -> AsyncGenerator[pb.LoadReport, None]:
        """The latest report, and each further one up to the last. Raises ApiError where it is
        not known how the load ended."""
        seen = 0
        while True:
            async with self._news:
                while self._number == seen:
                    await self._news.wait()
                seen, report, ended = self._number, self._latest, self.ended
            if self._error is not None:
                raise self._error
            yield report
            if ended:
                return

    def stop(self, *, hang_up: bool) -> None:
        """Begins nothing more; with ``hang_up`` what lives ends at once."""
        if not self.ended:
            self._bridge.engine.stop_load(self.name, hang_up=hang_up)

    async def over(self) -> pb.LoadReport:
        """Its last report, once it has ended."""
        async with self._news:
            await self._news.wait_for(lambda: self.ended)
        return await self.now()

    async def now(self) -> pb.LoadReport:
        """How it stands, without an interval."""
        if not self.ended:
            figures = await self._bridge.measure_load(self.name)
            if not self.ended:
                self._figures = figures
        return self._made(self._figures)
