"""Mutations that are safe to retry: one request_id, one outcome."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from google.protobuf.message import Message

from picosip_server.service.errors import NOT_KEPT, ApiError, wrong_request_id

Result = TypeVar("Result")


class _Record:
    __slots__ = ("content", "done_at", "task")

    def __init__(self, content: bytes, task: asyncio.Task[Any]) -> None:
        self.content = content
        self.task = task
        self.done_at = 0.0


class Idempotency:
    """Remembers the outcome of each request_id for a while.

    The work of a request with an id runs in a task of its own: an RPC that is
    cancelled or runs into its deadline undoes nothing, and its retry gets the
    outcome. UNAVAILABLE, RESOURCE_EXHAUSTED and INTERNAL are forgotten at once, so
    that a retry tries again.
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

    async def run(
        self,
        method: str,
        request_id: str,
        request: Message,
        work: Callable[[], Coroutine[Any, Any, Result]],
    ) -> Result:
        """The result of ``work``, or of the same request that came before.

        Raises what the work raises, and ApiError REQUEST_ID_REUSED where the id came
        before with another content. Without an id the work is simply done.
        """
        if not request_id:
            return await work()
        self._forget_old()
        # Only a digest is kept: requests hold passwords.
        content = hashlib.sha256(request.SerializeToString(deterministic=True))
        content.update(method.encode())
        record = self._records.get(request_id)
        if record is None:
            task = asyncio.create_task(work(), name=f"{method} {request_id}")
            record = self._records[request_id] = _Record(content.digest(), task)
            task.add_done_callback(lambda done: self._finished(request_id, done))
        elif record.content != content.digest():
            raise wrong_request_id(method)
        result: Result = await asyncio.shield(record.task)
        return result

    def _finished(self, key: str, task: asyncio.Task[Any]) -> None:
        if task.cancelled() or not _kept(task.exception()):
            del self._records[key]
            return
        self._records[key].done_at = self._clock()
        self._done[key] = None
        self._forget_old()

    def _forget_old(self) -> None:
        too_old = self._clock() - self._age
        while self._done:
            oldest = next(iter(self._done))
            if len(self._done) <= self._most and self._records[oldest].done_at > too_old:
                return
            del self._done[oldest]
            del self._records[oldest]


def _kept(error: BaseException | None) -> bool:
    if error is None:
        return True
    return isinstance(error, ApiError) and error.code not in NOT_KEPT
