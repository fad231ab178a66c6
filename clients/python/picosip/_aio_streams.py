"""The streams of the asyncio client."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

import grpc
from grpc.aio import EOF

from picosip._position import Position
from picosip.errors import PicosipError, from_rpc_error
from picosip.v1 import admin_service_pb2 as admin_pb, event_service_pb2 as event_pb

_log = logging.getLogger("picosip")

Item = TypeVar("Item", covariant=True)
Response = TypeVar("Response", covariant=True)


class Stream(Protocol[Response]):
    """The call object of a server-streaming RPC."""

    async def read(self) -> Any: ...
    def cancel(self) -> bool: ...


class Reader(Generic[Response]):
    """Reads a stream. A read that is cancelled loses nothing: the next one goes on with it."""

    def __init__(self, stream: Stream[Response]) -> None:
        self._stream = stream
        self._pending: asyncio.Future[Any] | None = None
        self.closed = False

    async def read(self) -> Response | None:
        """The next response; None at the end in order, and once it is closed.

        Raises ``grpc.RpcError``.
        """
        if self._pending is None:
            self._pending = asyncio.ensure_future(self._stream.read())
            # Nobody may be there to see how it ends.
            self._pending.add_done_callback(lambda read: read.cancelled() or read.exception())
        # Unlike awaiting the read itself, this leaves it alone when the caller is cancelled;
        # gRPC would end the whole stream.
        await asyncio.wait({self._pending})
        pending, self._pending = self._pending, None
        if self.closed:
            return None
        response = pending.result()
        return None if response is EOF else response

    def close(self) -> None:
        """Ends the stream and a pending read."""
        self.closed = True
        self._stream.cancel()


class Closable(Generic[Item]):
    """An asynchronous iterator that ends when it is closed; a context manager that closes."""

    def __aiter__(self) -> AsyncIterator[Item]:
        return self

    async def __anext__(self) -> Item:
        raise NotImplementedError

    async def _ready(self) -> Self:
        """Waits until the server has the stream."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends the stream, and an iteration that waits in another task."""
        raise NotImplementedError

    def __await__(self) -> Generator[Any, None, Self]:
        return self._ready().__await__()

    async def __aenter__(self) -> Self:
        return await self._ready()

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Events(Closable[event_pb.Event]):
    """The events of ``Client.events``, one by one. To be iterated by one task.

    Waiting for the next event may be cancelled, as by ``asyncio.timeout``; none is lost by that.
    """

    def __init__(self, position: Position) -> None:
        self._position = position

    @property
    def cursor(self) -> event_pb.Cursor:
        """After the event handed out last: what to store, once that is handled, and to give as
        ``after`` when the application starts again."""
        return self._position.cursor

    @property
    def losses(self) -> int:
        """How often the log had no longer what came next, so that a snapshot came instead."""
        return self._position.losses

    async def run(self, handle: Callable[[event_pb.Event], None]) -> None:
        """Calls ``handle`` with each event until the stream is closed; raises as iterating does."""
        async for event in self:
            handle(event)


class EventsOfRpc(Events):
    """Those of an Events stream of their own."""

    def __init__(
        self,
        open_stream: Callable[[event_pb.EventsRequest], Stream[event_pb.EventsResponse]],
        position: Position,
        retry_for: float,
    ) -> None:
        super().__init__(position)
        self._open_stream = open_stream
        self._retry_for = retry_for
        self._reader: Reader[event_pb.EventsResponse] | None = None
        self._opened = False
        self._closed = asyncio.Event()

    async def _ready(self) -> Self:
        give_up = time.monotonic() + self._retry_for
        # The first response says that the server has this stream: what happens from now on is
        # told to it.
        while not self._opened and not self._closed.is_set():
            self._opened = await self._receive(give_up)
        return self

    async def __anext__(self) -> event_pb.Event:
        """Waits for the next event. Raises CursorExpired, or what else a new stream does not
        mend; loss of the connection is not such a thing."""
        await self._ready()
        while True:
            event = self._position.next()
            if event is not None:
                return event
            if self._closed.is_set():
                raise StopAsyncIteration
            await self._receive()

    async def _receive(self, give_up: float | None = None) -> bool:
        """Takes one response; False if there was none but a pause before the next attempt."""
        failure: PicosipError | None = None
        try:
            if self._reader is None:
                self._reader = Reader(self._open_stream(self._position.request()))
            response = await self._reader.read()
        except grpc.RpcError as error:
            response = None
            failure = from_rpc_error(error)
            failure.__cause__ = error
        if response is not None:
            self._position.accept(response)
            return True
        if not self._closed.is_set():
            await self._pause(failure, give_up)
        return False

    async def _pause(self, failure: PicosipError | None, give_up: float | None) -> None:
        self._reader = None
        pause = self._position.lost(failure)
        if give_up is not None and failure is not None and time.monotonic() + pause > give_up:
            raise failure
        _log.warning("events stream lost, opened again in %.2f s: %s", pause, failure or "ended")
        try:
            async with asyncio.timeout(pause):
                await self._closed.wait()
        except TimeoutError:
            return

    def close(self) -> None:
        """Ends the stream, and an iteration that waits in another task."""
        self._closed.set()
        if self._reader is not None:
            self._reader.close()


class Trace(Closable[admin_pb.TraceRecord]):
    """The SIP messages of ``Client.trace``, one by one. A broken stream is not resumed."""

    def __init__(self, stream: Stream[admin_pb.TraceResponse]) -> None:
        self._reader = Reader(stream)
        self._records: deque[admin_pb.TraceRecord] = deque()
        self._begun = False
        self.dropped = 0
        """How many messages the server left out because this reader was too slow."""

    async def _ready(self) -> Self:
        if not self._begun:
            # The first response says that the trace has begun.
            self._begun = await self._receive()
        return self

    async def __anext__(self) -> admin_pb.TraceRecord:
        """Waits for the next message. Raises PicosipError when the stream breaks."""
        while not self._records:
            if not await self._receive():
                raise StopAsyncIteration
        return self._records.popleft()

    async def _receive(self) -> bool:
        """Takes one response; False at the end."""
        try:
            response = await self._reader.read()
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
        if response is None:
            return False
        self._records.extend(response.records)
        self.dropped += response.dropped
        return True

    def close(self) -> None:
        """Ends the stream, and an iteration that waits in another task."""
        self._reader.close()
