"""A Control stream is lost under load: no command and no event is, and none comes twice."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import picosip
from picosip import aio
from picosip.v1 import call_service_pb2 as call_pb, event_service_pb2 as event_pb, sip_pb2
from picosip_server.sip.ua import commands
from tests.client.controlled import Server
from tests.support.relay import Relay

CALLS = 600


@pytest.fixture
def real() -> Iterator[Server]:
    with Server() as server:
        yield server


def invite(number: int) -> call_pb.InviteRequest:
    return call_pb.InviteRequest(
        from_address=sip_pb2.Address(uri="sip:alice@example.com"),
        to_address=sip_pb2.Address(uri="sip:answers@example.com"),
        labels={"number": str(number)},
    )


class Cutting:
    """Cuts the relay whenever so many more octets have come from the client."""

    def __init__(self, target: str, every: int, times: int) -> None:
        self.relay = Relay(target, self._saw)
        self.cuts = 0
        self._every = every
        self._times = times
        self._octets = 0

    def _saw(self, data: bytes) -> None:
        self._octets += len(data)
        if self._octets >= self._every * (self.cuts + 1) and self.cuts < self._times:
            self.cuts += 1
            self.relay.cut()


def check(server: Server, calls: list[call_pb.Call], events: list[event_pb.Event]) -> None:
    """Each call was made once, each result belongs to its command, each event came once."""
    made = [one for one in server.engine.commands if isinstance(one, commands.Invite)]
    assert Counter(one.labels["number"] for one in made) == {str(n): 1 for n in range(CALLS)}
    assert [call.labels["number"] for call in calls] == [str(number) for number in range(CALLS)]
    assert [event.revision for event in events] == list(range(1, 3 * CALLS + 1))


def test_with_threads(real: Server) -> None:
    cutting = Cutting(real.target, 8_000, 5)
    with cutting.relay as relay, picosip.Control(relay.target) as client:
        events = client.events()
        with ThreadPoolExecutor(32) as pool:
            reading = pool.submit(lambda: [next(events) for _ in range(3 * CALLS)])
            first = list(pool.map(lambda n: client.submit(invite(n)), range(CALLS // 2)))
            # And by methods that wait.
            second = list(
                pool.map(
                    lambda n: client.invite(
                        "sip:alice@example.com",
                        "sip:answers@example.com",
                        labels={"number": str(n)},
                    ),
                    range(CALLS // 2, CALLS),
                )
            )
            check(real, [one.result(20) for one in first] + second, reading.result(20))
    assert cutting.cuts == 5


async def test_with_tasks(real: Server) -> None:
    cutting = Cutting(real.target, 8_000, 5)
    with cutting.relay as relay:
        async with aio.Control(relay.target) as client, client.events() as events:

            async def read() -> list[event_pb.Event]:
                return [await anext(events) for _ in range(3 * CALLS)]

            async def some(start: int) -> list[Any]:
                found = []
                for number in range(start, CALLS, 20):
                    found.append((number, await client.submit(invite(number))))
                return found

            async with asyncio.timeout(60):
                reading = asyncio.create_task(read())
                parts = await asyncio.gather(*(some(start) for start in range(20)))
                calls = dict(pair for part in parts for pair in part)
                check(real, [calls[number] for number in range(CALLS)], await reading)
    assert cutting.cuts == 5


def test_what_is_in_progress_is_not_begun_again(real: Server) -> None:
    later = call_pb.InviteRequest(
        from_address=sip_pb2.Address(uri="sip:alice@example.com"),
        to_address=sip_pb2.Address(uri="sip:later@example.com"),
    )
    again = threading.Event()
    octets = 0

    def seen(data: bytes) -> None:
        nonlocal octets
        octets += len(data)
        if cut and b"later@example.com" in data:
            again.set()

    cut = False
    with Relay(real.target, seen) as relay, picosip.Control(relay.target) as client:
        # Nobody else is to know of it: it would be another command.
        future = client.submit(later)
        client.stats()
        while not real.engine.commands:
            client.stats()
        cut = True
        relay.cut()
        assert again.wait(20)
        client.stats()
        real.engine.release()
        assert future.result(20).name == "calls/node-0001"
    assert len(real.engine.commands) == 1


def test_tied_calls_outlive_the_stream_but_not_the_application(real: Server) -> None:
    tied = picosip.CallPolicy(hangup_on_disconnect=True)
    ours, theirs = "sip:alice@example.com", "sip:rings@example.com"
    with (
        picosip.Client(real.target) as watch,
        watch.events(observer=True) as events,
        Relay(real.target) as relay,
    ):

        def ended() -> str:
            return next(event.resource for event in events if event.HasField("call_ended"))

        client = picosip.Control(relay.target, keep_session=60.0)
        name = client.invite(ours, theirs, policy=tied).name
        relay.cut()
        # By another stream, which then ends in order.
        assert client.get_call(name).name == name
        client.close()
        assert ended() == name

        client = picosip.Control(relay.target, keep_session=0.01)
        name = client.invite(ours, theirs, policy=tied).name
        # As if the application had died.
        relay.close()
        assert ended() == name
        client.close()
