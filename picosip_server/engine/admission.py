"""Whether something new may begin here: not while draining, not beyond the limits."""

from __future__ import annotations

from picosip_server.engine.config import EngineConfig
from picosip_server.engine.population import Population
from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.inspect import Refusal
from picosip_server.sip.ua.outputs import Failure, FailureKind

RETRY_AFTER = (("Retry-After", "5"),)


class Admission:
    """Refuses new work with 503 towards SIP, and with a failure towards the application."""

    def __init__(self, config: EngineConfig, population: Population) -> None:
        self._config = config
        self._population = population
        self.draining = False

    def refuse_request(self, request: Request) -> Refusal | None:
        """RFC 3261 section 21.5.4. An OPTIONS costs nothing and is the peer's way to ask."""
        full = self._full(a_call=True) and request.method != "OPTIONS"
        return Refusal(503, RETRY_AFTER) if self._refuses(full) else None

    def refuse_command(self, command: Command) -> Failure | None:
        """Why a command that begins something fails."""
        if not self._refuses(self._full(a_call=isinstance(command, commands.Invite))):
            return None
        if self.draining:
            detail = "this server drains: it takes no new work; use another one"
            return Failure(kind=FailureKind.UNAVAILABLE, detail=detail)
        detail = "this server holds as many calls or transactions as it may"
        return Failure(kind=FailureKind.EXHAUSTED, detail=detail)

    def _full(self, *, a_call: bool) -> bool:
        config, population = self._config, self._population
        if len(population.routes) >= config.max_transactions:
            return True
        return a_call and len(population.calls) >= config.max_calls

    def _refuses(self, full: bool) -> bool:
        if self.draining:
            self._population.counters["refused_draining"] += 1
        elif full:
            self._population.counters["refused_overload"] += 1
        return self.draining or full
