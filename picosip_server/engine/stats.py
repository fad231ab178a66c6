"""Figures of the engine: how many things live, how often things happened."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

from picosip_server.frozen import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStats:
    """Live numbers, and totals since the start."""

    active_calls: int = 0
    active_registrations: int = 0
    active_subscriptions: int = 0
    active_publications: int = 0
    active_transactions: int = 0
    active_actors: int = 0
    """All that lives, what these do not count and last moments included."""
    waiting_timers: int = 0
    calls_by_state: dict[str, int] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    trunks: dict[str, bool] = field(default_factory=dict)
    """By URI, whether it answers; without those of which nothing is known yet."""

    @staticmethod
    def total(parts: Iterable[EngineStats]) -> EngineStats:
        """The sum over the workers."""
        parts = list(parts)
        by_state: dict[str, int] = {}
        counters: dict[str, int] = {}
        trunks: dict[str, bool] = {}
        for part in parts:
            for state, number in part.calls_by_state.items():
                by_state[state] = by_state.get(state, 0) + number
            for name, number in part.counters.items():
                counters[name] = counters.get(name, 0) + number
            trunks |= part.trunks
        return EngineStats(
            active_calls=sum(part.active_calls for part in parts),
            active_registrations=sum(part.active_registrations for part in parts),
            active_subscriptions=sum(part.active_subscriptions for part in parts),
            active_publications=sum(part.active_publications for part in parts),
            active_transactions=sum(part.active_transactions for part in parts),
            active_actors=sum(part.active_actors for part in parts),
            waiting_timers=sum(part.waiting_timers for part in parts),
            calls_by_state=by_state,
            counters=counters,
            trunks=trunks,
        )
