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
from picosip.v1.event_service_pb2 import CallReceived


def passed(status: picosip.SipStatus | None) -> picosip.SipStatus:
    """What one end is told of the other's refusal: not of a 3xx, nor of a challenge to us."""
    if status is None or status.code < 400 or status.code in (401, 407):
        return picosip.SipStatus(code=480)
    return status


class Bridge:
    """Bridged calls: the name of each, with that of the other."""

    def __init__(self, client: picosip.aio.Client, target: str) -> None:
        self.client, self.target = client, target
        self.other: dict[str, str] = {}

    async def received(self, got: CallReceived) -> None:
        """A caller: the second call has the same From, and the same offer or none."""
        call, offer = got.call, got.offer if got.HasField("offer") else None
        user = call.request_uri.partition(":")[2].partition("@")[0]
        target = self.target if "@" in self.target else f"sip:{user}@{self.target}"
        caller = picosip.address(call.from_address.uri, call.from_address.display_name)
        try:
            second = await self.client.invite(caller, target, offer, labels={"first": call.name})
        except picosip.PicosipError as error:
            print("cannot call", target, error, flush=True)
            await self.client.reject(call.name, 480)
            return
        self.other |= {call.name: second.name, second.name: call.name}
        print(call.name, "to", target, flush=True)

    async def ended(self, name: str, other: str, status: picosip.SipStatus) -> None:
        """One end is gone: so goes the other, by CANCEL, BYE or the same refusal."""
        del self.other[name], self.other[other]
        print("ended", status.code, flush=True)
        await self.client.hangup(other, passed(status))

    async def request(self, request: picosip.IncomingRequest, other: str) -> None:
        """An offer inside a call goes across, and the answer comes back. So do INFO and MESSAGE."""
        status, description = picosip.SipStatus(code=488), None
        try:
            if request.HasField("offer"):
                description = (await self.client.modify(other, request.offer)).remote_description
                status = picosip.SipStatus(code=200)
            elif request.method in ("INFO", "MESSAGE"):
                across = self.client.transact(request.method, call=other, body=request.body)
                status = (await across).status
        except picosip.PicosipError as error:
            status = passed(error.sip_status)
        await self.client.respond(request.name, status, description=description)

    async def handle(self, event: picosip.Event) -> None:
        """What to do about one event; the second call has the name of the first as a label."""
        first, other = event.labels.get("first", ""), self.other.get(event.resource, "")
        try:
            match event.WhichOneof("kind"):
                case "call_received":
                    await self.received(event.call_received)
                case "call_progressed" if first:
                    told = event.call_progressed
                    early = told.description if told.HasField("description") else None
                    await self.client.progress(first, told.status, early)
                case "call_answered" if first:
                    # What came with a reliable 1xx is not said again.
                    call = await self.client.get_call(event.resource)
                    await self.client.answer(first, call.remote_description, no_wait=True)
                case "call_confirmed" if other and event.call_confirmed.HasField("description"):
                    # Invited without an offer, the caller answers in its ACK.
                    await self.client.answer(other, event.call_confirmed.description)
                case "call_ended" if other:
                    await self.ended(event.resource, other, event.call_ended.termination.status)
                case "incoming_request" if other:
                    await self.request(event.incoming_request, other)
        except picosip.PicosipError as error:
            # Hung up meanwhile, mostly.
            print(event.resource, error, flush=True)


async def main(server: str, target: str) -> None:
    """Runs until it is interrupted; a server that goes away is waited for."""
    async with (
        picosip.aio.Client(server) as client,
        client.events(snapshot_on_loss=True) as events,
        asyncio.TaskGroup() as tasks,
    ):
        bridge = Bridge(client, target)
        print("bridging to", target, flush=True)
        async for event in events:
            handling = tasks.create_task(bridge.handle(event))
            if event.WhichOneof("kind") not in ("incoming_request", "call_ended"):
                # Those wait for an end, and other calls go on meanwhile; all else has its order.
                await handling


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Bridge each call to a call of its own.")
    parser.add_argument("target", help="a URI, or HOST:PORT to call the same user there")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    asyncio.run(main(**vars(parser.parse_args())))
