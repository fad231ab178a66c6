"""The picture of the open streams that the engine's threads look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from picosip_server.service.filters import StreamFilter


class Listeners:
    """An ``Audience``: the filters of all streams that are no mere observers. Immutable."""

    __slots__ = ("_filters",)

    def __init__(self, filters: Iterable[StreamFilter]) -> None:
        self._filters = tuple(one for one in filters if not one.observer)

    def hears(self, resource: str, labels: Mapping[str, str]) -> bool:
        """Whether a stream matches this resource."""
        return any(one.match(resource, labels) for one in self._filters)

    def claims(self, method: str) -> bool:
        """Whether a stream claimed out-of-dialog requests of this method."""
        return any(one.claims(method) for one in self._filters)
