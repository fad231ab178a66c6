"""Wall-clock times for the engine's monotonic ones."""

from __future__ import annotations

import time
from collections.abc import Callable

from google.protobuf.timestamp_pb2 import Timestamp


class Clock:
    """Turns the engine's ``now`` into timestamps.

    The offset is taken once: a wall clock that is set anew while the server runs
    must not turn the order of events around.
    """

    __slots__ = ("_offset", "now")

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.now = now
        """The present, in the engine's monotonic seconds."""
        self._offset = wall() - now()

    def timestamp(self, at: float) -> Timestamp:
        """The moment ``at``, to the microsecond."""
        result = Timestamp()
        self.put(result, at)
        return result

    def put(self, to: Timestamp, at: float) -> None:
        """Sets ``to``, a field in its place: a message that is moved there is copied."""
        seconds, micros = divmod(round((at + self._offset) * 1_000_000), 1_000_000)
        to.seconds = seconds
        to.nanos = micros * 1000
