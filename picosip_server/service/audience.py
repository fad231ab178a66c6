"""The picture of the open streams that the engine's threads look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from picosip_server.service.filters import StreamFilter


class Listener(Protocol):
    """A stream."""

    filter: StreamFilter

    def lag(self, now: float) -> float:
        """Seconds for which the oldest event that it has not written waits for it."""


class Listeners:
    """An ``Audience``: all streams that are no mere observers. Which they are never changes."""

    __slots__ = ("_filters", "_takers")

    def __init__(self, streams: Iterable[Listener]) -> None:
        listeners = [one for one in streams if not one.filter.observer]
        self._filters = tuple(one.filter for one in listeners)
        takers = tuple(one for one in listeners if one.filter.takes_new_work)
        self._takers = takers or tuple(listeners)

    def hears(self, resource: str, labels: Mapping[str, str]) -> bool:
        """Whether a stream matches this resource."""
        return any(one.match(resource, labels) for one in self._filters)

    def claims(self, method: str) -> bool:
        """Whether a stream claimed out-of-dialog requests of this method."""
        return any(one.claims(method) for one in self._filters)

    def lag(self, now: float) -> float:
        """That of the stream which is least behind, of those that hear of calls that come in or
        claimed requests; of all, where none does."""
        return min((one.lag(now) for one in self._takers), default=0.0)
