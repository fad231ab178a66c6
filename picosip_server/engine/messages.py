"""MESSAGEs to one URI go one after the other: RFC 3428 section 8."""

from __future__ import annotations

from collections import deque

from picosip_server.engine.population import Population
from picosip_server.sip.ua.outgoing_request import OutgoingRequestUser
from picosip_server.sip.ua.outputs import Failure, FailureKind

MOST_WAITING = 1000
"""MESSAGEs that wait for one URI; more than that it will not take soon."""


class Messages:
    """Those of one worker: a URI always comes to the same one."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._waiting: dict[str, deque[OutgoingRequestUser]] = {}
        """By URI with a MESSAGE under way, those behind it."""
        self._answered: deque[tuple[str, Failure | None]] = deque()
        self._busy = False

    def send(self, message: OutgoingRequestUser, now: float) -> None:
        """Sends a MESSAGE outside dialogs, when the one before it has its outcome."""
        uri = message.uri
        waiting = self._waiting.get(uri)
        message.then = lambda failure, now: self._over(uri, failure, now)
        if waiting is None:
            self._waiting[uri] = deque()
            self._population.run(message, message.start(now), now)
        elif len(waiting) < MOST_WAITING:
            waiting.append(message)
        else:
            detail = f"{MOST_WAITING} messages to {uri} wait already"
            failure = Failure(kind=FailureKind.EXHAUSTED, detail=detail)
            self._population.fail(message.token, failure)

    def _over(self, uri: str, failure: Failure | None, now: float) -> None:
        self._answered.append((uri, failure))
        if self._busy:
            # What is sent here may fail at once: the loop below comes to it.
            return
        self._busy = True
        try:
            while self._answered:
                self._next(*self._answered.popleft(), now)
        finally:
            self._busy = False

    def _next(self, uri: str, failure: Failure | None, now: float) -> None:
        waiting = self._waiting[uri]
        if failure is not None and failure.kind is FailureKind.TIMEOUT:
            # Nobody is there: the others would wait for as long again, each of them.
            for message in waiting:
                self._population.fail(message.token, failure)
            waiting.clear()
        if waiting:
            message = waiting.popleft()
            self._population.run(message, message.start(now), now)
        else:
            del self._waiting[uri]
