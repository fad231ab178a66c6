"""EventService: the event log as streams, and streams with commands beside the events."""

from __future__ import annotations

from typing import Any

import grpc

from picosip.v1 import event_service_pb2 as pb
from picosip_server.service.attaching import attach
from picosip_server.service.backend import Backend
from picosip_server.service.control import ControlStream
from picosip_server.service.validate import Check

SERVICE_NAME = "picosip.v1.EventService"

Context = grpc.aio.ServicerContext[Any, Any]


class EventService:
    """Registered by hand, not by the generated code: its responses are encoded already."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def Events(self, request: pb.EventsRequest, context: Context) -> None:
        """Events from a cursor on, until the client or the server ends the stream."""
        stream, first = await attach(self._backend, Check(), request)
        try:
            await stream.run(context.write, first)
        finally:
            self._backend.streams.remove(stream)

    async def Control(self, requests: object, context: Context) -> None:
        """Commands and events, until the client or the server ends the stream."""
        await ControlStream(self._backend, context.read, context.write).serve()

    def handler(self) -> grpc.GenericRpcHandler:
        """What the server registers; the octets of responses go out as they are."""
        return grpc.method_handlers_generic_handler(
            SERVICE_NAME,
            {
                "Events": grpc.unary_stream_rpc_method_handler(
                    self.Events,
                    request_deserializer=pb.EventsRequest.FromString,
                    response_serializer=None,
                ),
                "Control": grpc.stream_stream_rpc_method_handler(
                    self.Control,
                    request_deserializer=pb.ControlRequest.FromString,
                    response_serializer=None,
                ),
            },
        )
