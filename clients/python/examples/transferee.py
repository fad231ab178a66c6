"""Answers every call, and lets itself be transferred: calls whom a REFER names (RFC 5589).

python transferee.py --server 127.0.0.1:50051

It is also whom others are transferred to: a call that is to replace another is taken as any other,
and the server ends the replaced one.
"""

from __future__ import annotations

import argparse
import asyncio

import picosip


class Transferee:
    """The REFERs on their way: by their names, then by the call that each brought about."""

    def __init__(self, client: picosip.aio.Client, media_port: int) -> None:
        self.client = client
        stream = picosip.media("audio", media_port, formats=[0])
        self.session = picosip.sdp([stream], connection="127.0.0.1")
        self.accepted: dict[str, picosip.IncomingRequest] = {}
        self.reporting: dict[str, str] = {}

    async def refer(self, request: picosip.IncomingRequest) -> None:
        """Agrees; a subscription to how it goes begins with that."""
        self.accepted[request.name] = request
        await self.client.respond(request.name, 202)

    async def subscribed(self, subscription: picosip.Subscription) -> None:
        """Calls whom the REFER named, whose URI may say which call to replace."""
        request = self.accepted.pop(subscription.incoming_request, None)
        if request is None:
            return
        by = request.referred_by.uri
        headers = [("Referred-By", f"<{by}>")] if by else []
        call = await self.client.invite(
            request.to_address.uri, request.refer_to, self.session, headers=headers
        )
        self.reporting[call.name] = subscription.name
        print("referred to", request.refer_to.uri.partition("?")[0], flush=True)

    async def report(self, call: str, status: picosip.SipStatus) -> None:
        """Tells the transferor; what is final, for the last time."""
        name, final = self.reporting[call], status.code >= 200
        if final:
            del self.reporting[call]
        line = f"SIP/2.0 {status.code} {status.reason}\r\n"
        body = picosip.Body(content_type="message/sipfrag", data=line.encode())
        await self.client.notify(name, body, state="terminated" if final else None)
        print("reported", status.code, flush=True)

    async def handle(self, event: picosip.Event) -> None:
        """What to do about one event."""
        try:
            match event.WhichOneof("kind"):
                case "call_received":
                    policy = picosip.call_policy(offers="accept")
                    print("replacing" if event.call_received.replaces else "answering", flush=True)
                    await self.client.answer(event.resource, self.session, policy=policy)
                case "incoming_request" if event.incoming_request.method == "REFER":
                    await self.refer(event.incoming_request)
                case "subscription_changed":
                    await self.subscribed(event.subscription_changed.subscription)
                case "call_progressed" if event.resource in self.reporting:
                    await self.report(event.resource, event.call_progressed.status)
                case "call_answered" if event.resource in self.reporting:
                    await self.report(event.resource, event.call_answered.status)
                case "call_ended" if event.resource in self.reporting:
                    await self.report(event.resource, event.call_ended.termination.status)
        except picosip.PicosipError as error:
            # Hung up meanwhile, or another application was first.
            print(event.resource, error, flush=True)


async def main(options: argparse.Namespace) -> None:
    """Runs until it is interrupted; a server that goes away is waited for."""
    async with (
        picosip.aio.Client(options.server) as client,
        client.events(snapshot_on_loss=True) as events,
    ):
        transferee = Transferee(client, options.media_port)
        print("waiting for calls", flush=True)
        async for event in events:
            await transferee.handle(event)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Answer all calls, and follow transfers.")
    parser.add_argument("--media-port", type=int, default=4000, help="where it wants the audio")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    asyncio.run(main(parser.parse_args()))
