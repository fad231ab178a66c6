"""Which connections nobody needs any more: only the workers' cores know."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from picosip_server.engine.worker import Worker


def ask_needed(
    workers: list[Worker], flows: frozenset[int], end: Callable[[Iterable[int]], None]
) -> None:
    """Asks all workers; ``end`` gets those that none of them needs, on the first one's thread."""
    first = workers[0]
    needed: list[set[int]] = []

    def answered(some: set[int], now: float) -> None:
        needed.append(some)
        if len(needed) == len(workers):
            end(flows.difference(*needed))

    def ask(worker: Worker, now: float) -> None:
        first.post(partial(answered, worker.core.flows_needed(flows, now)))

    for worker in workers:
        worker.post(partial(ask, worker))
