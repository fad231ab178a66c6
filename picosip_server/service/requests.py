"""RequestService: single requests, sent and answered."""

from __future__ import annotations

from types import NoneType

from picosip.v1 import request_service_pb2 as pb, request_service_pb2_grpc as pb_grpc
from picosip.v1.event_service_pb2 import CommandResult, Done
from picosip.v1.sip_pb2 import SipMessage
from picosip_server.service import errors
from picosip_server.service.backend import Backend
from picosip_server.service.clock import Clock
from picosip_server.service.convert import commands, requests, values
from picosip_server.service.operations import Operation, describing, plain, run
from picosip_server.sip.message import Response
from picosip_server.sip.ua.failures import refused

PING: Operation[pb.PingRequest, Response, pb.PingResponse] = Operation(
    path="/picosip.v1.RequestService/Ping",
    prepare=plain(commands.ping),
    value=Response,
    respond=lambda response, clock: pb.PingResponse(response=values.message(response)),
    result=lambda response: CommandResult(response=response.response),
    repeatable=False,
)
RESPOND: Operation[pb.RespondRequest, None, pb.RespondResponse] = Operation(
    path="/picosip.v1.RequestService/Respond",
    prepare=describing(commands.respond),
    value=NoneType,
    respond=lambda value, clock: pb.RespondResponse(),
    result=lambda response: CommandResult(done=Done()),
)


def _taken(response: Response, clock: Clock) -> pb.SendMessageResponse:
    if response.status >= 300:
        raise errors.from_failure(refused(response, "MESSAGE"))
    return pb.SendMessageResponse(status=values.status(response.status, response.reason))


SEND_MESSAGE: Operation[pb.SendMessageRequest, Response, pb.SendMessageResponse] = Operation(
    path="/picosip.v1.RequestService/SendMessage",
    prepare=plain(requests.send_message),
    value=Response,
    respond=_taken,
    result=lambda response: CommandResult(response=SipMessage(status=response.status)),
)
TRANSACT: Operation[pb.TransactRequest, Response, pb.TransactResponse] = Operation(
    path="/picosip.v1.RequestService/Transact",
    prepare=plain(requests.transact),
    value=Response,
    respond=lambda response, clock: pb.TransactResponse(response=values.message(response)),
    result=lambda response: CommandResult(response=response.response),
)


class RequestService(pb_grpc.RequestServiceServicer):
    """Each RPC checks its request and hands it to the engine."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def Ping(self, request: pb.PingRequest, context: object) -> pb.PingResponse:
        """OPTIONS; any final response is a success, since somebody answered."""
        return await run(self._backend, PING, request)

    async def Respond(self, request: pb.RespondRequest, context: object) -> pb.RespondResponse:
        """The final response to an IncomingRequest."""
        return await run(self._backend, RESPOND, request)

    async def SendMessage(
        self, request: pb.SendMessageRequest, context: object
    ) -> pb.SendMessageResponse:
        """MESSAGE; what is not taken with a 2xx is an error."""
        return await run(self._backend, SEND_MESSAGE, request)

    async def Transact(self, request: pb.TransactRequest, context: object) -> pb.TransactResponse:
        """Any method; any final response is a success, since the application asked for it."""
        return await run(self._backend, TRANSACT, request)
