"""What name servers have answered, for as long as they said (RFC 1035, 2308)."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from picosip_server.sip.locating import Question, Records

MOST_ANSWERS = 10_000
LONGEST = 86_400.0
"""Seconds for which an answer is kept at most, whatever its TTL."""
LONGEST_NO = 3_600.0
"""The same for a name or records that do not exist (RFC 2308 section 5 advises one to three
hours)."""
FAILED_FOR = 5.0
"""Seconds after which a question that got no answer is asked again."""


class DnsCache:
    """Bounded: the oldest answers go first. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[Question, tuple[float, Records | str]] = {}
        self._lock = Lock()

    def get(self, question: Question) -> Records | str | None:
        """A kept answer, or why nobody answered a moment ago; None where nothing is kept."""
        with self._lock:
            until, answer = self._kept.get(question, (0.0, ""))
            if until <= self._clock():
                self._kept.pop(question, None)
                return None
        return answer

    def put(self, question: Question, records: Records, ttl: float) -> None:
        """Keeps an answer for ``ttl`` seconds."""
        self._put(question, records, min(ttl, LONGEST if records != Records() else LONGEST_NO))

    def put_failure(self, question: Question, why: str) -> None:
        """Keeps in mind that nobody answered (RFC 2308 section 7), for a moment."""
        self._put(question, why, FAILED_FOR)

    def _put(self, question: Question, answer: Records | str, seconds: float) -> None:
        if seconds <= 0:
            return
        with self._lock:
            self._kept.pop(question, None)
            while len(self._kept) >= MOST_ANSWERS:
                del self._kept[next(iter(self._kept))]
            self._kept[question] = (self._clock() + seconds, answer)
