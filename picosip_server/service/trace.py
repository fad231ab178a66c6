"""Trace streams: SIP messages as they pass the transports, never in signalling's way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable

from picosip.v1 import admin_service_pb2 as pb
from picosip_server.service import errors, masking
from picosip_server.service.clock import Clock
from picosip_server.service.convert import values
from picosip_server.service.errors import ApiError
from picosip_server.service.filters import Resources
from picosip_server.sip.errors import ParseError
from picosip_server.sip.message import Message, Request
from picosip_server.sip.ua.outputs import Traced

_QUEUED = 10_000
"""Messages that wait for a reader; more are dropped."""
_BATCH_RECORDS = 64
_BATCH_OCTETS = 1 << 20
_LINGER = 0.02
"""Seconds in which records gather for one response."""


class _Stream:
    """One open Trace RPC."""

    def __init__(self, request: pb.TraceRequest, most: int) -> None:
        self._most = most
        self.include_raw = request.include_raw
        self.queue: deque[Traced] = deque()
        self.dropped = 0
        self.ending: ApiError | None = None
        self._resources = Resources(request.resources)
        self._methods = frozenset(request.methods)
        self._more = asyncio.Event()

    def offer(self, traced: Traced) -> None:
        if not self._resources.match(traced.resource):
            return
        if self._methods and _method(traced.message) not in self._methods:
            return
        if len(self.queue) >= self._most:
            self.dropped += 1
        else:
            self.queue.append(traced)
        self._more.set()

    def end(self, error: ApiError) -> None:
        self.ending = error
        self._more.set()

    async def more(self) -> None:
        """Returns when there is something to say."""
        await self._more.wait()
        self._more.clear()


class Tracer:
    """All open traces; the engine traces only while there is one."""

    def __init__(
        self,
        most: int,
        clock: Clock,
        set_tracing: Callable[[bool], None],
        *,
        queued: int = _QUEUED,
    ) -> None:
        self._most = most
        self._queued = queued
        self._clock = clock
        self._set_tracing = set_tracing
        self._open: set[_Stream] = set()
        self._ended: ApiError | None = None

    def offer(self, traced: Traced) -> None:
        """Hands a message to the traces that want it; what they cannot hold is counted."""
        for stream in self._open:
            stream.offer(traced)

    def end_all(self, error: ApiError) -> None:
        """Ends every trace, and every later one, with ``error``."""
        self._ended = error
        for stream in self._open:
            stream.end(error)

    async def run(self, request: pb.TraceRequest) -> AsyncGenerator[pb.TraceResponse, None]:
        """Responses with the messages that match; the first one is empty and comes at once,
        when the trace has begun. Raises ApiError."""
        if self._ended is not None:
            raise self._ended
        if len(self._open) >= self._most:
            raise errors.exhausted(f"there are {self._most} traces", "trace_streams")
        stream = _Stream(request, self._queued)
        self._open.add(stream)
        if len(self._open) == 1:
            self._set_tracing(True)
        try:
            yield pb.TraceResponse()
            while True:
                while stream.queue or stream.dropped:
                    yield self._response(stream)
                if stream.ending is not None:
                    raise stream.ending
                await stream.more()
                await asyncio.sleep(_LINGER)
        finally:
            self._open.remove(stream)
            if not self._open:
                self._set_tracing(False)

    def _response(self, stream: _Stream) -> pb.TraceResponse:
        response = pb.TraceResponse(dropped=stream.dropped)
        stream.dropped = 0
        octets = 0
        while stream.queue and len(response.records) < _BATCH_RECORDS and octets < _BATCH_OCTETS:
            traced = stream.queue.popleft()
            octets += 2 * len(traced.raw)
            response.records.append(self._record(traced, include_raw=stream.include_raw))
        return response

    def _record(self, traced: Traced, *, include_raw: bool) -> pb.TraceRecord:
        message = values.message(traced.message)
        message.local.CopyFrom(values.endpoint(traced.transport, *traced.local))
        message.remote.CopyFrom(values.endpoint(traced.transport, *traced.remote))
        if include_raw:
            message.raw = masking.raw(traced.raw)
        sent, received = pb.TraceRecord.DIRECTION_SENT, pb.TraceRecord.DIRECTION_RECEIVED
        return pb.TraceRecord(
            time=self._clock.timestamp(traced.at),
            direction=sent if traced.sent else received,
            resource=traced.resource,
            message=message,
            retransmission=traced.retransmission,
        )


def _method(message: Message) -> str:
    if isinstance(message, Request):
        return message.method
    try:
        return message.cseq.method
    except ParseError:
        # A response of no method that could be asked for.
        return ""
