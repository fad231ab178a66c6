"""The picture of the open streams that the engine's threads look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from picosip_server.service.filters import StreamFilter

STUCK = 10.0
"""Seconds. A stream that is behind by so much is not slow: whoever has it does not read at all."""
_SOME_CALL = "calls/some"
"""Of no call that there is, so that only those see it who see all."""


class Listener(Protocol):
    """A stream."""

    filter: StreamFilter

    def behind(self, now: float) -> float:
        """Seconds for which an event has been waiting for its reader."""


class Listeners:
    """An ``Audience``: all streams that are no mere observers. Which they are never changes."""

    __slots__ = ("_filters", "_takers")

    def __init__(self, streams: Iterable[Listener]) -> None:
        listeners = [one for one in streams if not one.filter.observer]
        self._filters = tuple(one.filter for one in listeners)
        hear_calls = [one for one in listeners if one.filter.match(_SOME_CALL, {})]
        claim = [one for one in listeners if one.filter.claims_any]
        self._takers = tuple(hear_calls or claim or listeners)

    def hears(self, resource: str, labels: Mapping[str, str]) -> bool:
        """Whether a stream matches this resource."""
        return any(one.match(resource, labels) for one in self._filters)

    def claims(self, method: str) -> bool:
        """Whether a stream claimed out-of-dialog requests of this method."""
        return any(one.claims(method) for one in self._filters)

    def lag(self, now: float) -> float:
        """Of the streams that hear of calls which come in, that of the one which is least behind;
        where none does, of those that claimed requests, or else of all. One that is stuck is no
        reason to refuse others' work for ever."""
        waits = [one.behind(now) for one in self._takers]
        return min((wait for wait in waits if wait < STUCK), default=0.0)
