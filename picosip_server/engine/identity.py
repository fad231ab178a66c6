"""Identifiers: random where they must be unpredictable, named after node and worker."""

from __future__ import annotations

import random
import secrets
import zlib
from collections import deque

_DRAWN = 64
"""Call-IDs that the system's randomness is asked for at once: each asking is a call to it."""

_call_ids: deque[str] = deque()
"""Drawn, and not given out yet. Any thread takes from it."""


class RandomIdentity:
    """The identifiers of one worker. One generator, seeded by the system, serves them all:
    a call to the system for each tag would cost more than parsing the message."""

    def __init__(self, node: str, worker: int, seed: int | None = None, workers: int = 1) -> None:
        self._worker = worker
        self._workers = workers
        self._random = random.Random(secrets.randbits(256) if seed is None else seed)
        self._prefix = f"{node}-{worker:x}-"

    def _text(self, digits: int) -> str:
        """So many hexadecimal digits."""
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def branch(self) -> str:
        """80 random bits behind the magic cookie."""
        return "z9hG4bK" + self._text(20)

    def tag(self) -> str:
        """64 random bits."""
        return self._text(16)

    def cnonce(self) -> str:
        """80 random bits."""
        return self._text(20)

    def rseq(self) -> int:
        """RFC 3262 section 3: chosen uniformly from 1 to 2**31 - 1; we leave room to count."""
        return self._random.randint(1, 2**30)

    def stun_id(self) -> bytes:
        """96 random bits."""
        return self._random.randbytes(12)

    def fraction(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()

    def call_id(self) -> str:
        """A further Call-ID whose messages meet on this worker."""
        while True:
            call_id = new_call_id()
            if worker_for(call_id, self._workers) == self._worker:
                return call_id

    def request_name(self) -> str:
        """``requests/{node}-{worker}-{random}``."""
        return f"requests/{self._prefix}{self._text(16)}"

    def call_name(self) -> str:
        """``calls/{node}-{worker}-{random}``."""
        return f"calls/{self._prefix}{self._text(16)}"

    def registration_name(self) -> str:
        """``registrations/{node}-{worker}-{random}``."""
        return f"registrations/{self._prefix}{self._text(16)}"

    def subscription_name(self) -> str:
        """``subscriptions/{node}-{worker}-{random}``."""
        return f"subscriptions/{self._prefix}{self._text(16)}"

    def publication_name(self) -> str:
        """``publications/{node}-{worker}-{random}``."""
        return f"publications/{self._prefix}{self._text(16)}"


def new_call_id() -> str:
    """A Call-ID: 128 random bits, and no host, which would tell where we are."""
    while True:
        try:
            return _call_ids.popleft()
        except IndexError:
            digits = secrets.token_hex(16 * _DRAWN)
            _call_ids.extend(digits[each : each + 32] for each in range(0, len(digits), 32))


def worker_for(call_id: str, workers: int) -> int:
    """All messages of one Call-ID meet on one worker, so that no state is shared."""
    if workers == 1:
        return 0
    return zlib.crc32(call_id.encode("utf-8", "surrogateescape")) % workers


def call_id_like(text: str, workers: int) -> str:
    """A new Call-ID that leads to the same worker as ``text`` does."""
    call_id = new_call_id()
    while worker_for(call_id, workers) != worker_for(text, workers):
        call_id = new_call_id()
    return call_id


def worker_of(name: str, workers: int) -> int:
    """The worker that made a resource name; 0 for a name that none of them made."""
    parts = name.split("-")
    try:
        worker = int(parts[1], 16)
    except (IndexError, ValueError):
        return 0
    return worker if 0 <= worker < workers else 0
