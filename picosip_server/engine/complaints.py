"""Log lines about bad input: at most one a second for each source."""

from __future__ import annotations

import structlog

INTERVAL = 1.0
MOST_SOURCES = 10_000

_log = structlog.get_logger("picosip.engine")


class Complaints:
    """Belongs to one worker. ``now`` is monotonic seconds."""

    def __init__(self) -> None:
        self._sources: dict[str, tuple[float, int]] = {}

    def about(self, source: str, now: float, event: str, **facts: object) -> None:
        """Logs, unless this source was complained about less than a second ago."""
        last = self._sources.get(source)
        if last is not None and now - last[0] < INTERVAL:
            self._sources[source] = (last[0], last[1] + 1)
            return
        if last is None and len(self._sources) >= MOST_SOURCES:
            # A spoofed flood must not fill memory; forgetting only costs a log line.
            self._sources.clear()
        self._sources[source] = (now, 0)
        _log.warning(event, source=source, suppressed=last[1] if last is not None else 0, **facts)
