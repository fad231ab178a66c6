"""Where an Events stream is, and what to do when it breaks: the part without any I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import grpc

from picosip._retry import Backoff
from picosip._values import duration
from picosip.errors import CursorExpired, PicosipError
from picosip.v1 import event_service_pb2 as pb

# A server that stops, and proxies in between, end a stream with one of these.
LOST = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL})


class Position:
    """Hands out the events of one stream after another, as if they were one."""

    def __init__(
        self,
        *,
        resources: Iterable[str] = (),
        labels: Mapping[str, str] | None = None,
        include_messages: bool = False,
        observer: bool = False,
        handle_methods: Iterable[str] = (),
        after: pb.Cursor | None = None,
        include_snapshot: bool = False,
        snapshot_on_loss: bool = False,
        progress_interval: float = 10.0,
    ) -> None:
        self._request = pb.EventsRequest(
            filter=pb.EventFilter(
                resources=resources,
                labels=labels,
                include_messages=include_messages,
                observer=observer,
                handle_methods=handle_methods,
            ),
            include_snapshot=include_snapshot,
            progress_interval=duration(progress_interval),
        )
        self._snapshot_on_loss = snapshot_on_loss
        self._events: deque[pb.Event] = deque()
        self._incarnation = "" if after is None else after.incarnation
        # After the last event handed out; None: from now on.
        self._revision = None if after is None else after.revision
        # Where the stream is once the events in hand are out.
        self._reached = 0 if after is None else after.revision
        self._complete = False
        self._backoff = Backoff()
        self.losses = 0

    @property
    def cursor(self) -> pb.Cursor:
        """After the last event handed out."""
        return pb.Cursor(incarnation=self._incarnation, revision=self._revision or 0)

    def request(self) -> pb.EventsRequest:
        """What to ask for now: all that comes after what is in hand."""
        after = self._reached if self._events and self._complete else self._revision
        self._request.ClearField("after")
        if after is not None:
            self._request.after.incarnation = self._incarnation
            self._request.after.revision = after
        return self._request

    def accept(self, response: pb.EventsResponse) -> None:
        """Takes a response; its events are then handed out by ``next``."""
        self._backoff = Backoff()
        self._events.extend(response.events)
        # A large snapshot comes in several responses, and only the last one says where the
        # stream is; if it breaks off before, it is wanted again.
        self._complete = response.HasField("cursor")
        if not self._complete:
            return
        self._incarnation = response.cursor.incarnation
        self._reached = response.cursor.revision
        if not self._events:
            self._revision = self._reached
        elif self._revision is None:
            first = self._events[0]
            # A snapshot has the revision of what it stands for, an event its own.
            self._revision = first.revision if first.HasField("snapshot") else first.revision - 1
        if self._request.include_snapshot and not any(
            event.HasField("snapshot") for event in response.events
        ):
            self._request.include_snapshot = False

    def next(self) -> pb.Event | None:
        """The next event in hand."""
        if not self._events:
            return None
        event = self._events.popleft()
        if self._complete:
            if not self._events:
                self._revision = self._reached
            elif not event.HasField("snapshot"):
                self._revision = event.revision
        return event

    def lost(self, failure: PicosipError | None) -> float:
        """How long to wait, in seconds, before the stream is opened again at ``cursor``.

        ``failure`` None: the server ended the stream in order. Raises it if it is not to be
        mended by a new stream.
        """
        if isinstance(failure, CursorExpired) and self._snapshot_on_loss:
            self.losses += 1
            self._revision = None
            self._request.include_snapshot = True
            return 0.0
        if failure is not None and failure.code not in LOST:
            raise failure
        return self._backoff.pause()
