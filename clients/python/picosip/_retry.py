"""When a failed RPC is tried again."""

from __future__ import annotations

import random
import time

from picosip.errors import PicosipError, Unavailable
from picosip.v1.error_details_pb2 import SipFailure

_FIRST = 0.05
_LONGEST = 2.0


class Backoff:
    """The pauses between attempts, in seconds: doubled each time, and a random part of it, so
    that many clients do not come back at the same moment."""

    def __init__(self) -> None:
        self._next = _FIRST

    def pause(self) -> float:
        """How long to wait now."""
        ceiling, self._next = self._next, min(self._next * 2, _LONGEST)
        return ceiling * random.uniform(0.5, 1.0)


class Attempts:
    """The attempts of one RPC, bounded by its deadline and by how long to go on trying."""

    def __init__(self, timeout: float | None, retry_for: float) -> None:
        now = time.monotonic()
        self._deadline = None if timeout is None else now + timeout
        self._retry_until = now + retry_for
        self._backoff = Backoff()

    def left(self) -> float | None:
        """Seconds until the deadline; None where there is none."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def pause_after(self, failure: PicosipError) -> float | None:
        """How long to wait, in seconds, before the next attempt; None: there is none.

        UNAVAILABLE speaks of the way to the server or of the server itself. Only where its
        details say so was it the way to the far end; to ask again is then the application's
        own choice.
        """
        if (
            not isinstance(failure, Unavailable)
            or failure.sip_source == SipFailure.SOURCE_TRANSPORT
        ):
            return None
        pause = self._backoff.pause()
        again = time.monotonic() + pause
        if again > self._retry_until or (self._deadline is not None and again > self._deadline):
            return None
        return pause
