"""Which events a stream wants to see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from picosip.v1 import event_service_pb2 as pb
from picosip_server.service.event_log import Entry

ALL_METHODS = "*"


class Resources:
    """Names and prefixes; none of them matches everything.

    A name matches itself and what is below it; one that ends in "/" is a collection.
    """

    __slots__ = ("_names", "_prefixes")

    def __init__(self, wanted: Iterable[str]) -> None:
        self._names = frozenset(wanted)
        self._prefixes = tuple(f"{name.removesuffix('/')}/" for name in self._names)

    def match(self, resource: str) -> bool:
        """Whether ``resource`` is one of them."""
        return not self._names or resource in self._names or resource.startswith(self._prefixes)


class StreamFilter:
    """The filter of one stream, immutable."""

    __slots__ = ("_labels", "_methods", "_resources", "include_messages", "observer")

    def __init__(self, request: pb.EventFilter) -> None:
        self._resources = Resources(request.resources)
        self._labels = tuple(request.labels.items())
        self._methods = frozenset(request.handle_methods)
        self.include_messages = request.include_messages
        self.observer = request.observer

    @property
    def claims_any(self) -> bool:
        """Whether requests outside dialogs are to be handed to the stream, of some method."""
        return bool(self._methods) and not self.observer

    def match(self, resource: str, labels: Mapping[str, str]) -> bool:
        """Whether resource and labels are those that the stream asked for."""
        return self._resources.match(resource) and all(
            labels.get(key) == value for key, value in self._labels
        )

    def claims(self, method: str) -> bool:
        """Whether out-of-dialog requests of this method are to be handed to the stream."""
        return not self.observer and (method in self._methods or ALL_METHODS in self._methods)

    def sees(self, entry: Entry) -> bool:
        """Whether the stream gets this event.

        A request outside dialogs is for those who claimed its method, whatever else
        they filter, and for observers.
        """
        if entry.method:
            return self.claims(entry.method) or (
                self.observer and self.match(entry.resource, entry.labels)
            )
        return entry.for_all or self.match(entry.resource, entry.labels)
