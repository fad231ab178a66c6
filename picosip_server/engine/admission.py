"""Whether something new may begin here: not while draining, not beyond the limits."""

from __future__ import annotations

import random
import secrets

from picosip_server.engine.config import EngineConfig
from picosip_server.engine.guard.overload import Pressure, Throttle
from picosip_server.engine.intake import lot_of, retry_later
from picosip_server.engine.population import Population
from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.inspect import Refusal
from picosip_server.sip.ua.outputs import Failure, FailureKind

RETRY_AFTER = (("Retry-After", "5"),)
"""For a server that goes: others are there to take the work at once."""

_ALWAYS = frozenset({"ACK", "BYE", "PRACK"})


class Admission:
    """Refuses new work with 503 towards SIP, and with a failure towards the application."""

    def __init__(
        self,
        config: EngineConfig,
        population: Population,
        pressure: Pressure | None = None,
        *,
        workers: int = 1,
    ) -> None:
        # Each worker has its share, rounded up.
        self._max_calls = -(-config.max_calls // workers)
        self._max_transactions = -(-config.max_transactions // workers)
        self._population = population
        self._pressure = pressure or Pressure()
        self.throttle = Throttle(config.guard.overload_delay)
        self.secret = secrets.token_bytes(16)
        """What stateless answers are made from."""
        self.draining = False

    @property
    def refused_part(self) -> float:
        """The part of new work, 0 to 1, for which this worker, or who takes its outputs, is too
        far behind."""
        return 1.0 if self._pressure.on else self.throttle.part

    def is_too_much(self, method: str, via: bytes, call_id: bytes) -> bool:
        """Whether a request is of that part, by ``intake.lot_of``: so it is again when it is
        repeated, while there is no relief (RFC 3261 section 8.2.7)."""
        return lot_of(method, via, call_id, self.secret) < self.refused_part

    def refuse_request(self, request: Request) -> Refusal | None:
        """RFC 3261 section 21.5.4. An OPTIONS costs nothing and is the peer's way to ask."""
        full = request.method != "OPTIONS" and self._full(a_call=request.method == "INVITE")
        if not self._refuses(full):
            return None
        if self.draining:
            return Refusal(503, RETRY_AFTER)
        return Refusal(503, (retry_later(request, self.secret),))

    def refuse_inside(self, request: Request) -> Refusal | None:
        """Inside dialogs there is room for as many again, and BYE and PRACK always pass."""
        if request.method in _ALWAYS or len(self._population.routes) < 2 * self._max_transactions:
            return None
        self._population.counters["refused_overload"] += 1
        return Refusal(503, (retry_later(request, self.secret),))

    def refuse_command(self, command: Command) -> Failure | None:
        """Why a command that begins something fails."""
        full = self._full(a_call=isinstance(command, commands.Invite))
        if not self._refuses(full or random.random() < self.refused_part):
            return None
        if self.draining:
            detail = "this server drains: it takes no new work; use another one"
            return Failure(kind=FailureKind.UNAVAILABLE, detail=detail)
        detail = "this server holds as many calls or transactions as it may"
        if not full:
            detail = "this server is overloaded: it takes less new work until it has caught up"
        return Failure(kind=FailureKind.EXHAUSTED, detail=detail)

    def _full(self, *, a_call: bool) -> bool:
        population = self._population
        if len(population.routes) >= self._max_transactions:
            return True
        return a_call and len(population.calls) >= self._max_calls

    def _refuses(self, refuses: bool) -> bool:
        if self.draining:
            self._population.counters["refused_draining"] += 1
        elif refuses:
            self._population.counters["refused_overload"] += 1
        return self.draining or refuses
