"""AdminService: what the server is, how it does, and how it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from importlib.metadata import version

from picosip.v1 import admin_service_pb2 as pb, admin_service_pb2_grpc as pb_grpc
from picosip_server.service.backend import Backend
from picosip_server.service.convert import values
from picosip_server.service.drain import Drain
from picosip_server.service.trace import Tracer
from picosip_server.service.validate import Check
from picosip_server.sip.ua.capabilities import METHODS, OPTION_TAGS

_MOST_FILTERS = 1_000


class AdminService(pb_grpc.AdminServiceServicer):
    """Information, figures, drain and trace."""

    def __init__(
        self, backend: Backend, drain: Drain, tracer: Tracer, drain_timeout: float
    ) -> None:
        self._backend = backend
        self._drain = drain
        self._tracer = tracer
        self._drain_timeout = drain_timeout
        self._version = version("picosip-server")

    async def GetServerInfo(
        self, request: pb.GetServerInfoRequest, context: object
    ) -> pb.GetServerInfoResponse:
        """Version, listeners, abilities, and the ends of the event log."""
        backend, log = self._backend, self._backend.log
        return pb.GetServerInfoResponse(
            version=self._version,
            incarnation=log.incarnation,
            start_time=backend.clock.timestamp(backend.start_time),
            listeners=[
                values.endpoint(one.transport, one.host, one.port) for one in backend.listeners
            ],
            methods=METHODS,
            option_tags=OPTION_TAGS,
            oldest_cursor=log.cursor(log.oldest),
            latest_cursor=log.cursor(log.latest),
            draining=self._drain.active,
        )

    async def GetStats(self, request: pb.GetStatsRequest, context: object) -> pb.GetStatsResponse:
        """Live numbers, and totals since the start."""
        stats = self._backend.bridge.engine.stats()
        return pb.GetStatsResponse(
            active_calls=stats.active_calls,
            active_registrations=stats.active_registrations,
            active_subscriptions=stats.active_subscriptions,
            active_transactions=stats.active_transactions,
            active_actors=stats.active_actors,
            waiting_timers=stats.waiting_timers,
            event_streams=len(self._backend.streams),
            counters=stats.counters,
            trunks=stats.trunks,
        )

    async def Drain(self, request: pb.DrainRequest, context: object) -> pb.DrainResponse:
        """Begins a drain and returns at once."""
        check = Check()
        grace = self._drain_timeout
        if request.HasField("grace"):
            grace = check.seconds("grace", request.grace)
        check.done()
        deadline = await self._drain.begin(grace)
        return pb.DrainResponse(
            deadline=self._backend.clock.timestamp(deadline),
            remaining_calls=self._backend.bridge.engine.stats().active_calls,
        )

    async def Trace(
        self, request: pb.TraceRequest, context: object
    ) -> AsyncIterator[pb.TraceResponse]:
        """SIP messages as they pass, credentials masked."""
        check = Check()
        check.count("resources", len(request.resources), _MOST_FILTERS)
        for index, resource in enumerate(request.resources):
            check.text(f"resources[{index}]", resource, required=True, most=256)
        check.count("methods", len(request.methods), _MOST_FILTERS)
        for index, method in enumerate(request.methods):
            check.token(f"methods[{index}]", method)
        check.done()
        async with aclosing(self._tracer.run(request)) as responses:
            async for response in responses:
                yield response
