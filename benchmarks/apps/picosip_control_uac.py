"""Places calls as it is told and hangs up what was answered. Over a Control stream.

python -m benchmarks.apps.picosip_control_uac TARGET
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

import uvloop

import picosip
from benchmarks.apps.pace import jobs, say
from benchmarks.apps.picosip_uac import CallerBase
from benchmarks.apps.sessions import OFFER
from picosip.v1 import call_service_pb2 as call_pb, sip_pb2


class Caller(CallerBase):
    """Has all done without a task for each call."""

    def __init__(self, client: picosip.aio.Control, job: dict[str, Any]) -> None:
        super().__init__(job)
        self._client = client
        self._invite = call_pb.InviteRequest(
            from_address=sip_pb2.Address(uri="sip:alice@127.0.0.1"),
            to_address=sip_pb2.Address(uri=self.uri),
            offer=OFFER,
        )

    def begin(self, number: int) -> None:
        """Places a call."""
        now = time.monotonic()

        def placed(outcome: Any) -> None:
            if isinstance(outcome, picosip.PicosipError):
                self.fail(f"not placed: {number}", outcome)
            else:
                self.tally.began[outcome] = now

        self._client.post(self._invite, placed)

    def begin_hang_up(self, name: str) -> None:
        """Ends a call."""

        def ended(outcome: Any) -> None:
            # Of one that has ended already, CallEnded says how.
            if isinstance(outcome, picosip.PicosipError) and not isinstance(
                outcome, picosip.NotFound
            ):
                self.fail(name, outcome)

        self._client.post(call_pb.HangupRequest(name=name), ended)


async def main(target: str) -> None:
    """Runs until its input ends."""
    present: list[Caller] = []
    async with (
        picosip.aio.Control(target) as client,
        client.events(resources=["calls/"]) as events,
        asyncio.TaskGroup() as tasks,
    ):
        following = tasks.create_task(events.run(lambda event: present[0].take(event)))
        say({"ready": True})
        async for job in jobs():
            present[:] = [Caller(client, job)]
            await present[0].run()
        following.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    uvloop.run(main(parser.parse_args().target))
