"""The Control stream of the asyncio client: one task reads it, another one writes it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, Self

import grpc
from google.protobuf.message import Message
from grpc.aio import EOF

from picosip._aio_streams import Events
from picosip._commands import Done
from picosip._conversation import LINGER, Conversation
from picosip._position import Position
from picosip.errors import PicosipError, from_code, from_rpc_error
from picosip.v1 import event_service_pb2 as pb

_log = logging.getLogger("picosip")

Handle = Callable[[pb.Event], None]
_SENDING = 5.0
"""Seconds for what is to be sent before the client is closed."""
_LAST_WORDS = 1.0
"""Seconds for the server to end the stream then."""


class _Stream(Protocol):
    """The call object of the RPC."""

    async def read(self) -> Any: ...
    async def write(self, request: bytes) -> None: ...
    async def done_writing(self) -> None: ...
    def cancel(self) -> bool: ...


class Talk:
    """A conversation that lasts, over one stream after another."""

    def __init__(
        self, open_stream: Callable[[], _Stream], retry_for: float, keep_session: float | None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._open_stream = open_stream
        self._retry_for = retry_for
        self._conversation = Conversation(retry_for, keep_session)
        self._to_send: asyncio.Future[None] | None = None
        """The writing task waits for it."""
        self._heard: set[asyncio.Future[None]] = set()
        """Those who listen wait for these."""
        self._hurry = asyncio.Event()
        self._stream: _Stream | None = None
        self._replaced = False
        """Another stream is wanted in the place of this one, at once."""
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._handle: Handle | None = None
        """Gets the events as they are read."""
        self._failure: PicosipError | None = None
        """Why the last stream ended."""
        self._told: BaseException | None = None
        """Why those who listen cannot go on."""

    # Commands.

    def submit(self, request: Message, done: Done, *, brief: bool = False) -> Callable[[], None]:
        """Has a command sent, with others if they come in time. Gives what makes it forgotten."""
        if self._closed:
            raise _closed()
        commands = self._conversation.commands
        command = commands.add(request, done, brief=brief)
        self._start()
        self._wake_writer()
        return lambda: commands.forget(command)

    def future(self, request: Message, *, brief: bool = False) -> asyncio.Future[Any]:
        """What the command gives, or PicosipError."""
        future: asyncio.Future[Any] = self._loop.create_future()

        def done(outcome: Any) -> None:
            if future.done():
                return
            if isinstance(outcome, PicosipError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.submit(request, done, brief=brief)
        return future

    async def perform(self, request: Message, timeout: float | None) -> Any:
        """What the command gives. Raises PicosipError."""
        future: asyncio.Future[Any] = self._loop.create_future()

        def done(outcome: Any) -> None:
            if not future.done():
                future.set_result(outcome)

        forget = self.submit(request, done)
        timer = None
        if timeout is not None:
            text = f"no result within {timeout} s"
            late = from_code(grpc.StatusCode.DEADLINE_EXCEEDED, text)
            timer = self._loop.call_later(timeout, done, late)
        try:
            outcome = await future
        finally:
            # Cancelling undoes nothing on the server.
            forget()
            if timer is not None:
                timer.cancel()
        if isinstance(outcome, PicosipError):
            raise outcome
        return outcome

    # Events.

    @property
    def listening(self) -> bool:
        """Whether somebody has the events."""
        return self._conversation.position is not None

    def listen(self, position: Position) -> None:
        """Begins with the events."""
        if self._closed:
            raise _closed()
        self._told = self._failure = None
        self._want(position)

    async def attached(self, position: Position) -> None:
        """Returns once the server has the stream. Raises PicosipError."""
        conversation = self._conversation
        try:
            async with asyncio.timeout(self._retry_for):
                while conversation.position is position and not conversation.attached:
                    await self._news()
        except TimeoutError:
            self.stop_listening(position)
            text = "the server does not answer"
            raise self._failure or from_code(grpc.StatusCode.UNAVAILABLE, text) from None
        self._may_go_on(position)

    async def next_event(self, position: Position) -> pb.Event | None:
        """Waits for the next event; None at the end. Raises PicosipError."""
        while (event := position.next()) is None:
            if self._conversation.position is not position:
                self._may_go_on(position)
                return None
            await self._news()
        if self._conversation.handled(event):
            self._wake_writer()
        return event

    async def run(self, position: Position, handle: Handle) -> None:
        """Calls ``handle`` with each event as it is read, until nobody listens."""
        while (event := position.next()) is not None:
            handle(event)
        self._handle = handle
        try:
            while self._conversation.position is position:
                await self._news()
        finally:
            self._handle = None
        self._may_go_on(position)

    def stop_listening(self, position: Position) -> None:
        """Wants no events any more."""
        if self._conversation.position is position:
            self._want(None)

    def _may_go_on(self, position: Position) -> None:
        if self._told is not None and self._conversation.position is not position:
            raise self._told

    def _want(self, position: Position | None) -> None:
        """What is wanted of a stream is said when it is opened: another one is."""
        self._conversation.position = position
        self._conversation.attached = False
        self._tell_news()
        if self._closed:
            return
        self._replaced = True
        if self._stream is not None:
            self._stream.cancel()
        self._hurry.set()
        self._start()

    async def _news(self) -> None:
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._heard.add(waiter)
        try:
            await waiter
        finally:
            self._heard.discard(waiter)

    def _tell_news(self) -> None:
        for waiter in self._heard:
            if not waiter.done():
                waiter.set_result(None)

    # The stream.

    async def close(self) -> None:
        """Sends what there is to send, ends the stream, and fails what then has no result."""
        self._closed = True
        self._conversation.position = None
        self._hurry.set()
        self._tell_news()
        self._wake_writer()
        if self._task is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_SENDING):
                while self._conversation.commands.unsent:
                    await self._news()
        await asyncio.wait((self._task,), timeout=_LAST_WORDS)
        if self._stream is not None:
            self._stream.cancel()
        await asyncio.wait((self._task,))

    def _start(self) -> None:
        if self._task is None:
            self._task = self._loop.create_task(self._read_on(), name="picosip-control")

    def _wake_writer(self) -> None:
        if self._to_send is not None and not self._to_send.done():
            self._to_send.set_result(None)

    async def _read_on(self) -> None:
        try:
            await self._read_streams()
        finally:
            # However that came about, nobody is to wait for what will not come.
            self._closed = True
            self._conversation.position = None
            self._conversation.commands.drop_unsent()
            self._tell_news()
            self._conversation.commands.fail(_closed())

    async def _read_streams(self) -> None:
        conversation = self._conversation
        while not self._closed or conversation.wants_last_stream():
            self._hurry.clear()
            self._replaced = False
            stream = self._stream = self._open_stream()
            writing = self._loop.create_task(self._write(stream, conversation.opening()))
            try:
                failure = await self._read(stream)
            finally:
                self._stream = None
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
            if self._closed or self._replaced:
                continue
            self._failure = failure
            pause, told = conversation.lost(failure)
            self._told = self._told or told
            self._tell_news()
            if failure is not None and told is None:
                conversation.give_up(failure)
            _log.warning(
                "control stream lost, opened again in %.2f s: %s", pause, failure or "ended"
            )
            try:
                async with asyncio.timeout(pause):
                    await self._hurry.wait()
            except TimeoutError:
                continue

    async def _write(self, stream: _Stream, first: bytes) -> None:
        conversation = self._conversation
        wrote_at = float("-inf")
        message = first
        try:
            while True:
                await stream.write(message)
                wrote_at = time.monotonic()
                while not conversation.has_more:
                    if self._closed:
                        self._tell_news()
                        await stream.done_writing()
                        return
                    self._to_send = self._loop.create_future()
                    await self._to_send
                # The cost is per message: after one has gone out, commands gather for a moment.
                pause = wrote_at + LINGER - time.monotonic()
                if pause > 0 and not conversation.has_batch:
                    await asyncio.sleep(pause)
                message = conversation.next_message()
        except (grpc.RpcError, asyncio.InvalidStateError):
            # The reading task sees the same, and goes on from there.
            return

    async def _read(self, stream: _Stream) -> PicosipError | None:
        """Takes what comes until the stream ends; gives why it did, None where in order."""
        conversation = self._conversation
        try:
            while (response := await stream.read()) is not EOF:
                results, events = conversation.parts(response)
                if results:
                    conversation.commands.settle(results)
                if events is not None and not self._replaced:
                    self._hear(events)
        except grpc.RpcError as error:
            failure = from_rpc_error(error)
            failure.__cause__ = error
            return failure
        except asyncio.CancelledError:
            # Of the stream, or of this task itself.
            if self._replaced or self._closed:
                return None
            raise
        return None

    def _hear(self, events: pb.EventsResponse) -> None:
        conversation = self._conversation
        conversation.hear(events)
        position, handle = conversation.position, self._handle
        if position is None or handle is None:
            self._tell_news()
            return
        while conversation.position is position and (event := position.next()) is not None:
            if conversation.handled(event):
                self._wake_writer()
            try:
                handle(event)
            except Exception as error:
                self._told = error
                self._want(None)


class EventsOfControl(Events):
    """Those of a Control stream."""

    def __init__(self, talk: Talk, position: Position) -> None:
        super().__init__(position)
        self._talk = talk
        self._attached = False
        talk.listen(position)

    async def _ready(self) -> Self:
        if not self._attached:
            await self._talk.attached(self._position)
            self._attached = True
        return self

    async def __anext__(self) -> pb.Event:
        """Waits for the next event. Raises CursorExpired, or what else a new stream does not
        mend; loss of the connection is not such a thing."""
        await self._ready()
        event = await self._talk.next_event(self._position)
        if event is None:
            raise StopAsyncIteration
        return event

    async def run(self, handle: Handle) -> None:
        """Calls ``handle`` with each event until the stream is closed; raises as iterating does.

        It is called as the stream is read.
        """
        await self._ready()
        await self._talk.run(self._position, handle)

    def close(self) -> None:
        """Ends the events, and an iteration that waits in another task."""
        self._talk.stop_listening(self._position)


def _closed() -> PicosipError:
    return from_code(grpc.StatusCode.CANCELLED, "the client has been closed")
