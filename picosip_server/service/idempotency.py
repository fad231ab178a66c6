"""Mutations that are safe to retry: one request_id, one outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from google.protobuf.message import Message

from picosip_server.service.errors import NOT_KEPT, ApiError, wrong_request_id

Outcome = Message | Exception
"""The response of an RPC, or why there is none."""
Done = Callable[[Outcome], None]
"""Is told the outcome, once."""


class _Record:
    __slots__ = ("content", "done_at", "kind", "octets", "waiting")

    def __init__(self, content: int, done: Done) -> None:
        self.content = content
        self.waiting: list[Done] | None = [done]
        """Who wants the outcome; None once there is one."""
        self.kind: type[Message] | None = None
        self.octets: bytes | ApiError = b""
        """The response, encoded, for that is smaller by far."""
        self.done_at = 0.0

    def outcome(self) -> Outcome:
        if isinstance(self.octets, ApiError):
            return self.octets
        assert self.kind is not None
        return self.kind.FromString(self.octets)


class Idempotency:
    """Remembers the outcome of each request_id for a while.

    The work of a request with an id goes on without whoever asked for it: an RPC that is
    cancelled or runs into its deadline undoes nothing, and its retry gets the outcome.
    UNAVAILABLE, RESOURCE_EXHAUSTED and INTERNAL are forgotten at once, so that a retry
    tries again.
    """

    def __init__(
        self, *, most: int = 100_000, age: float = 600.0, clock: Callable[[], float] | None = None
    ) -> None:
        self._most = most
        self._age = age
        self._clock = clock or asyncio.get_running_loop().time
        self._records: dict[str, _Record] = {}
        # Those that are done, the oldest first; what runs is never forgotten.
        self._done: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._records)

    def join(self, method: str, request_id: str, request: Message, done: Done) -> bool:
        """Whether the work is to be done, and ``settle`` to be called with its outcome.

        Not where the same request came before: then ``done`` gets the outcome of that, now
        or when it is there. Raises ApiError REQUEST_ID_REUSED where the id came before with
        another content.
        """
        self._forget_old()
        # Only a hash is kept, of 64 bits and with a secret of this process: requests hold
        # passwords, and it is to find mistakes, not forgeries.
        content = hash((method, request.SerializeToString(deterministic=True)))
        record = self._records.get(request_id)
        if record is None:
            self._records[request_id] = _Record(content, done)
            return True
        if record.content != content:
            raise wrong_request_id(method)
        if record.waiting is None:
            done(record.outcome())
        else:
            record.waiting.append(done)
        return False

    def settle(self, request_id: str, outcome: Outcome) -> None:
        """Gives the outcome to all who wait for it, and keeps it for those who come later."""
        record = self._records[request_id]
        waiting, record.waiting = record.waiting, None
        assert waiting is not None, "a request has one outcome"
        if _kept(outcome):
            if isinstance(outcome, Message):
                record.kind = type(outcome)
                record.octets = outcome.SerializeToString()
            elif isinstance(outcome, ApiError):
                record.octets = outcome
            record.done_at = self._clock()
            self._done[request_id] = None
            self._forget_old()
        else:
            del self._records[request_id]
        for done in waiting:
            done(outcome)

    def _forget_old(self) -> None:
        too_old = self._clock() - self._age
        while self._done:
            oldest = next(iter(self._done))
            if len(self._done) <= self._most and self._records[oldest].done_at > too_old:
                return
            del self._done[oldest]
            del self._records[oldest]


def _kept(outcome: Outcome) -> bool:
    if isinstance(outcome, Message):
        return True
    return isinstance(outcome, ApiError) and outcome.code not in NOT_KEPT
