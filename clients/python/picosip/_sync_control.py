"""The Control stream of the sync client: one thread reads it, gRPC's own writes it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Any

import grpc
from google.protobuf.message import Message

from picosip._commands import Done
from picosip._conversation import LINGER, Conversation
from picosip._position import Position
from picosip._sync_streams import Events, Stream
from picosip.errors import PicosipError, from_code, from_rpc_error
from picosip.v1 import event_service_pb2 as pb

_log = logging.getLogger("picosip")

OpenStream = Callable[[Iterator[bytes]], Stream[pb.ControlResponse]]
Handle = Callable[[pb.Event], None]
_SENDING = 5.0
"""Seconds for what is to be sent before the client is closed."""
_LAST_WORDS = 1.0
"""Seconds for the server to end the stream then."""


class _Link:
    """One stream."""

    def __init__(self, first: bytes) -> None:
        self.first = first
        self.stream: Stream[pb.ControlResponse] | None = None
        self.ended = False
        """Nothing more is to be sent on it."""
        self.replaced = False
        """Another one is wanted in its place, at once."""


class Talk:
    """A conversation that lasts, over one stream after another. For any thread.

    The lock is never held while something of the application's is called.
    """

    def __init__(
        self, open_stream: OpenStream, retry_for: float, keep_session: float | None
    ) -> None:
        self._open_stream = open_stream
        self._retry_for = retry_for
        self._conversation = Conversation(retry_for, keep_session)
        self._lock = threading.Lock()
        self._to_send = threading.Condition(self._lock)
        self._heard = threading.Condition(self._lock)
        self._hurry = threading.Event()
        self._link: _Link | None = None
        self._reader: threading.Thread | None = None
        self._closed = False
        self._handle: Handle | None = None
        """Gets the events in the thread that reads."""
        self._failure: PicosipError | None = None
        """Why the last stream ended."""
        self._told: BaseException | None = None
        """Why those who listen cannot go on."""

    # Commands.

    def submit(self, request: Message, done: Done, *, brief: bool = False) -> Callable[[], None]:
        """Has a command sent, with others if they come in time.

        ``done`` is called in the thread that reads. Gives what makes it forgotten.
        """
        conversation = self._conversation
        with self._lock:
            if self._closed:
                raise _closed()
            command = conversation.commands.add(request, done, brief=brief)
            self._start()
            self._to_send.notify()
        return lambda: conversation.commands.forget(command)

    def perform(self, request: Message, timeout: float | None) -> Any:
        """What the command gives. Raises PicosipError."""
        if threading.current_thread() is self._reader:
            raise RuntimeError("this would wait for its own thread: use submit or post here")
        outcomes: SimpleQueue[Any] = SimpleQueue()
        forget = self.submit(request, outcomes.put)
        try:
            outcome = outcomes.get(timeout=timeout)
        except Empty:
            forget()
            text = f"no result within {timeout} s"
            raise from_code(grpc.StatusCode.DEADLINE_EXCEEDED, text) from None
        if isinstance(outcome, PicosipError):
            raise outcome
        return outcome

    # Events.

    @property
    def listening(self) -> bool:
        """Whether somebody has the events."""
        return self._conversation.position is not None

    def listen(self, position: Position) -> None:
        """Begins with the events; returns once the server has the stream.

        Raises PicosipError.
        """
        give_up = time.monotonic() + self._retry_for
        with self._lock:
            if self._closed:
                raise _closed()
            self._told = self._failure = None
            self._want(position)
            while not self._conversation.attached and self._told is None and not self._closed:
                if not self._heard.wait(give_up - time.monotonic()):
                    self._want(None)
                    text = "the server does not answer"
                    raise self._failure or from_code(grpc.StatusCode.UNAVAILABLE, text)
            self._may_go_on()

    def next_event(self, position: Position) -> pb.Event | None:
        """Waits for the next event; None at the end. Raises PicosipError."""
        with self._lock:
            while (event := position.next()) is None:
                if self._conversation.position is not position:
                    self._may_go_on()
                    return None
                self._heard.wait()
            if self._conversation.handled(event):
                self._to_send.notify()
            return event

    def run(self, position: Position, handle: Handle) -> None:
        """Has the reading thread call ``handle`` with each event, until nobody listens."""
        while True:
            with self._lock:
                event = position.next()
                if event is None:
                    # From now on there is none in hand that would have to come first.
                    self._handle = handle
                    break
            handle(event)
        with self._lock:
            while self._conversation.position is position:
                self._heard.wait()
            self._handle = None
            self._may_go_on()

    def stop_listening(self, position: Position) -> None:
        """Wants no events any more."""
        with self._lock:
            if self._conversation.position is position:
                self._want(None)

    def _may_go_on(self) -> None:
        if self._told is not None:
            raise self._told

    def _want(self, position: Position | None) -> None:
        """What is wanted of a stream is said when it is opened: another one is."""
        self._conversation.position = position
        self._conversation.attached = False
        self._heard.notify_all()
        if self._closed:
            return
        link = self._link
        if link is not None:
            link.replaced = True
            self._end(link)
            if link.stream is not None:
                link.stream.cancel()
        self._hurry.set()
        self._start()

    # The stream.

    def close(self) -> None:
        """Sends what there is to send, ends the stream, and fails what then has no result."""
        with self._lock:
            self._closed = True
            self._conversation.position = None
            self._hurry.set()
            self._to_send.notify_all()
            self._heard.notify_all()
            reader = self._reader
            if reader is None or reader is threading.current_thread():
                return
            commands = self._conversation.commands
            self._heard.wait_for(lambda: commands.unsent == 0, _SENDING)
        reader.join(_LAST_WORDS)
        with self._lock:
            link = self._link
            if link is not None:
                link.replaced = True
                if link.stream is not None:
                    link.stream.cancel()
        reader.join()

    def _start(self) -> None:
        if self._reader is None:
            self._reader = threading.Thread(
                target=self._read_on, name="picosip-control", daemon=True
            )
            self._reader.start()

    def _end(self, link: _Link) -> None:
        link.ended = True
        self._to_send.notify_all()

    def _read_on(self) -> None:
        try:
            self._read_streams()
        finally:
            # However that came about, nobody is to wait for what will not come.
            with self._lock:
                self._closed = True
                self._conversation.position = None
                self._conversation.commands.drop_unsent()
                self._heard.notify_all()
            self._conversation.commands.fail(_closed())

    def _read_streams(self) -> None:
        conversation = self._conversation
        while (link := self._connect()) is not None:
            failure = self._read(link)
            with self._lock:
                self._end(link)
                if self._closed or link.replaced:
                    continue
                self._failure = failure
                pause, told = conversation.lost(failure)
                self._told = self._told or told
                self._heard.notify_all()
            if failure is not None and told is None:
                conversation.give_up(failure)
            _log.warning(
                "control stream lost, opened again in %.2f s: %s", pause, failure or "ended"
            )
            self._hurry.wait(pause)

    def _connect(self) -> _Link | None:
        with self._lock:
            if self._closed and not self._conversation.wants_last_stream():
                return None
            self._hurry.clear()
            link = self._link = _Link(self._conversation.opening())
        stream = self._open_stream(self._messages(link))
        with self._lock:
            link.stream = stream
            if link.replaced:
                stream.cancel()
        return link

    def _messages(self, link: _Link) -> Iterator[bytes]:
        """What is sent on a stream; run by a thread of gRPC's."""
        yield link.first
        conversation = self._conversation
        wrote_at = float("-inf")
        while True:
            message = None
            with self._lock:
                while not (link.ended or conversation.has_more):
                    if self._closed:
                        self._heard.notify_all()
                        return
                    self._to_send.wait()
                if link.ended:
                    return
                pause = wrote_at + LINGER - time.monotonic()
                if pause <= 0 or conversation.has_batch:
                    message = conversation.next_message()
            if message is None:
                # The cost is per message: after one has gone out, commands gather for a moment.
                time.sleep(pause)
            else:
                wrote_at = time.monotonic()
                yield message

    def _read(self, link: _Link) -> PicosipError | None:
        """Takes what comes until the stream ends; gives why it did, None where in order."""
        conversation, stream = self._conversation, link.stream
        assert stream is not None
        try:
            while True:
                results, events = conversation.parts(next(stream))
                if results:
                    conversation.commands.settle(results)
                if events is not None:
                    self._hear(link, events)
        except StopIteration:
            return None
        except grpc.RpcError as error:
            failure = from_rpc_error(error)
            failure.__cause__ = error
            return failure

    def _hear(self, link: _Link, events: pb.EventsResponse) -> None:
        conversation = self._conversation
        with self._lock:
            if link.replaced:
                # They are not those that are wanted now.
                return
            conversation.hear(events)
            position, handle = conversation.position, self._handle
            if position is None or handle is None:
                self._heard.notify_all()
                return
        while conversation.position is position and (event := position.next()) is not None:
            if conversation.handled(event):
                with self._lock:
                    self._to_send.notify()
            try:
                handle(event)
            except BaseException as error:
                with self._lock:
                    self._told = error
                    self._want(None)


class EventsOfControl(Events):
    """Those of a Control stream."""

    def __init__(self, talk: Talk, position: Position) -> None:
        super().__init__(position)
        self._talk = talk
        talk.listen(position)

    def __next__(self) -> pb.Event:
        """Waits for the next event. Raises CursorExpired, or what else a new stream does not
        mend; loss of the connection is not such a thing."""
        event = self._talk.next_event(self._position)
        if event is None:
            raise StopIteration
        return event

    def run(self, handle: Handle) -> None:
        """Calls ``handle`` with each event until the stream is closed; raises as iterating does.

        It is called in the thread that reads the stream, and must not wait for a command.
        """
        self._talk.run(self._position, handle)

    def close(self) -> None:
        """Ends the events, and an iteration that waits in another thread."""
        self._talk.stop_listening(self._position)


def _closed() -> PicosipError:
    return from_code(grpc.StatusCode.CANCELLED, "the client has been closed")
