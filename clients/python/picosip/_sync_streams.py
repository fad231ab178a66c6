"""The streams of the sync client."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

import grpc

from picosip._position import Position
from picosip.errors import PicosipError, from_rpc_error
from picosip.v1 import admin_service_pb2 as admin_pb, event_service_pb2 as event_pb

_log = logging.getLogger("picosip")

Item = TypeVar("Item", covariant=True)
Response = TypeVar("Response", covariant=True)


class Stream(Protocol[Response]):
    """The call object of a server-streaming RPC."""

    def __next__(self) -> Response: ...
    def cancel(self) -> bool: ...


class Closable(Generic[Item]):
    """An iterator that ends when it is closed, by any thread; a context manager that closes."""

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        raise NotImplementedError

    def close(self) -> None:
        """Ends the stream, and an iteration that waits in another thread."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Events(Closable[event_pb.Event]):
    """The events of ``Client.events``, one by one. To be iterated by one thread."""

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

    def run(self, handle: Callable[[event_pb.Event], None]) -> None:
        """Calls ``handle`` with each event until the stream is closed; raises as iterating does."""
        for event in self:
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
        self._stream: Stream[event_pb.EventsResponse] | None = None
        self._closed = threading.Event()
        give_up = time.monotonic() + retry_for
        # The first response says that the server has this stream: what happens from now on is
        # told to it.
        while not self._receive(give_up):
            pass

    def __next__(self) -> event_pb.Event:
        """Waits for the next event. Raises CursorExpired, or what else a new stream does not
        mend; loss of the connection is not such a thing."""
        while True:
            event = self._position.next()
            if event is not None:
                return event
            if self._closed.is_set():
                raise StopIteration
            self._receive()

    def _receive(self, give_up: float | None = None) -> bool:
        """Takes one response; False if there was none but a pause before the next attempt."""
        try:
            if self._stream is None:
                self._stream = self._open_stream(self._position.request())
                if self._closed.is_set():
                    self._stream.cancel()
            self._position.accept(next(self._stream))
            return True
        except StopIteration:
            self._pause(None, give_up)
        except grpc.RpcError as error:
            if not self._closed.is_set():
                failure = from_rpc_error(error)
                failure.__cause__ = error
                self._pause(failure, give_up)
        return False

    def _pause(self, failure: PicosipError | None, give_up: float | None) -> None:
        self._stream = None
        pause = self._position.lost(failure)
        if give_up is not None and failure is not None and time.monotonic() + pause > give_up:
            raise failure
        _log.warning("events stream lost, opened again in %.2f s: %s", pause, failure or "ended")
        self._closed.wait(pause)

    def close(self) -> None:
        """Ends the stream, and an iteration that waits in another thread."""
        self._closed.set()
        stream = self._stream
        if stream is not None:
            stream.cancel()


class Trace(Closable[admin_pb.TraceRecord]):
    """The SIP messages of ``Client.trace``, one by one. A broken stream is not resumed."""

    def __init__(self, stream: Stream[admin_pb.TraceResponse]) -> None:
        self._stream = stream
        self._records: deque[admin_pb.TraceRecord] = deque()
        self._closed = False
        self.dropped = 0
        """How many messages the server left out because this reader was too slow."""
        # The first response says that the trace has begun.
        self._receive()

    def __next__(self) -> admin_pb.TraceRecord:
        """Waits for the next message. Raises PicosipError when the stream breaks."""
        while not self._records:
            if not self._receive():
                raise StopIteration
        return self._records.popleft()

    def _receive(self) -> bool:
        """Takes one response; False at the end."""
        try:
            response = next(self._stream)
        except StopIteration:
            return False
        except grpc.RpcError as error:
            if self._closed:
                return False
            raise from_rpc_error(error) from error
        self._records.extend(response.records)
        self.dropped += response.dropped
        return True

    def close(self) -> None:
        """Ends the stream, and an iteration that waits in another thread."""
        self._closed = True
        self._stream.cancel()
