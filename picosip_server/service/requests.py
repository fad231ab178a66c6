"""RequestService: single requests, sent and answered."""

from __future__ import annotations

from types import NoneType
from typing import NoReturn

from picosip.v1 import request_service_pb2 as pb, request_service_pb2_grpc as pb_grpc
from picosip_server.service import errors
from picosip_server.service.backend import Backend
from picosip_server.service.convert import commands, values
from picosip_server.sip.message import Response


class RequestService(pb_grpc.RequestServiceServicer):
    """Each RPC checks its request and hands it to the engine."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def Ping(self, request: pb.PingRequest, context: object) -> pb.PingResponse:
        """OPTIONS; any final response is a success, since somebody answered."""
        response = await self._backend.perform(commands.ping(request), Response)
        return pb.PingResponse(response=values.message(response))

    async def Respond(self, request: pb.RespondRequest, context: object) -> pb.RespondResponse:
        """The final response to an IncomingRequest."""
        make = commands.respond(request, host=self._backend.host)
        await self._backend.once(
            "Respond",
            request.request_id,
            request,
            lambda: self._backend.perform(make, NoneType),
        )
        return pb.RespondResponse()

    async def SendMessage(self, request: pb.SendMessageRequest, context: object) -> NoReturn:
        """Not there yet."""
        raise errors.unimplemented("RequestService.SendMessage")

    async def Transact(self, request: pb.TransactRequest, context: object) -> NoReturn:
        """Not there yet."""
        raise errors.unimplemented("RequestService.Transact")
