"""Mutations that are safe to retry: one request_id, one outcome."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from google.protobuf.message import Message

from picosip_server.service.errors import NOT_KEPT, ApiError, wrong_request_id

Outcome = Message | Exception
"""The response of an RPC, or why there is none."""
Done = Callable[[Outcome], None]
"""Is told the outcome, once."""


class _Running:
    """A request whose outcome is not there yet."""

    __slots__ = ("content", "waiting")

    def __init__(self, content: int, done: Done) -> None:
        self.content = content
        self.waiting = [done]
        """Who wants the outcome."""


_Kept = tuple[int, float, int, bytes] | tuple[int, float, int, ApiError]
"""Content, when it was done, which kind of message, and the message, encoded. There are very
many of these: the garbage collector has nothing to look for in a tuple of such values."""


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
        self._running: dict[str, _Running] = {}
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        """The oldest first; a plain dict looks for its first key past all that were removed."""
        self._kinds: list[type[Message]] = []

    def __len__(self) -> int:
        return len(self._running) + len(self._kept)

    def join(self, method: str, request_id: str, request: Message, done: Done) -> bool:
        """Whether the work is to be done, and ``settle`` to be called with its outcome.

        Not where the same request came before: then ``done`` gets the outcome of that, now
        or when it is there. Raises ApiError REQUEST_ID_REUSED where the id came before with
        another content.
        """
        # Only a hash is kept, of 64 bits and with a secret of this process: requests hold
        # passwords, and it is to find mistakes, not forgeries.
        content = hash((method, request.SerializeToString(deterministic=True)))
        running = self._running.get(request_id)
        if running is not None:
            if running.content != content:
                raise wrong_request_id(method)
            running.waiting.append(done)
            return False
        kept = self._kept.get(request_id)
        if kept is not None and kept[1] > self._clock() - self._age:
            if kept[0] != content:
                raise wrong_request_id(method)
            outcome = kept[3]
            if isinstance(outcome, bytes):
                done(self._kinds[kept[2]].FromString(outcome))
            else:
                done(outcome)
            return False
        self._running[request_id] = _Running(content, done)
        return True

    def settle(self, request_id: str, outcome: Outcome) -> None:
        """Gives the outcome to all who wait for it, and keeps it for those who come later."""
        running = self._running.pop(request_id)
        if isinstance(outcome, Message):
            kind = self._kind(type(outcome))
            self._keep(
                request_id, (running.content, self._clock(), kind, outcome.SerializeToString())
            )
        elif isinstance(outcome, ApiError) and outcome.code not in NOT_KEPT:
            self._keep(request_id, (running.content, self._clock(), -1, outcome))
        for done in running.waiting:
            done(outcome)

    def _keep(self, request_id: str, outcome: _Kept) -> None:
        kept = self._kept
        # One that is too old may still be there, in its old place.
        kept.pop(request_id, None)
        kept[request_id] = outcome
        too_old = outcome[1] - self._age
        while True:
            oldest = next(iter(kept))
            if len(kept) <= self._most and kept[oldest][1] > too_old:
                return
            del kept[oldest]

    def _kind(self, kind: type[Message]) -> int:
        if kind not in self._kinds:
            self._kinds.append(kind)
        return self._kinds.index(kind)
