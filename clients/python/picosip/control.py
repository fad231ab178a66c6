"""The client for threads on a Control stream: ``Client``, for those who do very much."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import grpc
from google.protobuf.message import Message

from picosip import _channel
from picosip._commands import KINDS, Done, ignore
from picosip._position import Position
from picosip._rpc import Response, Result, Rpc
from picosip._sync_control import EventsOfControl, Talk
from picosip._sync_streams import Events
from picosip.client import Client
from picosip.errors import PicosipError
from picosip.v1 import event_service_pb2 as event_pb

__all__ = ["Control"]


class Control(Client):
    """A ``Client`` whose commands and events share one stream, in batches.

    Its methods are those of ``Client``, and may be called from any thread; what is called at
    about the same time goes out in one message, and so do results and events. When the stream is
    lost it is opened again, and nothing is lost or done twice. Of the events of one ``events()``
    at a time; further ones have a stream of their own, as have ``trace``, ``server_info``,
    ``stats`` and ``drain``.

    Besides, ``submit`` and ``post`` have something done without waiting for it.
    """

    def __init__(
        self,
        target: str = _channel.TARGET,
        *,
        tls: grpc.ChannelCredentials | bool = False,
        metadata: Sequence[tuple[str, str]] = (),
        timeout: float | None = _channel.TIMEOUT,
        retry_for: float = _channel.RETRY_FOR,
        keep_session: float | None = None,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        """As that of ``Client``. ``retry_for``: how long, in seconds, a command waits for a
        stream to be sent on before it fails. ``keep_session``: how long, in seconds, the server
        leaves calls with ``hangup_on_disconnect`` alone after the stream was lost; None leaves
        it to the server (30 s)."""
        super().__init__(
            target,
            tls=tls,
            metadata=metadata,
            timeout=timeout,
            retry_for=retry_for,
            options=options,
        )
        call: Any = self._channel.stream_stream(
            _channel.CONTROL,
            request_serializer=None,
            response_deserializer=event_pb.ControlResponse.FromString,
        )
        self._talk = Talk(
            lambda messages: call(messages, metadata=self._metadata), retry_for, keep_session
        )

    def submit(self, request: Message, *, brief: bool = False) -> Future[Any]:
        """Has a request done, and gives at once what the method for it will return.

        ``request`` is a message of the API, such as ``HangupRequest``, and may be used again.
        ``brief``: only the name of the resource comes back, which costs much less.
        """
        future: Future[Any] = Future()

        def done(outcome: Any) -> None:
            if not future.set_running_or_notify_cancel():
                return
            if isinstance(outcome, PicosipError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self._talk.submit(request, done, brief=brief)
        return future

    def post(self, request: Message, done: Done | None = None, *, brief: bool = True) -> None:
        """Has a request done; the cheapest way.

        ``done``, where there is one, is called with what the method for it would return or the
        ``PicosipError`` that it would raise, in the thread that reads the stream: it must not
        wait for anything.
        """
        self._talk.submit(request, done or ignore, brief=brief)

    def close(self) -> None:
        """Ends all streams, once what was handed over before has been sent, and closes the
        connection. What has no result by then fails with CANCELLED."""
        self._talk.close()
        super().close()

    def _open_events(self, position: Position) -> Events:
        if self._talk.listening:
            return super()._open_events(position)
        return EventsOfControl(self._talk, position)

    def _perform(self, rpc: Rpc[..., Any, Any, Result], request: Message) -> Result:
        if type(request) not in KINDS:
            return super()._perform(rpc, request)
        result: Result = self._talk.perform(request, self._timeout)
        return result

    def _call(self, rpc: Rpc[..., Any, Response, Any], request: Message) -> Response:
        if type(request) not in KINDS:
            return super()._call(rpc, request)
        # A page of a listing is what comes back.
        response: Response = self._talk.perform(request, self._timeout)
        return response
