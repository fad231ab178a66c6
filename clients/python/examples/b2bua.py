"""A back-to-back user agent: bridges each call to a call of its own (RFC 7092).

python b2bua.py 192.0.2.7:5060            the user who was called, at that next hop
python b2bua.py sip:desk@example.com      everybody at that address

Descriptions pass through as they are: media flows between the two ends. So do ringing, early media,
refusals, later offers, INFO and MESSAGE, and either end's hang-up.
"""

from __future__ import annotations

import argparse
import asyncio

import picosip


def status_of(status: picosip.SipStatus | None, default: int) -> picosip.SipStatus | int:
    """What one end was told, as it is told to the other."""
    # A 3xx is not followed; a challenge (401, 407) is meant for who sent the request: this program.
    passed = status is not None and status.code >= 400 and status.code not in (401, 407)
    return status if status is not None and passed else default


class Bridge:
    """The calls by name, each with the one that it is bridged to."""

    def __init__(self, client: picosip.aio.Client, target: str) -> None:
        self.client = client
        self.target = target
        self.other: dict[str, str] = {}

    async def received(self, call: picosip.Call, offer: picosip.SessionDescription | None) -> None:
        """A caller: the second call has the same From, and the same offer or none."""
        user = call.request_uri.partition(":")[2].partition("@")[0]
        target = self.target if "@" in self.target else f"sip:{user}@{self.target}"
        caller = picosip.address(call.from_address.uri, call.from_address.display_name)
        second = await self.client.invite(caller, target, offer, labels={"first": call.name})
        self.other |= {call.name: second.name, second.name: call.name}
        print(call.name, "to", target, flush=True)

    async def ended(self, name: str, status: picosip.SipStatus) -> None:
        """One end is gone: so goes the other, by CANCEL, BYE or the same refusal."""
        other = self.other.pop(name, "")
        if self.other.pop(other, ""):
            print("ended", status.code, flush=True)
            await self.client.hangup(other, status_of(status, 480))

    async def request(self, request: picosip.IncomingRequest) -> None:
        """A request inside a call: across, and its answer back."""
        other = self.other.get(request.call, "")
        try:
            if request.HasField("offer"):
                call = await self.client.modify(other, request.offer)
                await self.client.respond(request.name, 200, description=call.remote_description)
            elif request.method in ("INFO", "MESSAGE"):
                answer = await self.client.transact(request.method, call=other, body=request.body)
                await self.client.respond(request.name, answer.status)
            else:
                # A REFER or an invitation to offer is not for the other end as it is.
                await self.client.respond(request.name, 488 if request.method == "INVITE" else 603)
        except picosip.PicosipError as error:
            await self.client.respond(request.name, status_of(error.sip_status, 488))

    async def handle(self, event: picosip.Event) -> None:
        """What to do about one event."""
        first, other = event.labels.get("first", ""), self.other.get(event.resource, "")
        match event.WhichOneof("kind"):
            case "call_received":
                got = event.call_received
                await self.received(got.call, got.offer if got.HasField("offer") else None)
            case "call_progressed" if first:
                told = event.call_progressed
                early = told.description if told.HasField("description") else None
                await self.client.progress(first, told.status, early)
            case "call_answered" if first:
                await self.client.answer(first, event.call_answered.description, no_wait=True)
            case "call_confirmed" if other and event.call_confirmed.HasField("description"):
                # Invited without an offer, the caller answers in its ACK.
                await self.client.answer(other, event.call_confirmed.description)
            case "call_ended":
                await self.ended(event.resource, event.call_ended.termination.status)
            case "incoming_request" if other:
                await self.request(event.incoming_request)


async def main(options: argparse.Namespace) -> None:
    """Runs until it is interrupted; a server that goes away is waited for."""

    async def handle(event: picosip.Event) -> None:
        try:
            await bridge.handle(event)
        except picosip.PicosipError as error:
            # Mostly: hung up meanwhile. A call that cannot be bridged gets 480.
            print(event.resource, error, flush=True)
            if event.HasField("call_received"):
                await client.reject(event.resource, 480)

    async with (
        picosip.aio.Client(options.server) as client,
        client.events(snapshot_on_loss=True) as events,
        asyncio.TaskGroup() as tasks,
    ):
        bridge = Bridge(client, options.target)
        print("bridging to", options.target, flush=True)
        async for event in events:
            if event.HasField("incoming_request") or event.HasField("call_ended"):
                # They wait for the other end: other calls go on meanwhile.
                tasks.create_task(handle(event))
            else:
                await handle(event)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Bridge each call to a call of its own.")
    parser.add_argument("target", help="a URI, or HOST:PORT to call the same user there")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    try:
        asyncio.run(main(parser.parse_args()))
    except KeyboardInterrupt:
        print("calls that are up stay up, unbridged")
