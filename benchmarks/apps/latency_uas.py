"""Answers every call over a Control stream, and notes how old an INVITE is when it hears of it:
its sender has put its clock into the display name of From.

python -m benchmarks.apps.latency_uas TARGET
"""

from __future__ import annotations

import argparse
import asyncio
import time

import uvloop

import picosip
from benchmarks.apps.pace import jobs, say
from benchmarks.apps.sessions import ANSWER
from picosip.v1 import call_service_pb2 as call_pb


async def main(target: str) -> None:
    """Runs until its input ends; tells the ages, in ms, at each line of it."""
    ages: list[float] = []
    async with (
        picosip.aio.Control(target) as client,
        client.events(resources=["calls/"]) as events,
        asyncio.TaskGroup() as tasks,
    ):

        def take(event: picosip.Event) -> None:
            if event.HasField("call_received"):
                name = event.call_received.call.from_address.display_name
                ages.append((time.time() - float(name.split()[-1])) * 1000)
                client.post(
                    call_pb.AnswerRequest(name=event.resource, description=ANSWER, no_wait=True)
                )

        following = tasks.create_task(events.run(take))
        say({"ready": True})
        async for _ in jobs():
            say({"ages": ages})
            ages.clear()
        following.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    uvloop.run(main(parser.parse_args().target))
