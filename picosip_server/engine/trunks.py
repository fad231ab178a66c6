"""The trunks that are watched, and a log line whenever one goes or comes back."""

from __future__ import annotations

import structlog

from picosip_server.engine.population import Population
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.trunk import Trunk
from picosip_server.sip.uri import Uri

_log = structlog.get_logger("picosip.engine")


class Trunks:
    """Those of one worker."""

    def __init__(self, population: Population, context: Context, interval: float) -> None:
        self._population = population
        self._context = context
        self._interval = interval
        self._trunks: list[Trunk] = []

    def watch(self, uri: str, call_id: str, now: float) -> None:
        """Begins to ping a trunk; its pings have this Call-ID."""
        trunk = Trunk(
            self._context,
            Uri.parse(uri),
            interval=self._interval,
            call_id=call_id,
            changed=self._changed,
        )
        self._trunks.append(trunk)
        self._population.run(trunk, trunk.start(now), now)

    def states(self) -> dict[str, bool]:
        """By URI, which are up; without those of which nothing is known yet."""
        return {trunk.uri: trunk.up for trunk in list(self._trunks) if trunk.up is not None}

    def _changed(self, uri: str, up: bool, why: str) -> None:
        self._population.counters["trunk_changes"] += 1
        log = _log.info if up else _log.warning
        log("trunk up" if up else "trunk down", trunk=uri, detail=why)
