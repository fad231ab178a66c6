"""RequestService: single requests, sent and answered."""

from __future__ import annotations

from types import NoneType

from picosip.v1 import request_service_pb2 as pb, request_service_pb2_grpc as pb_grpc
from picosip_server.service import errors
from picosip_server.service.backend import Backend
from picosip_server.service.convert import commands, requests, values
from picosip_server.sip.message import Response
from picosip_server.sip.ua.failures import refused


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

    async def SendMessage(
        self, request: pb.SendMessageRequest, context: object
    ) -> pb.SendMessageResponse:
        """MESSAGE; what is not taken with a 2xx is an error."""
        make = requests.send_message(request)
        response = await self._backend.once(
            "SendMessage",
            request.request_id,
            request,
            lambda: self._backend.perform(make, Response),
        )
        if response.status >= 300:
            raise errors.from_failure(refused(response, "MESSAGE"))
        return pb.SendMessageResponse(status=values.status(response.status, response.reason))

    async def Transact(self, request: pb.TransactRequest, context: object) -> pb.TransactResponse:
        """Any method; any final response is a success, since the application asked for it."""
        make = requests.transact(request)
        response = await self._backend.once(
            "Transact",
            request.request_id,
            request,
            lambda: self._backend.perform(make, Response),
        )
        return pb.TransactResponse(response=values.message(response))
