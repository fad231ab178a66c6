"""Calls that came in while nobody listened, and the application that attaches in time."""

from __future__ import annotations

import asyncio

from picosip.v1 import call_service_pb2 as call_pb, event_service_pb2 as event_pb
from tests.service.sides import Side, audio, invite


async def calling(near: Side, far: Side) -> str:
    """Places a call that nobody hears; gives its name at the far end."""
    await near.client.calls.Invite(invite(far.address("bob"), offer=audio(4000)))
    async with asyncio.timeout(10):
        while True:
            listed = await far.client.calls.ListCalls(call_pb.ListCallsRequest())
            if listed.calls:
                return listed.calls[0].name


async def reject(far: Side, name: str) -> None:
    await far.client.calls.Reject(call_pb.RejectRequest(name=name))


async def test_a_stream_from_now_on_is_told_of_calls_that_wait(near: Side, far: Side) -> None:
    name = await calling(near, far)
    async with far.client.listening(filter=event_pb.EventFilter(observer=True)) as watcher:
        # What only watches is not told of what is past, and does not take the call.
        async with far.client.listening() as callee:
            received = await callee.next()
            assert received.resource == name
            assert received.call_received.call.state == call_pb.Call.STATE_INCOMING
            await reject(far, name)
            assert await callee.kinds(1) == ["call_ended"]
        assert await watcher.kinds(1) == ["call_ended"]


async def test_what_one_stream_was_told_is_no_news_for_the_next(near: Side, far: Side) -> None:
    name = await calling(near, far)
    async with far.client.listening() as first, far.client.listening() as second:
        assert (await first.next()).resource == name
        await reject(far, name)
        assert await second.kinds(1) == ["call_ended"]


async def test_a_stream_for_other_resources_takes_no_waiting_call(near: Side, far: Side) -> None:
    name = await calling(near, far)
    elsewhere = event_pb.EventFilter(resources=["registrations/"])
    async with far.client.listening(filter=elsewhere), far.client.listening() as callee:
        assert (await callee.next()).resource == name
        await reject(far, name)
