"""The client for asyncio, with the methods of ``picosip.Client``."""

from __future__ import annotations

import asyncio
import copy
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Concatenate, Self

import grpc
from google.protobuf.message import Message

from picosip import (
    _admin,
    _calls,
    _channel,
    _loads,
    _registrations,
    _requests,
    _subscriptions,
)
from picosip._aio_control import EventsOfControl, Talk
from picosip._aio_load import Load
from picosip._aio_streams import Closable, Events, EventsOfRpc, Trace
from picosip._commands import KINDS, Done, ignore
from picosip._position import Position
from picosip._retry import Attempts
from picosip._rpc import P, Request, Response, Result, Rpc, describe, turn_page
from picosip.errors import from_rpc_error
from picosip.v1 import (
    admin_service_pb2 as admin_pb,
    event_service_pb2 as event_pb,
    load_service_pb2 as load_pb,
)

__all__ = ["Client", "Control", "Events", "Trace"]


def _method(
    rpc: Rpc[P, Request, Response, Result],
) -> Callable[Concatenate[Client, P], Coroutine[Any, Any, Result]]:
    async def method(client: Client, /, *args: P.args, **kwargs: P.kwargs) -> Result:
        return await client._perform(rpc, rpc.request(*args, **kwargs))

    describe(method, rpc)
    return method


def _pages(
    rpc: Rpc[P, Request, Response, Iterable[Result]],
) -> Callable[Concatenate[Client, P], AsyncIterator[Result]]:
    async def method(client: Client, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[Result]:
        request = rpc.request(*args, **kwargs)
        more = True
        while more:
            response = await client._call(rpc, request)
            more = turn_page(request, response)
            for one in rpc.take(response):
                yield one

    describe(method, rpc)
    return method


class Client:
    """A connection to a picoSIP server, for one event loop. To be made while that runs.

    Each mutation carries a ``request_id`` made for it and is sent again with the same one while
    the server cannot be reached, so that it happens once. Failures are raised as the errors of
    ``picosip.errors``. Cancelling a method undoes nothing on the server. A context manager:
    leaving it closes the connection, and nothing else; calls and registrations live on.
    """

    def __init__(
        self,
        target: str = _channel.TARGET,
        *,
        tls: grpc.ChannelCredentials | bool = False,
        metadata: Sequence[tuple[str, str]] = (),
        timeout: float | None = _channel.TIMEOUT,
        retry_for: float = _channel.RETRY_FOR,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        """Connects when first used.

        ``target`` is HOST:PORT, ``unix:PATH`` or any other name that gRPC knows. ``tls`` True:
        checked against the roots that gRPC brings; see ``tls_from_files``. ``metadata`` goes with
        every RPC, such as an authorization. ``timeout``: deadline of each RPC in seconds,
        attempts included, None for none. ``retry_for``: how long, in seconds, to try while the
        server cannot be reached. ``options``: gRPC channel arguments.
        """
        channel_options = [*_channel.OPTIONS, *options]
        if tls is False:
            self._channel = grpc.aio.insecure_channel(target, channel_options)
        else:
            secret = grpc.ssl_channel_credentials() if tls is True else tls
            self._channel = grpc.aio.secure_channel(target, secret, channel_options)
        self._metadata = tuple(metadata)
        self._timeout = timeout
        self._retry_for = retry_for
        self._streams: weakref.WeakSet[Closable[Any]] = weakref.WeakSet()

    def with_timeout(self, timeout: float | None) -> Self:
        """This client, on the same connection, with another deadline (seconds; None for none)."""
        other = copy.copy(self)
        other._timeout = timeout
        return other

    register = _method(_registrations.register)
    unregister = _method(_registrations.unregister)
    get_registration = _method(_registrations.get_registration)
    list_registrations = _pages(_registrations.list_registrations)

    invite = _method(_calls.invite)
    progress = _method(_calls.progress)
    answer = _method(_calls.answer)
    reject = _method(_calls.reject)
    redirect = _method(_calls.redirect)
    hangup = _method(_calls.hangup)
    send_dtmf = _method(_calls.send_dtmf)
    modify = _method(_calls.modify)
    hold = _method(_calls.hold)
    resume = _method(_calls.resume)
    transfer = _method(_calls.transfer)
    get_call = _method(_calls.get_call)
    list_calls = _pages(_calls.list_calls)

    ping = _method(_requests.ping)
    send_message = _method(_requests.send_message)
    transact = _method(_requests.transact)
    respond = _method(_requests.respond)

    subscribe = _method(_subscriptions.subscribe)
    unsubscribe = _method(_subscriptions.unsubscribe)
    accept_subscription = _method(_subscriptions.accept_subscription)
    reject_subscription = _method(_subscriptions.reject_subscription)
    notify = _method(_subscriptions.notify)
    publish = _method(_subscriptions.publish)
    republish = _method(_subscriptions.republish)
    unpublish = _method(_subscriptions.unpublish)

    server_info = _method(_admin.server_info)
    stats = _method(_admin.stats)
    drain = _method(_admin.drain)

    stop_load = _method(_loads.stop_load)
    list_loads = _method(_loads.list_loads)

    def events(
        self,
        *,
        resources: Iterable[str] = (),
        labels: Mapping[str, str] | None = None,
        include_messages: bool = False,
        observer: bool = False,
        handle_methods: Iterable[str] = (),
        after: event_pb.Cursor | None = None,
        include_snapshot: bool = False,
        snapshot_on_loss: bool = False,
        progress_interval: float = 10.0,
    ) -> Events:
        """Events as they happen, from now or from ``after`` on, as an iterator that lasts.

        Use it as ``async with client.events() as events`` or ``events = await client.events()``:
        both go on once the server has the stream, so that nothing that happens later is missed.
        When the connection is lost it is made again, as often as it takes, and the iterator goes
        on after the last event: none is missed, none comes twice. Its ``cursor`` can be stored
        and given as ``after`` when the application starts again.

        ``resources``: names or prefixes, such as ``calls/``. ``labels``: only what carries all of
        these. ``include_messages``: with the SIP message that caused each event. ``observer``:
        only watch; incoming calls and requests do not wait for this stream. ``handle_methods``:
        out-of-dialog requests of these methods come as IncomingRequest, ``*`` for all.
        ``include_snapshot``: first the live resources, as ResourceSnapshot events.
        ``progress_interval``: seconds after which an idle stream moves its cursor on.

        Iterating raises CursorExpired where the log no longer has what comes after the cursor;
        with ``snapshot_on_loss`` it goes on with a snapshot instead and counts ``losses``.
        Raises Unavailable if the server cannot be reached at the start.
        """
        position = Position(
            resources=resources,
            labels=labels,
            include_messages=include_messages,
            observer=observer,
            handle_methods=handle_methods,
            after=after,
            include_snapshot=include_snapshot,
            snapshot_on_loss=snapshot_on_loss,
            progress_interval=progress_interval,
        )
        return self._open_events(position)

    def trace(
        self,
        *,
        resources: Iterable[str] = (),
        methods: Iterable[str] = (),
        include_raw: bool = False,
    ) -> Trace:
        """SIP messages as they pass the server's transports from now on, credentials masked.

        ``resources``: names or prefixes; ``methods``: only these; ``include_raw``: with the exact
        octets. Use it as ``async with client.trace() as trace``, or await it: both go on once
        the trace has begun.
        """
        call = self._channel.unary_stream(
            _channel.TRACE,
            request_serializer=admin_pb.TraceRequest.SerializeToString,
            response_deserializer=admin_pb.TraceResponse.FromString,
        )
        request = admin_pb.TraceRequest(
            resources=resources, methods=methods, include_raw=include_raw
        )
        trace = Trace(call(request, metadata=self._metadata))
        self._streams.add(trace)
        return trace

    def run_load(
        self,
        script: _loads.Script,
        *,
        rate: _loads.RateLike | None = None,
        count: int = 0,
        duration: float | None = None,
        max_concurrent: int = 0,
        poisson: bool = False,
        table: load_pb.LoadTable | None = None,
        progress_interval: float = 1.0,
        detached: bool = False,
        seed: int = 0,
        publish_events: bool = False,
        request_id: str = "",
    ) -> Load:
        """Has the server make a load by itself, and reports on it; see ``picosip.call_script``.

        ``rate``: how many begin in a second, or ``ramp`` or ``steps``; ``poisson``: at random.
        ``count`` in all, or for ``duration`` seconds, whichever comes first; neither: until it
        is stopped. ``max_concurrent``: no more at once. ``table``: values for placeholders.
        ``progress_interval``: seconds between reports. ``detached``: goes on when the stream is
        closed. ``seed``: makes the random choices the same ones again. ``publish_events``: its
        calls are told to applications, as others are. An answer_script takes only ``duration``
        of the first six.

        Use it as ``async with client.run_load(...) as load``, or await it: both go on once the
        load runs. Raises InvalidArgument, and PicosipError PERMISSION_DENIED for
        a target that the server's settings do not allow.
        """
        request = _loads.run_request(
            script,
            rate=rate,
            count=count,
            seconds=duration,
            max_concurrent=max_concurrent,
            poisson=poisson,
            table=table,
            progress_interval=progress_interval,
            detached=detached,
            seed=seed,
            publish_events=publish_events,
            request_id=request_id,
        )
        load = Load.begin(self._channel, request, self._metadata)
        self._streams.add(load)
        return load

    async def close(self) -> None:
        """Ends all streams and closes the connection."""
        for stream in tuple(self._streams):
            stream.close()
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _open_events(self, position: Position) -> Events:
        call = self._channel.unary_stream(
            _channel.EVENTS,
            request_serializer=event_pb.EventsRequest.SerializeToString,
            response_deserializer=event_pb.EventsResponse.FromString,
        )
        events = EventsOfRpc(
            lambda request: call(request, metadata=self._metadata), position, self._retry_for
        )
        self._streams.add(events)
        return events

    async def _perform(self, rpc: Rpc[..., Any, Any, Result], request: Message) -> Result:
        return rpc.take(await self._call(rpc, request))

    async def _call(self, rpc: Rpc[..., Any, Response, Any], request: Message) -> Response:
        call = self._channel.unary_unary(
            rpc.path,
            request_serializer=type(request).SerializeToString,
            response_deserializer=rpc.response.FromString,
        )
        attempts = Attempts(self._timeout, self._retry_for)
        while True:
            try:
                return await call(request, timeout=attempts.left(), metadata=self._metadata)
            except grpc.RpcError as error:
                failure = from_rpc_error(error)
                pause = attempts.pause_after(failure)
                if pause is None:
                    raise failure from error
            await asyncio.sleep(pause)


class Control(Client):
    """A ``Client`` whose commands and events share one stream, in batches.

    Its methods are those of ``Client``; what is called at about the same time goes out in one
    message, and so do results and events. When the stream is lost it is opened again, and
    nothing is lost or done twice. Of the events of one ``events()`` at a time; further ones have
    a stream of their own, as have ``trace``, ``server_info``, ``stats`` and ``drain``.

    Besides, ``submit`` and ``post`` have something done without a task that waits for it.
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
        self._talk = Talk(lambda: call(metadata=self._metadata), retry_for, keep_session)

    def submit(self, request: Message, *, brief: bool = False) -> asyncio.Future[Any]:
        """Has a request done, and gives at once what the method for it will return.

        ``request`` is a message of the API, such as ``HangupRequest``, and may be used again.
        ``brief``: only the name of the resource comes back, which costs much less.
        """
        return self._talk.future(request, brief=brief)

    def post(self, request: Message, done: Done | None = None, *, brief: bool = True) -> None:
        """Has a request done; the cheapest way.

        ``done``, where there is one, is called with what the method for it would return or the
        ``PicosipError`` that it would raise.
        """
        self._talk.submit(request, done or ignore, brief=brief)

    async def close(self) -> None:
        """Ends all streams, once what was handed over before has been sent, and closes the
        connection. What has no result by then fails with CANCELLED."""
        await self._talk.close()
        await super().close()

    def _open_events(self, position: Position) -> Events:
        if self._talk.listening:
            return super()._open_events(position)
        return EventsOfControl(self._talk, position)

    async def _perform(self, rpc: Rpc[..., Any, Any, Result], request: Message) -> Result:
        if type(request) not in KINDS:
            return await super()._perform(rpc, request)
        result: Result = await self._talk.perform(request, self._timeout)
        return result

    async def _call(self, rpc: Rpc[..., Any, Response, Any], request: Message) -> Response:
        if type(request) not in KINDS:
            return await super()._call(rpc, request)
        # A page of a listing is what comes back.
        response: Response = await self._talk.perform(request, self._timeout)
        return response
