"""A queue: callers wait on hold until an agent is free (third-party call control, RFC 3725).

python call_queue.py sip:anna@192.0.2.7 sip:ben@192.0.2.8 --server 127.0.0.1:50051

A caller is answered at once, with its streams inactive. The next agent is invited without an offer;
what it offers then goes to the caller, whose answer goes back. Who does not answer has a rest.
"""

import argparse
import asyncio

import picosip


def on_hold(offer: picosip.SessionDescription) -> picosip.SessionDescription:
    """Takes all that is offered, with nothing sent either way; port 9 is nobody's."""
    silent = {"inactive": None}
    streams = [
        picosip.media(one.type, 9, protocol=one.protocol, formats=one.formats, attributes=silent)
        for one in offer.sdp.media or [picosip.media("audio", 9, formats=[0])]
    ]
    return picosip.sdp(streams, connection="127.0.0.1")


class Queue:
    """Callers get the free agents in the order in which they came."""

    def __init__(self, client: picosip.aio.Client, options: argparse.Namespace) -> None:
        self.client, self.options = client, options
        self.free: asyncio.Queue[str] = asyncio.Queue()
        for agent in options.agents:
            self.free.put_nowait(agent)
        self.callers: dict[str, asyncio.Task[None]] = {}
        self.agents: dict[str, asyncio.Queue[picosip.Event]] = {}

    async def serve(self, call: picosip.Call, offer: picosip.SessionDescription) -> None:
        """One caller, until it has talked to somebody. Cancelled when it is gone."""
        try:
            await self.client.answer(call.name, on_hold(offer))
            print("waiting", call.from_address.uri, flush=True)
            while not await self.talk(call, await self.free.get()):
                print("next agent", flush=True)
        except picosip.PicosipError as error:
            print(call.name, error, flush=True)
        await self.hangup(call.name)

    async def talk(self, call: picosip.Call, agent: str) -> bool:
        """Connects an agent until it hangs up. False: no answer. Its call is labelled "caller"."""
        events = self.agents[call.name] = asyncio.Queue()
        caller, labels, pause = call.from_address.uri, {"caller": call.name}, 0.0
        policy = picosip.call_policy(ring_timeout=self.options.ring)
        try:
            leg = (await self.client.invite(caller, agent, policy=policy, labels=labels)).name
            while (event := await events.get()).WhichOneof("kind") != "call_answered":
                if event.HasField("call_ended"):
                    pause = self.options.pause
                    return False
            changed = await self.client.modify(call.name, event.call_answered.description)
            await self.client.answer(leg, changed.remote_description)
            print("connected", caller, agent, flush=True)
            while not (await events.get()).HasField("call_ended"):
                continue
            return True
        finally:
            asyncio.get_running_loop().call_later(pause, self.free.put_nowait, agent)
            async for left in self.client.list_calls(labels):
                await self.hangup(left.name)

    async def hangup(self, name: str) -> None:
        """Ends a call that may be over."""
        try:
            await self.client.hangup(name)
        except picosip.PicosipError as error:
            print(name, error, flush=True)


async def main(options: argparse.Namespace) -> None:
    """Runs until it is interrupted."""
    async with picosip.aio.Client(options.server) as client, asyncio.TaskGroup() as tasks:
        queue = Queue(client, options)
        async with client.events(snapshot_on_loss=True) as events:
            print("queue", flush=True)
            async for event in events:
                if event.HasField("call_received"):
                    serving = queue.serve(event.call_received.call, event.call_received.offer)
                    queue.callers[event.resource] = tasks.create_task(serving)
                elif caller := event.labels.get("caller"):
                    queue.agents[caller].put_nowait(event)
                elif event.HasField("call_ended") and event.resource in queue.callers:
                    queue.callers.pop(event.resource).cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Have callers wait for a free agent.")
    parser.add_argument("agents", nargs="+", help="their URIs")
    parser.add_argument("--ring", type=float, default=20, help="how long one rings, in seconds")
    parser.add_argument("--pause", type=float, default=30, help="rest for who did not answer")
    parser.add_argument("--server", default="127.0.0.1:50051", help="picoSIP's gRPC address")
    asyncio.run(main(parser.parse_args()))
