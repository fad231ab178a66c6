"""EventService: the event log as streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, NoReturn

import grpc

from picosip.v1 import event_service_pb2 as pb
from picosip_server.engine.snapshot import Snapshot
from picosip_server.service import errors
from picosip_server.service.backend import Backend
from picosip_server.service.convert import events as convert
from picosip_server.service.filters import ALL_METHODS, StreamFilter
from picosip_server.service.streams import EventStream, start_position
from picosip_server.service.validate import Check
from picosip_server.sip.ua.snapshots import CallSnapshot, RegistrationSnapshot
from picosip_server.sip.ua.subscription.events import SubscriptionSnapshot

SERVICE_NAME = "picosip.v1.EventService"
_MOST_RESOURCES = 10_000
_MOST_METHODS = 100

Context = grpc.aio.ServicerContext[Any, Any]


class EventService:
    """Registered by hand, not by the generated code: its responses are encoded already."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def Events(self, request: pb.EventsRequest, context: Context) -> None:
        """Events from a cursor on, until the client or the server ends the stream."""
        backend = self._backend
        wanted, progress_interval = _checked(request)
        backend.streams.admit()
        snapshot: Iterator[bytes] = iter(())
        after = backend.log.latest
        if request.HasField("after"):
            after = start_position(backend.log, request.after)
        if request.include_snapshot:
            # The stream counts among the audience only from here on, so nothing was
            # handed to it that the snapshot does not have.
            value, revision = await backend.bridge.snapshot()
            snapshot = self._encoded(value, wanted, revision)
            if not request.HasField("after"):
                after = revision
        stream = EventStream(backend.log, wanted, after=after, progress_interval=progress_interval)
        backend.streams.add(stream)
        fresh = not request.HasField("after") and not request.include_snapshot
        waiting = list(backend.waiting.take(wanted, missed=fresh))
        try:
            await stream.run(context.write, waiting if fresh else snapshot)
        finally:
            backend.streams.remove(stream)

    async def Control(
        self, requests: AsyncIterator[pb.ControlRequest], context: Context
    ) -> NoReturn:
        """Not there yet."""
        raise errors.unimplemented("EventService.Control")

    def handler(self) -> grpc.GenericRpcHandler:
        """What the server registers; the octets of an EventsResponse go out as they are."""
        return grpc.method_handlers_generic_handler(
            SERVICE_NAME,
            {
                "Events": grpc.unary_stream_rpc_method_handler(
                    self.Events,
                    request_deserializer=pb.EventsRequest.FromString,
                    response_serializer=None,
                ),
                "Control": grpc.stream_stream_rpc_method_handler(
                    self.Control,
                    request_deserializer=pb.ControlRequest.FromString,
                    response_serializer=pb.ControlResponse.SerializeToString,
                ),
            },
        )

    def _encoded(self, value: Snapshot, wanted: StreamFilter, revision: int) -> Iterator[bytes]:
        clock = self._backend.clock
        now = clock.now()
        live: tuple[CallSnapshot | RegistrationSnapshot | SubscriptionSnapshot, ...] = (
            *value.calls,
            *value.registrations,
            *value.subscriptions,
        )
        for resource in live:
            if wanted.match(resource.name, resource.labels):
                yield convert.snapshot(resource, revision, now, clock).SerializeToString()


def _checked(request: pb.EventsRequest) -> tuple[StreamFilter, float]:
    check = Check()
    check.count("filter.resources", len(request.filter.resources), _MOST_RESOURCES)
    for index, resource in enumerate(request.filter.resources):
        check.text(f"filter.resources[{index}]", resource, required=True, most=256)
    check.labels("filter.labels", request.filter.labels)
    check.count("filter.handle_methods", len(request.filter.handle_methods), _MOST_METHODS)
    for index, method in enumerate(request.filter.handle_methods):
        if method != ALL_METHODS:
            check.token(f"filter.handle_methods[{index}]", method)
    if request.after.revision < 0:
        check.fail("after.revision", "must not be negative")
    progress_interval = check.seconds("progress_interval", request.progress_interval)
    check.done()
    return StreamFilter(request.filter), progress_interval
