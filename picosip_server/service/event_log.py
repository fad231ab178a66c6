"""The log of all events: append-only, numbered, bounded, in memory.

A stream is only a cursor into it, so that a slow reader holds up nobody. The
revision of an event is its number, from 1 on; the incarnation changes with each
start of the server, since the numbers then begin anew.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping

from picosip.v1 import event_service_pb2 as pb
from picosip_server.mypyc import mypyc_attr
from picosip_server.service import wire
from picosip_server.service.clock import Clock
from picosip_server.service.convert import events as convert, values
from picosip_server.sip.message import Message
from picosip_server.sip.parse import parse
from picosip_server.sip.ua.events import Event, IncomingRequest, IncomingRequestClosed
from picosip_server.sip.ua.subscription.events import SubscriptionChanged

_NO_LABELS: Mapping[str, str] = {}
_REMEMBERED_REQUESTS = 10_000
"""Open requests whose method is remembered for the event that closes them."""


@mypyc_attr(acyclic=True)
class Entry:
    """One event as it goes out: its octets, and what filters look at."""

    __slots__ = ("_event", "_message", "_whole", "at", "for_all", "labels", "method", "resource")

    def __init__(
        self,
        octets: bytes,
        *,
        at: float,
        resource: str,
        labels: Mapping[str, str] = _NO_LABELS,
        method: str = "",
        for_all: bool = False,
        message: Message | None = None,
    ) -> None:
        self.at = at
        """When it was appended, in monotonic seconds."""
        self.resource = resource
        self.labels = labels
        self.method = method
        """Of a request outside dialogs, which only those see who claimed it; else empty."""
        self.for_all = for_all
        """Goes to every stream."""
        self._event = octets
        # A message that came in is kept as its octets: what was made of them takes many times
        # the memory, and seldom does anybody ask.
        self._message: Message | bytes | None = message
        if message is not None and message.raw:
            self._message = message.raw
        self._whole: bytes | None = None

    def octets(self, *, include_message: bool) -> bytes:
        """The encoded Event, with or without the SIP message that caused it.

        The message is encoded when first asked for, and once.
        """
        if not include_message:
            return self._event
        if self._whole is None:
            self._whole = self._event
            if self._message is not None:
                message = self._message
                if isinstance(message, bytes):
                    message = parse(message)
                encoded = values.message(message).SerializeToString()
                self._whole += wire.message_field(encoded)
                self._message = None
        return self._whole


class EventLog:
    """The last ``size`` events. Used from the event loop only."""

    def __init__(self, size: int, clock: Clock, *, incarnation: str = "") -> None:
        if size < 1:
            raise ValueError("an event log holds at least one event")
        self.incarnation = incarnation or secrets.token_hex(8)
        self.latest = 0
        """Revision of the last event; 0 before the first."""
        self._size = size
        self._clock = clock
        # Grows up to its size and is then written around.
        self._ring: list[Entry] = []
        self._methods: OrderedDict[str, str] = OrderedDict()
        self._wakers: set[Callable[[], None]] = set()

    @property
    def oldest(self) -> int:
        """Revision of the oldest event still held; one above ``latest`` while there is none."""
        return self.latest - len(self._ring) + 1

    def now(self) -> float:
        """The present, in the seconds of ``Entry.at``."""
        return self._clock.now()

    def cursor(self, revision: int) -> pb.Cursor:
        """The place behind the event of that revision."""
        return pb.Cursor(incarnation=self.incarnation, revision=revision)

    def entry(self, revision: int) -> Entry:
        """An event that is still held. Raises KeyError for any other revision."""
        if not self.oldest <= revision <= self.latest:
            raise KeyError(revision)
        return self._ring[(revision - 1) % self._size]

    def append(self, event: Event) -> None:
        """Takes an event in; ``wake`` tells the readers."""
        octets = convert.octets(event, self.latest + 1, self._clock)
        self._put(
            Entry(
                octets,
                at=self._clock.now(),
                resource=event.resource,
                labels=event.labels,
                method=self._method(event),
                message=event.message,
            )
        )

    def append_draining(self, deadline: float) -> None:
        """Tells every stream that the server drains until ``deadline``."""
        now = self._clock.now()
        octets = convert.draining(deadline, self.latest + 1, now, self._clock)
        self._put(Entry(octets.SerializeToString(), at=now, resource="", for_all=True))

    def add_waker(self, waker: Callable[[], None]) -> None:
        """Has ``waker`` called whenever events have come in."""
        self._wakers.add(waker)

    def remove_waker(self, waker: Callable[[], None]) -> None:
        """Undoes ``add_waker``."""
        self._wakers.discard(waker)

    def wake(self) -> None:
        """Tells the readers that there are more events; once for a whole batch."""
        for waker in self._wakers:
            waker()

    def _put(self, entry: Entry) -> None:
        if len(self._ring) < self._size:
            self._ring.append(entry)
        else:
            self._ring[self.latest % self._size] = entry
        self.latest += 1

    def _method(self, event: Event) -> str:
        if isinstance(event, IncomingRequest) and not event.call:
            # One that is answered has no closing event: the oldest make room.
            while len(self._methods) >= _REMEMBERED_REQUESTS:
                self._methods.popitem(last=False)
            self._methods[event.name] = event.method
            return event.method
        if isinstance(event, IncomingRequestClosed):
            return self._methods.pop(event.name, "")
        if isinstance(event, SubscriptionChanged) and event.request is not None:
            return "SUBSCRIBE"
        return ""
