"""Answers every call: 180, then 200. By Events and unary RPCs.

python -m benchmarks.apps.picosip_uas TARGET
"""

from __future__ import annotations

import argparse
import asyncio
import sys

import uvloop

import picosip
from benchmarks.apps.pace import say
from benchmarks.apps.sessions import ANSWER


async def answer(client: picosip.aio.Client, name: str) -> None:
    """Takes one call."""
    try:
        await client.progress(name)
        await client.answer(name, ANSWER, no_wait=True)
    except picosip.PicosipError as error:
        # The far end counts it as failed.
        print(name, error, file=sys.stderr)


async def main(target: str) -> None:
    """Runs until it is ended."""
    async with (
        picosip.aio.Client(target) as client,
        client.events(resources=["calls/"]) as events,
        asyncio.TaskGroup() as tasks,
    ):
        say({"ready": True})
        async for event in events:
            if event.HasField("call_received"):
                tasks.create_task(answer(client, event.resource))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    uvloop.run(main(parser.parse_args().target))
