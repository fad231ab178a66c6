"""Places calls as it is told and hangs up what was answered. By Events and unary RPCs.

python -m benchmarks.apps.picosip_uac TARGET
"""

from __future__ import annotations

import argparse
import asyncio
import time
from abc import ABC, abstractmethod
from typing import Any

import uvloop

import picosip
from benchmarks.apps.pace import Tally, jobs, paced, say
from benchmarks.apps.sessions import OFFER


class CallerBase(ABC):
    """The calls of one job, followed by their events."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.uri: str = job["uri"]
        self._calls: int = job["calls"]
        self._rate: float = job["rate"]
        self._hold: float = job["hold"]
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self.tally = Tally()

    @abstractmethod
    def begin(self, number: int) -> None:
        """Places a call; its name goes into the tally with the moment at which it was asked for."""

    @abstractmethod
    def begin_hang_up(self, name: str) -> None:
        """Ends a call."""

    def take(self, event: picosip.Event) -> None:
        """Follows a call of this job."""
        kind, name = event.WhichOneof("kind"), event.resource
        if kind == "call_answered":
            self.tally.answered[name] = time.monotonic()
        elif kind == "call_confirmed" and self._hold:
            self._loop.call_later(self._hold, self.begin_hang_up, name)
        elif kind == "call_confirmed":
            self.begin_hang_up(name)
        elif kind == "call_ended":
            cause = event.call_ended.termination.cause
            if cause == picosip.Termination.CAUSE_LOCAL_HANGUP:
                self.tally.ended.add(name)
                self._look()
            else:
                self.fail(name, picosip.Termination.Cause.Name(cause))

    def fail(self, name: str, why: object) -> None:
        """Notes a call that went wrong."""
        self.tally.fail(name, why)
        self._look()

    def _look(self) -> None:
        if self.tally.over >= self._calls:
            self._over.set()

    async def run(self) -> None:
        """All of them."""
        start = time.monotonic()
        await paced(self._calls, self._rate, self.begin)
        await self._over.wait()
        say(self.tally.report(start))


class Caller(CallerBase):
    """An RPC for each thing that is to happen."""

    def __init__(
        self, client: picosip.aio.Client, job: dict[str, Any], tasks: asyncio.TaskGroup
    ) -> None:
        super().__init__(job)
        self._client = client
        self._tasks = tasks

    def begin(self, number: int) -> None:
        """Places a call."""
        self._tasks.create_task(self._invite(number, time.monotonic()))

    async def _invite(self, number: int, now: float) -> None:
        try:
            call = await self._client.invite("sip:alice@127.0.0.1", self.uri, OFFER)
        except picosip.PicosipError as error:
            self.fail(f"not placed: {number}", error)
        else:
            self.tally.began[call.name] = now

    def begin_hang_up(self, name: str) -> None:
        """Ends a call."""
        self._tasks.create_task(self._hang_up(name))

    async def _hang_up(self, name: str) -> None:
        try:
            await self._client.hangup(name)
        except picosip.NotFound:
            # It has ended already, and its CallEnded says how.
            return
        except picosip.PicosipError as error:
            self.fail(name, error)


async def main(target: str) -> None:
    """Runs until its input ends."""
    present: list[Caller] = []

    async def follow(events: picosip.aio.Events) -> None:
        async for event in events:
            present[0].take(event)

    async with (
        picosip.aio.Client(target) as client,
        client.events(resources=["calls/"]) as events,
        asyncio.TaskGroup() as tasks,
    ):
        following = tasks.create_task(follow(events))
        say({"ready": True})
        async for job in jobs():
            present[:] = [Caller(client, job, tasks)]
            await present[0].run()
        following.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    uvloop.run(main(parser.parse_args().target))
