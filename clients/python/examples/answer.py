"""Answers every call with the media that was offered, and tells who called.

python answer.py --server 127.0.0.1:50051
"""

from __future__ import annotations

import argparse
import asyncio

import picosip


async def answer(client: picosip.aio.Client, call: picosip.Call) -> None:
    """Takes one call: every stream of the offer, with its formats, at a port of ours."""
    offered = call.remote_description.sdp.media or [picosip.media("audio", 4000, formats=[0])]
    description = picosip.sdp(
        [
            picosip.media(media.type, 4000, protocol=media.protocol, formats=media.formats)
            for media in offered
        ],
        connection="127.0.0.1",
    )
    try:
        await client.answer(call.name, description)
    except picosip.PicosipError as error:
        # Hung up meanwhile, or another application was first.
        print(call.name, error)


async def main(server: str) -> None:
    """Runs until it is interrupted; a server that goes away is waited for."""
    async with (
        picosip.aio.Client(server) as client,
        client.events(snapshot_on_loss=True) as events,
        asyncio.TaskGroup() as tasks,
    ):
        print("waiting for calls", flush=True)
        async for event in events:
            if event.HasField("call_received"):
                call = event.call_received.call
                print(call.name, "from", call.from_address.uri, flush=True)
                tasks.create_task(answer(client, call))
            elif event.HasField("call_ended"):
                cause = event.call_ended.termination.cause
                print(event.resource, picosip.Termination.Cause.Name(cause), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Answer all calls.")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    try:
        asyncio.run(main(parser.parse_args().server))
    except KeyboardInterrupt:
        print("calls that are up stay up")
