"""Targets to candidates, off the engine's threads (RFC 3263)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread

import structlog

from picosip_server.engine.transport.dns_cache import DnsCache
from picosip_server.engine.transport.dns_client import SILENCE, DnsClient
from picosip_server.sip.hop import Target
from picosip_server.sip.locating import (
    Candidate,
    Draw,
    NoAnswer,
    NotLocated,
    Offered,
    Question,
    Records,
    candidates,
)

THREADS = 8
"""Names that are looked up at once: a name whose servers are silent holds a thread for long."""
MOST_SILENCES = 2
"""Questions of one target without any answer, after which it is given up. One may be NAPTR, which
some name servers drop."""
PATIENCE = 0.5
"""Seconds for which closing waits for threads that are asking."""

_log = structlog.get_logger("picosip.engine")

Found = Callable[[tuple[Candidate, ...]], None]
Lost = Callable[[str], None]


class Resolver:
    """``found`` and ``lost`` are called from the resolver's own threads.

    Whoever asks for a target that is being looked up shares that look-up, but draws lots
    among the SRV records for itself.
    """

    def __init__(
        self,
        client: DnsClient,
        offered: Offered,
        *,
        clock: Callable[[], float] = time.monotonic,
        draw: Draw = lambda most: random.randint(0, most),
    ) -> None:
        self._client = client
        self._offered = offered
        self._draw = draw
        self._cache = DnsCache(clock)
        self._targets: SimpleQueue[Target | None] = SimpleQueue()
        self._asking: dict[Target, list[tuple[Found, Lost]]] = {}
        self._lock = Lock()
        # Daemons: a silent name server may take many seconds, and the process is not to
        # wait for that when it ends.
        self._threads = [
            Thread(target=self._work, name=f"picosip-resolver-{index}", daemon=True)
            for index in range(THREADS)
        ]
        self._closed = False

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def resolve(self, target: Target, *, found: Found, lost: Lost) -> None:
        """Looks a target up; never blocks."""
        with self._lock:
            sharing = self._asking.get(target)
            if sharing is not None:
                sharing.append((found, lost))
                return
            self._asking[target] = [(found, lost)]
        self._targets.put(target)

    def _work(self) -> None:
        while (target := self._targets.get()) is not None:
            if not self._closed:
                self._serve(target)

    def _serve(self, target: Target) -> None:
        answers: dict[Question, Records | str] = {}

        def look(question: Question) -> Records:
            if question not in answers:
                silent = sum(each == SILENCE for each in answers.values())
                # A target has several questions: if each waited for its time, a call would
                # fail only after most of a minute.
                answers[question] = self._look(question) if silent < MOST_SILENCES else SILENCE
            answer = answers[question]
            if isinstance(answer, str):
                raise NoAnswer(answer)
            return answer

        def draw_lots() -> tuple[Candidate, ...] | str:
            try:
                return candidates(target, self._offered, look, self._draw)
            except NotLocated as error:
                return str(error)
            except Exception:
                # A defect in one answer must not leave all further names unasked.
                _log.exception("internal error", host=target.host)
                return f"the name {target.host!r} could not be looked up"

        outcome = draw_lots()
        with self._lock:
            first, *others = self._asking.pop(target)
        _tell(first, outcome)
        for each in others:
            # All questions are answered by now; only the lots are new.
            _tell(each, draw_lots())

    def _look(self, question: Question) -> Records | str:
        """The answer, or why there is none."""
        question = Question(question.name.lower(), question.kind)
        kept = self._cache.get(question)
        if kept is not None:
            return kept
        try:
            records, ttl = self._client.ask(question)
        except NoAnswer as error:
            self._cache.put_failure(question, str(error))
            return str(error)
        self._cache.put(question, records, ttl)
        return records

    def close(self) -> None:
        """Forgets what has not begun."""
        self._closed = True
        for _ in self._threads:
            self._targets.put(None)
        end = time.monotonic() + PATIENCE
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, end - time.monotonic()))


def _tell(asker: tuple[Found, Lost], outcome: tuple[Candidate, ...] | str) -> None:
    found, lost = asker
    if isinstance(outcome, str):
        lost(outcome)
    else:
        found(outcome)
