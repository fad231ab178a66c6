"""A message gateway: takes every MESSAGE, writes it as a line of JSON, and may pass it on.

python message_gateway.py --server 127.0.0.1:50051 --forward sip:inbox@example.com

What is passed on is answered as the far end answered; what is only written, with 200.
"""

from __future__ import annotations

import argparse
import asyncio
import json

import picosip


class Gateway:
    """Between SIP and whatever reads this program's output, in one direction."""

    def __init__(self, client: picosip.aio.Client, forward: str) -> None:
        self.client = client
        self.forward = forward

    async def take(self, request: picosip.IncomingRequest) -> None:
        """Handles one MESSAGE (RFC 3428), of a call or of none."""
        kind = request.body.content_type.partition(";")[0].strip().lower()
        if not kind.startswith("text/"):
            await self.respond(request, 415, ("Accept", "text/*"))
            return
        line = {
            "from": request.from_address.uri,
            "to": request.to_address.uri,
            "call": request.call,
            "text": request.body.data.decode("utf-8", "replace"),
        }
        print(json.dumps(line), flush=True)
        status = await self.pass_on(request) if self.forward else 200
        await self.respond(request, status)

    async def pass_on(self, request: picosip.IncomingRequest) -> int:
        """Sends it on; what the one who sent it is to be told."""
        original = ("P-Asserted-Identity", f"<{request.from_address.uri}>")
        try:
            taken = await self.client.send_message(
                request.body, request.to_address.uri, self.forward, headers=[original]
            )
        except picosip.PicosipError as error:
            # What the far end said goes back as it is; where it said nothing, RFC 3428 section 7
            # leaves it to the sender to try again.
            return error.sip_status.code if error.sip_status and error.sip_status.code else 480
        return taken.code

    async def respond(
        self, request: picosip.IncomingRequest, status: int, *headers: tuple[str, str]
    ) -> None:
        """Answers a request, unless the server had to do it meanwhile."""
        try:
            await self.client.respond(request.name, status, headers=headers)
        except picosip.PicosipError as error:
            print(json.dumps({"request": request.name, "error": str(error)}), flush=True)


async def main(options: argparse.Namespace) -> None:
    """Runs until it is interrupted; a server that goes away is waited for."""
    async with (
        picosip.aio.Client(options.server) as client,
        client.events(handle_methods=["MESSAGE"], snapshot_on_loss=True) as events,
        asyncio.TaskGroup() as tasks,
    ):
        gateway = Gateway(client, options.forward)
        print(json.dumps({"ready": True}), flush=True)
        async for event in events:
            if event.HasField("incoming_request") and event.incoming_request.method == "MESSAGE":
                tasks.create_task(gateway.take(event.incoming_request))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write every MESSAGE, and pass it on.")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    parser.add_argument("--forward", default="", help="URI to pass messages on to")
    try:
        asyncio.run(main(parser.parse_args()))
    except KeyboardInterrupt:
        print(json.dumps({"ready": False}), flush=True)
