"""How a client comes to a stream of events, by Events or by Control."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from picosip.v1 import event_service_pb2 as pb
from picosip_server.engine.snapshot import Snapshot
from picosip_server.service.backend import Backend
from picosip_server.service.convert import events as convert
from picosip_server.service.filters import ALL_METHODS, StreamFilter
from picosip_server.service.streams import Credit, EventStream, start_position
from picosip_server.service.validate import Check
from picosip_server.sip.ua.snapshots import CallSnapshot, RegistrationSnapshot
from picosip_server.sip.ua.subscription.events import SubscriptionSnapshot

_MOST_RESOURCES = 10_000
_MOST_METHODS = 100


async def attach(
    backend: Backend,
    check: Check,
    request: pb.EventsRequest | pb.ControlOpen,
    credit: Credit | None = None,
) -> tuple[EventStream, Iterable[bytes]]:
    """A stream that is among the audience from now on, and the events that it begins with.

    Raises ApiError. To be undone by ``Streams.remove``.
    """
    progress_interval = _check(check, request)
    check.done()
    wanted = StreamFilter(request.filter)
    backend.streams.admit()
    snapshot: Iterator[bytes] = iter(())
    after = backend.log.latest
    if request.HasField("after"):
        after = start_position(backend.log, request.after)
    if request.include_snapshot:
        # The stream counts among the audience only from here on, so nothing was
        # handed to it that the snapshot does not have.
        value, revision = await backend.bridge.snapshot()
        snapshot = _encoded(backend, value, wanted, revision)
        if not request.HasField("after"):
            after = revision
    stream = EventStream(
        backend.log,
        wanted,
        after=after,
        progress_interval=progress_interval,
        pace=backend.pace,
        credit=credit,
    )
    backend.streams.add(stream)
    fresh = not request.HasField("after") and not request.include_snapshot
    waiting = list(backend.waiting.take(wanted, missed=fresh))
    return stream, waiting if fresh else snapshot


def _encoded(
    backend: Backend, value: Snapshot, wanted: StreamFilter, revision: int
) -> Iterator[bytes]:
    clock = backend.clock
    now = clock.now()
    live: tuple[CallSnapshot | RegistrationSnapshot | SubscriptionSnapshot, ...] = (
        *value.calls,
        *value.registrations,
        *value.subscriptions,
    )
    for resource in live:
        if wanted.match(resource.name, resource.labels):
            yield convert.snapshot(resource, revision, now, clock).SerializeToString()


def _check(check: Check, request: pb.EventsRequest | pb.ControlOpen) -> float:
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
    return check.seconds("progress_interval", request.progress_interval)
