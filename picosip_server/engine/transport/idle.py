"""Which connections nobody needs any more: only the workers' cores know."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from picosip_server.engine.transport.stream import StreamConnection
from picosip_server.engine.worker import Worker


class IdleWatch:
    """Finds connections that nothing went over for ``timeout`` seconds (0: never), and has
    ``ask`` find out who needs them."""

    def __init__(self, timeout: float, ask: Callable[[frozenset[int]], None]) -> None:
        self._timeout = timeout
        self._ask = ask
        self._due = 0.0
        self._asked: dict[int, float] = {}
        """Those that were asked about last, with the time when each was used."""

    def look_over(self, connections: Iterable[StreamConnection], now: float) -> None:
        """To be called about once a second."""
        if not self._timeout or now < self._due:
            return
        # Whoever has many of them that are needed is not to be asked all the time.
        self._due = now + self._timeout / 10
        since = now - self._timeout
        found = [each for each in connections if each.ready and each.used <= since]
        self._asked = {each.number: each.used for each in found}
        if found:
            self._ask(frozenset(self._asked))

    def still(self, connection: StreamConnection) -> bool:
        """Whether nothing went over it since that question either."""
        return self._asked.get(connection.number) == connection.used


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
