"""Incoming calls that nobody heard come in, for the application that attaches in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from picosip_server.service.event_log import Entry, EventLog
from picosip_server.service.filters import StreamFilter
from picosip_server.sip.ua.events import CallEnded, CallReceived, Event

Hears = Callable[[str, Mapping[str, str]], bool]


class WaitingCalls:
    """Calls between ``CallReceived`` and the first stream that may answer them.

    A stream that starts from now would miss their ``CallReceived``, and with it the
    reason why they still wait for an application at all.
    """

    def __init__(self, log: EventLog, hears: Hears) -> None:
        self._log = log
        self._hears = hears
        self._revisions: dict[str, int] = {}

    def saw(self, event: Event) -> None:
        """Notes an event that has just been appended to the log."""
        if isinstance(event, CallReceived):
            if not self._hears(event.resource, event.labels):
                self._revisions[event.resource] = self._log.latest
        elif isinstance(event, CallEnded):
            self._revisions.pop(event.resource, None)

    def take(self, wanted: StreamFilter, *, missed: bool) -> Iterator[bytes]:
        """A stream opens: its calls do not wait any more.

        With ``missed``, gives the events that the stream will not read in the log itself.
        """
        if wanted.observer:
            return
        for name, revision in list(self._revisions.items()):
            entry = self._entry(revision)
            if entry is None:
                del self._revisions[name]
            elif wanted.sees(entry):
                del self._revisions[name]
                if missed:
                    yield entry.octets(include_message=wanted.include_messages)

    def _entry(self, revision: int) -> Entry | None:
        if revision < self._log.oldest:
            return None
        return self._log.entry(revision)
