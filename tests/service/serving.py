"""A server within the test's process, and a client of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from picosip.v1 import (
    admin_service_pb2_grpc as admin_grpc,
    call_service_pb2_grpc as call_grpc,
    event_service_pb2 as event_pb,
    event_service_pb2_grpc as event_grpc,
    load_service_pb2_grpc as load_grpc,
    registration_service_pb2_grpc as registration_grpc,
    request_service_pb2_grpc as request_grpc,
    subscription_service_pb2_grpc as subscription_grpc,
)
from picosip_server.engine.config import EngineConfig
from picosip_server.service.ports import Sink
from picosip_server.service.server import Addresses, Server
from picosip_server.settings import Settings, load
from tests.service.scripted_engine import ScriptedEngine


def settings(**changes: object) -> Settings:
    """Settings for ports of the system's choice."""
    return load(
        {
            "grpc": ("127.0.0.1:0",),
            "sip": ("udp:127.0.0.1:0", "tcp:127.0.0.1:0"),
            "node": "node",
            # However busy the machine is that runs the tests.
            "overload_delay": "0",
            **changes,
        }
    )


class Client:
    """All stubs on one channel."""

    def __init__(self, target: str) -> None:
        self.channel = grpc.aio.insecure_channel(target)
        self.calls = call_grpc.CallServiceStub(self.channel)
        self.registrations = registration_grpc.RegistrationServiceStub(self.channel)
        self.requests = request_grpc.RequestServiceStub(self.channel)
        self.subscriptions = subscription_grpc.SubscriptionServiceStub(self.channel)
        self.events = event_grpc.EventServiceStub(self.channel)
        self.loads = load_grpc.LoadServiceStub(self.channel)
        self.admin = admin_grpc.AdminServiceStub(self.channel)

    @asynccontextmanager
    async def listening(self, **request: Any) -> AsyncIterator[Ear]:
        """An Events stream that the server knows already."""
        ear = Ear(self.events.Events(event_pb.EventsRequest(**request)))
        await ear.attached()
        try:
            yield ear
        finally:
            ear.stream.cancel()


class Ear:
    """Reads one Events stream."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.cursor = event_pb.Cursor()
        self._ready: list[event_pb.Event] = []

    async def attached(self) -> None:
        """Returns with the first response."""
        await self._read()

    async def next(self) -> event_pb.Event:
        """The next event."""
        while not self._ready:
            await self._read()
        return self._ready.pop(0)

    async def kinds(self, count: int) -> list[str | None]:
        """The kinds of the next events."""
        return [(await self.next()).WhichOneof("kind") for _ in range(count)]

    async def reach(self, revision: int) -> None:
        """Returns when the stream's cursor is there."""
        while self.cursor.revision < revision:
            await self._read()

    async def _read(self) -> None:
        response = await asyncio.wait_for(self.stream.read(), 20)
        assert response is not grpc.aio.EOF, "the stream has ended"
        self.cursor = response.cursor
        self._ready += response.events


class Served:
    """A running server with a scripted engine behind it."""

    def __init__(self, server: Server, engine: ScriptedEngine, addresses: Addresses) -> None:
        self.server = server
        self.engine = engine
        self.addresses = addresses
        self.client = Client(addresses.grpc[0])

    async def stop(self) -> None:
        """Ends client and server."""
        await self.client.channel.close()
        await self.server.stop()


async def serve(**changes: object) -> Served:
    """Starts a server with a scripted engine."""
    engines: list[ScriptedEngine] = []

    def make(config: EngineConfig, sink: Sink) -> ScriptedEngine:
        engines.append(ScriptedEngine(config, sink))
        return engines[0]

    server = Server(settings(**changes), make)
    addresses = await server.start()
    return Served(server, engines[0], addresses)


def details(error: grpc.aio.AioRpcError) -> list[Any]:
    """What is packed in the error's rich status."""
    for key, value in error.trailing_metadata():
        if key == "grpc-status-details-bin":
            assert isinstance(value, bytes)
            status = status_pb2.Status.FromString(value)
            assert (status.code, status.message) == (error.code().value[0], error.details())
            return [unpacked(one) for one in status.details]
    return []


def unpacked(packed: Any) -> Any:
    """The message in an Any."""
    from picosip.v1 import error_details_pb2 as pb

    for kind in (
        error_details_pb2.ErrorInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.RetryInfo,
        pb.SipFailure,
        pb.CursorFailure,
    ):
        found = kind()
        if packed.Unpack(found):
            return found
    raise AssertionError(f"unknown detail {packed.type_url}")


async def refusal(work: Awaitable[Any]) -> grpc.aio.AioRpcError:
    """The error that an RPC ends with."""
    try:
        await asyncio.wait_for(work, 20)
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the RPC succeeded")


async def until(condition: Callable[[], bool]) -> None:
    """Returns when the other side has got so far."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)
