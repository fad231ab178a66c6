"""Log lines about bad input: at most one a second for each source."""

from __future__ import annotations

from threading import Lock

import structlog

INTERVAL = 1.0
MOST_SOURCES = 1000
"""Sources that are complained about within one interval; a flood has spoofed ones without end."""

_log = structlog.get_logger("picosip.engine")


class Complaints:
    """Shared by all workers. ``now`` is monotonic seconds."""

    def __init__(self) -> None:
        self._sources: dict[str, tuple[float, int]] = {}
        """When each was last complained about, and how often it was passed over since."""
        self._swept = float("-inf")
        self._lock = Lock()

    def about(self, source: str, now: float, event: str, **facts: object) -> None:
        """Logs, unless this source was complained about less than a second ago."""
        with self._lock:
            last, suppressed = self._sources.get(source, (None, 0))
            if last is not None and now - last < INTERVAL:
                self._sources[source] = (last, suppressed + 1)
                return
            if last is None and len(self._sources) >= MOST_SOURCES:
                self._sweep(now)
                if len(self._sources) >= MOST_SOURCES:
                    return
            self._sources[source] = (now, 0)
        _log.warning(event, source=source, suppressed=suppressed, **facts)

    def _sweep(self, now: float) -> None:
        """Forgets the sources of past intervals, once an interval at most."""
        if now - self._swept < INTERVAL:
            return
        self._swept = now
        self._sources = {
            source: entry for source, entry in self._sources.items() if now - entry[0] < INTERVAL
        }
