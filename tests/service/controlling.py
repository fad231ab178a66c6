"""The client's end of a Control stream, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.message import Message

from picosip.v1 import event_service_pb2 as pb
from tests.service.serving import Client

FIELDS: dict[str, str] = {
    field.message_type.full_name: field.name
    for field in pb.Command.DESCRIPTOR.oneofs_by_name["request"].fields
}
"""Message type to the field of Command that holds it."""


def command(number: int, request: Message, *, brief: bool = False) -> pb.Command:
    made = pb.Command(command_id=number, brief=brief)
    getattr(made, FIELDS[request.DESCRIPTOR.full_name]).CopyFrom(request)
    return made


class Stream:
    """Sends what the test wants and keeps what comes, in order."""

    def __init__(self, client: Client) -> None:
        self.call: Any = client.events.Control()
        self.opened = pb.ControlOpened()
        self.responses: list[pb.ControlResponse] = []
        self._results: list[pb.CommandResult] = []
        self._events: list[pb.Event] = []
        self._numbers = 0

    async def open(self, **fields: Any) -> None:
        await self.write(open=pb.ControlOpen(**fields))
        response = await self.read()
        assert response.WhichOneof("kind") == "opened"
        self.opened = response.opened

    async def write(self, **kind: Any) -> None:
        await self.call.write(pb.ControlRequest(**kind))

    async def send(self, *commands: pb.Command) -> None:
        await self.write(commands=pb.CommandBatch(commands=commands))

    async def do(self, *requests: Message, brief: bool = False) -> list[int]:
        """Sends requests as one batch of commands; gives their numbers."""
        numbers = range(self._numbers + 1, self._numbers + len(requests) + 1)
        self._numbers += len(requests)
        await self.send(
            *(
                command(number, request, brief=brief)
                for number, request in zip(numbers, requests, strict=True)
            )
        )
        return list(numbers)

    async def read(self) -> pb.ControlResponse:
        response = await asyncio.wait_for(self.call.read(), 20)
        assert response is not grpc.aio.EOF, "the stream has ended"
        assert isinstance(response, pb.ControlResponse)
        self.responses.append(response)
        for part in (response.results, response.both):
            self._results += part.results
        for events in (response.events, response.both.events):
            self._events += events.events
        return response

    async def result(self) -> pb.CommandResult:
        while not self._results:
            await self.read()
        return self._results.pop(0)

    async def results(self, count: int) -> dict[int, pb.CommandResult]:
        """The next results, by their numbers, each of which comes once."""
        found = [await self.result() for _ in range(count)]
        by_number = {result.command_id: result for result in found}
        assert len(by_number) == count
        return by_number

    async def event(self) -> pb.Event:
        while not self._events:
            await self.read()
        return self._events.pop(0)

    async def kinds(self, count: int) -> list[str | None]:
        return [(await self.event()).WhichOneof("kind") for _ in range(count)]

    async def end(self) -> None:
        """Ends it in order, and returns when the server has, too."""
        await self.call.done_writing()
        while await asyncio.wait_for(self.call.read(), 20) is not grpc.aio.EOF:
            pass
        assert await self.call.code() is grpc.StatusCode.OK


@asynccontextmanager
async def controlling(client: Client, **opening: Any) -> AsyncIterator[Stream]:
    """A stream that is open."""
    stream = Stream(client)
    await stream.open(**opening)
    try:
        yield stream
    finally:
        stream.call.cancel()
