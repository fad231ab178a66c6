"""A registrar and callee: takes registrations, rings, answers every call.

It speaks gRPC only. The server it is attached to speaks SIP; started with ``--users``, that
server also checks the digests and tells here who it is.

    picosip serve --users users.toml
    python far_end.py --server 127.0.0.1:50051
"""

from __future__ import annotations

import argparse
import asyncio
import time

import picosip

DEFAULT_EXPIRES = 3600
"""Seconds that a binding lives where the REGISTER does not say (RFC 3261 section 10.3)."""

MIRROR = {"sendonly": "recvonly", "recvonly": "sendonly"}
"""What answers a direction other than itself (RFC 3264 section 6.1)."""


def say(*words: object) -> None:
    """Tells what happens, at once."""
    print(*words, flush=True)


def mirrored(offer: picosip.SessionDescription, address: str) -> picosip.SessionDescription:
    """The answer that takes all that is offered, on ports of ours."""
    streams = []
    for number, media in enumerate(offer.sdp.media):
        offered = picosip.attribute_map(media.attributes)
        streams.append(
            picosip.media(
                media.type,
                # A stream that is offered with port 0 is none (RFC 3264 section 6).
                40000 + 2 * number if media.port else 0,
                protocol=media.protocol,
                formats=media.formats,
                attributes={MIRROR.get(name, name): values for name, values in offered.items()},
            )
        )
    streams = streams or [picosip.media("audio", 40000, formats=[0])]
    return picosip.sdp(streams, connection=address)


class FarEnd:
    """The application: its bindings in memory, one task for each call that rings."""

    def __init__(self, client: picosip.aio.Client, options: argparse.Namespace) -> None:
        self.client = client
        self.options = options
        self.bindings: dict[str, dict[str, float]] = {}
        """Address of record to contact URI to when it ends (monotonic seconds)."""

    async def run(self) -> None:
        """Handles events until it is cancelled."""
        async with (
            self.client.events(handle_methods=["REGISTER"], snapshot_on_loss=True) as events,
            asyncio.TaskGroup() as calls,
        ):
            say("attached")
            async for event in events:
                match event.WhichOneof("kind"):
                    case "incoming_request" if event.incoming_request.method == "REGISTER":
                        await self.register(event.incoming_request)
                    case "call_received":
                        received = event.call_received
                        say("call from", received.call.from_address.uri, "- ringing")
                        calls.create_task(self.take(event.resource, received.offer))
                    case "call_confirmed":
                        say("call is up")
                    case "call_ended":
                        cause = event.call_ended.termination.cause
                        say("call is over:", picosip.Termination.Cause.Name(cause))

    async def register(self, request: picosip.IncomingRequest) -> None:
        """RFC 3261 section 10.3, without a word of SIP."""
        aor, user = request.to_address.uri, request.authenticated_user
        if user and not aor.partition(":")[2].startswith(f"{user}@"):
            say(user, "may not register", aor)
            await self.respond(request, 403)
            return
        wishes = {contact.uri: expires(contact) for contact in request.contacts}
        if "*" in wishes and (len(wishes) > 1 or wishes["*"]):
            # Step 6: it stands alone, and only to remove all.
            await self.respond(request, 400)
            return
        if any(0 < seconds < self.options.min_expires for seconds in wishes.values()):
            await self.respond(request, 423, ("Min-Expires", str(self.options.min_expires)))
            return
        now = time.monotonic()
        bound = {uri: end for uri, end in self.bindings.get(aor, {}).items() if end > now}
        if "*" in wishes:
            bound.clear()
        else:
            bound |= {uri: now + seconds for uri, seconds in wishes.items()}
        self.bindings[aor] = {uri: end for uri, end in bound.items() if end > now}
        say(aor, f"({user or 'unchecked'})", "is at", *self.bindings[aor] or ["no place"])
        left = {uri: round(end - now) for uri, end in self.bindings[aor].items()}
        contacts = [("Contact", f"<{uri}>;expires={seconds}") for uri, seconds in left.items()]
        await self.respond(request, 200, *contacts)

    async def respond(
        self, request: picosip.IncomingRequest, status: int, *headers: tuple[str, str]
    ) -> None:
        """Answers a request, unless the server had to do it meanwhile."""
        try:
            await self.client.respond(request.name, status, headers=headers)
        except picosip.PicosipError as error:
            say(request.name, error)

    async def take(self, call: str, offer: picosip.SessionDescription) -> None:
        """Rings for a while and answers, unless the caller gives up before."""
        try:
            await self.client.progress(call, 180)
            await asyncio.sleep(self.options.ring_seconds)
            await self.client.answer(call, mirrored(offer, self.options.media_address))
        except picosip.PicosipError as error:
            say(call, error)


def expires(contact: picosip.Address) -> int:
    """How long a contact wants to be bound, in seconds."""
    said = [p.value for p in contact.parameters if p.name.lower() == "expires"]
    return int(said[0]) if said and said[0].isdecimal() else DEFAULT_EXPIRES


async def main(options: argparse.Namespace) -> None:
    """Connects, and serves until it is interrupted."""
    async with picosip.aio.Client(options.server) as client:
        await FarEnd(client, options).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A registrar and callee on a picoSIP server.")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    parser.add_argument("--ring-seconds", type=float, default=1.0, help="how long it rings")
    parser.add_argument("--min-expires", type=int, default=60, help="shortest binding, in seconds")
    parser.add_argument("--media-address", default="127.0.0.1", help="what the answers' c= says")
    try:
        asyncio.run(main(parser.parse_args()))
    except KeyboardInterrupt:
        say("detached")
