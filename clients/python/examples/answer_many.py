"""Answers very many calls: over a Control stream, without a task for each.

python answer_many.py --server 127.0.0.1:50051
"""

from __future__ import annotations

import argparse
import asyncio

import picosip
from picosip.v1 import call_service_pb2 as call_pb

DESCRIPTION = picosip.sdp([picosip.media("audio", 4000, formats=[0])], connection="127.0.0.1")


class Answerer:
    """Takes calls as they come, and counts."""

    def __init__(self, client: picosip.aio.Control) -> None:
        self._client = client
        self.calls = 0
        self.failed = 0

    def take(self, event: picosip.Event) -> None:
        """Called with each event; it must not wait."""
        if event.HasField("call_received"):
            self.calls += 1
            request = call_pb.AnswerRequest(
                name=event.resource, description=DESCRIPTION, no_wait=True
            )
            self._client.post(request, self._answered)

    def _answered(self, outcome: str | picosip.PicosipError) -> None:
        # Hung up meanwhile, or another application was first.
        self.failed += isinstance(outcome, picosip.PicosipError)


async def main(server: str) -> None:
    """Runs until it is interrupted, and says every second how many calls there were."""
    async with (
        picosip.aio.Control(server) as client,
        client.events(resources=["calls/"], snapshot_on_loss=True) as events,
        asyncio.TaskGroup() as tasks,
    ):
        answerer = Answerer(client)
        tasks.create_task(events.run(answerer.take))
        print("waiting for calls", flush=True)
        told = 0
        while True:
            await asyncio.sleep(1)
            if answerer.calls != told:
                told = answerer.calls
                print(f"{told} calls, {answerer.failed} of them not answered", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Answer very many calls.")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    try:
        asyncio.run(main(parser.parse_args().server))
    except KeyboardInterrupt:
        print("calls that are up stay up")
