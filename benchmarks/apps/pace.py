"""What applications that place calls share: jobs by standard input, an even pace, the report."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Tally:
    """How the calls of a job go; all times are of ``time.monotonic``."""

    began: dict[str, float] = field(default_factory=dict)
    answered: dict[str, float] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)

    def fail(self, name: str, why: object) -> None:
        """Notes a call that did not come about, or did not end as it should."""
        self.ended.discard(name)
        self.failed.setdefault(name, str(why)[:300])

    @property
    def over(self) -> int:
        """Calls that have come to an end, good or bad."""
        return len(self.ended) + len(self.failed)

    def report(self, start: float) -> dict[str, Any]:
        """What is said of the job."""
        return {
            "succeeded": len(self.ended),
            "failed": len(self.failed),
            "elapsed": time.monotonic() - start,
            "setup": [
                round((self.answered[name] - began) * 1000, 3)
                for name, began in self.began.items()
                if name in self.answered
            ],
            "why": next(iter(self.failed.values()), ""),
        }


async def jobs() -> AsyncIterator[dict[str, Any]]:
    """The lines of standard input, until it is closed."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


def say(value: dict[str, Any]) -> None:
    """Writes a line to standard output."""
    print(json.dumps(value), flush=True)


async def paced(calls: int, rate: float, begin: Callable[[int], None]) -> None:
    """Calls ``begin`` with 0, 1, 2..., evenly in time; what is late is made up for at once."""
    start = time.monotonic()
    for number in range(calls):
        wait = start + number / rate - time.monotonic()
        # Sleeping for less than this costs more than it is worth.
        if wait > 0.001:
            await asyncio.sleep(wait)
        elif number % 16 == 0:
            await asyncio.sleep(0)
        begin(number)
