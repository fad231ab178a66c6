"""A back-to-back user agent: bridges each call to a call of its own (RFC 7092).

python b2bua.py 'sip:*@192.0.2.7:5060'    where * is the user who was called, if it is there at all

Media flows between the two ends. Ringing, offers, INFO, MESSAGE, refusals and hang-ups go across.
"""

import argparse
import asyncio

import picosip


def passed(status: picosip.SipStatus) -> picosip.SipStatus:
    """What one end is told of the other's refusal: not of a 3xx, nor of a challenge to us."""
    told = status.code >= 400 and status.code not in (401, 407)
    return status if told else picosip.SipStatus(code=480)


class Bridge:
    """Bridged calls: the name of each, with that of the other."""

    def __init__(self, client: picosip.aio.Client, target: str) -> None:
        self.client, self.target = client, target
        self.other: dict[str, str] = {}

    async def received(self, call: picosip.Call, offer: picosip.SessionDescription | None) -> None:
        """A caller: the second call has the same From, and the same offer or none."""
        target = self.target.replace("*", call.request_uri.partition(":")[2].partition("@")[0])
        caller = picosip.address(call.from_address.uri, call.from_address.display_name)
        try:
            second = await self.client.invite(caller, target, offer, labels={"first": call.name})
        except picosip.PicosipError:
            await self.client.reject(call.name, 480)
            raise
        self.other |= {call.name: second.name, second.name: call.name}

    async def request(self, request: picosip.IncomingRequest, other: str) -> None:
        """An offer inside a call goes across, and the answer comes back; so does all else."""
        try:
            if request.HasField("offer"):
                changed = await self.client.modify(other, request.offer)
                await self.client.respond(request.name, 200, description=changed.remote_description)
            else:
                body = request.body if request.HasField("body") else None
                response = await self.client.transact(request.method, call=other, body=body)
                await self.client.respond(request.name, response.status)
        except picosip.PicosipError as error:
            await self.client.respond(request.name, passed(error.sip_status or picosip.SipStatus()))

    async def handle(self, event: picosip.Event) -> None:
        """What to do about one event; the second call has the name of the first as a label."""
        first, other = event.labels.get("first", ""), self.other.get(event.resource, "")
        print(event.resource, event.WhichOneof("kind"), flush=True)
        try:
            match event.WhichOneof("kind"):
                case "call_received":
                    got = event.call_received
                    await self.received(got.call, got.offer if got.HasField("offer") else None)
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
                    # So goes the other end, by CANCEL, BYE or the same refusal.
                    del self.other[event.resource], self.other[other]
                    await self.client.hangup(other, passed(event.call_ended.termination.status))
                case "incoming_request" if other:
                    await self.request(event.incoming_request, other)
        except picosip.PicosipError as error:
            # Hung up meanwhile, mostly.
            print(event.resource, error, flush=True)


async def main(server: str, target: str) -> None:
    """Runs until it is interrupted; a server that goes away is waited for."""
    async with picosip.aio.Client(server) as client, asyncio.TaskGroup() as tasks:
        bridge = Bridge(client, target)
        async with client.events(snapshot_on_loss=True) as events:
            print("bridging to", target, flush=True)
            async for event in events:
                handling = tasks.create_task(bridge.handle(event))
                if event.WhichOneof("kind") not in ("incoming_request", "call_ended"):
                    # Those wait for an end, and other calls go on; all else has its order.
                    await handling


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Bridge each call to a call of its own.")
    parser.add_argument("target", help="a URI; * stands for the user who was called")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    asyncio.run(main(**vars(parser.parse_args())))
