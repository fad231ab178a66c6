"""How much lives on one worker, and its totals."""

from __future__ import annotations

from collections import Counter

from picosip_server.engine.population import Population
from picosip_server.engine.stats import EngineStats
from picosip_server.sip.ua.keys import is_transaction


def census(population: Population) -> EngineStats:
    """Figures of now. May be taken in other threads: each figure is right, their sum of one
    moment only roughly."""
    # Copies: the worker goes on meanwhile.
    calls, routes = list(population.calls.values()), dict(population.routes)
    actors = {id(user) for user in (*routes.values(), *calls, *population.standing())}
    return EngineStats(
        active_calls=len(calls),
        active_registrations=len(population.registrations),
        active_subscriptions=len(population.subscriptions),
        active_publications=len(population.publications),
        active_transactions=sum(map(is_transaction, routes)),
        active_actors=len(actors),
        waiting_timers=len(population.timers),
        calls_by_state=dict(Counter(call.state.name.lower() for call in calls)),
        counters=dict(population.counters),
    )
