"""CallService: INVITE sessions in both roles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import NoneType
from typing import TypeVar

from google.protobuf.message import Message

from picosip.v1 import call_service_pb2 as pb, call_service_pb2_grpc as pb_grpc
from picosip.v1.event_service_pb2 import CommandResult, Done
from picosip_server.engine.snapshot import Snapshot
from picosip_server.service.backend import Backend
from picosip_server.service.clock import Clock
from picosip_server.service.convert import commands, requests, resources
from picosip_server.service.operations import Listing, Operation, Prepare, describing, plain, run
from picosip_server.service.paging import Page
from picosip_server.service.ties import Ties
from picosip_server.service.validate import Check
from picosip_server.sip.ua.snapshots import CallSnapshot

Request = TypeVar("Request", bound=Message)
_WithCall = (
    pb.InviteResponse
    | pb.ProgressResponse
    | pb.AnswerResponse
    | pb.RejectResponse
    | pb.RedirectResponse
    | pb.HangupResponse
    | pb.ModifyResponse
    | pb.HoldResponse
    | pb.ResumeResponse
    | pb.GetCallResponse
)
Response = TypeVar("Response", bound=_WithCall)


def _of_call(
    method: str,
    prepare: Prepare[Request],
    response: Callable[..., Response],
    *,
    repeatable: bool = True,
) -> Operation[Request, CallSnapshot, Response]:
    """One that gives the call as it then is."""

    def respond(call: CallSnapshot, clock: Clock) -> Response:
        made = response()
        resources.put_call(made.call, call, clock)
        return made

    return Operation(
        path=f"/picosip.v1.CallService/{method}",
        prepare=prepare,
        value=CallSnapshot,
        respond=respond,
        result=lambda response: CommandResult(call=response.call),
        name=lambda call: call.name,
        repeatable=repeatable,
    )


INVITE = _of_call("Invite", describing(commands.invite), pb.InviteResponse)
PROGRESS = _of_call("Progress", describing(commands.progress), pb.ProgressResponse)
ANSWER = _of_call("Answer", describing(commands.answer), pb.AnswerResponse)
REJECT = _of_call("Reject", plain(commands.reject), pb.RejectResponse)
REDIRECT = _of_call("Redirect", plain(commands.redirect), pb.RedirectResponse)
HANGUP = _of_call("Hangup", plain(commands.hangup), pb.HangupResponse)
MODIFY = _of_call("Modify", describing(commands.modify), pb.ModifyResponse)
HOLD = _of_call("Hold", plain(commands.hold), pb.HoldResponse)
RESUME = _of_call("Resume", plain(commands.resume), pb.ResumeResponse)
GET_CALL = _of_call(
    "GetCall",
    plain(commands.get_call),
    pb.GetCallResponse,
    repeatable=False,
)
TRANSFER: Operation[pb.TransferRequest, str, pb.TransferResponse] = Operation(
    path="/picosip.v1.CallService/Transfer",
    prepare=plain(commands.transfer),
    value=str,
    respond=lambda name, clock: pb.TransferResponse(transfer=name),
    result=lambda response: CommandResult(name=response.transfer),
)
SEND_DTMF: Operation[pb.SendDtmfRequest, None, pb.SendDtmfResponse] = Operation(
    path="/picosip.v1.CallService/SendDtmf",
    prepare=plain(requests.send_dtmf),
    value=NoneType,
    respond=lambda value, clock: pb.SendDtmfResponse(),
    result=lambda response: CommandResult(done=Done()),
)


def _list_calls(
    request: pb.ListCallsRequest,
) -> Callable[[Snapshot, Clock], pb.ListCallsResponse]:
    check = Check()
    page = Page(check, request.page_size, request.page_token)
    wanted = check.labels("labels", request.labels).items()
    check.done()

    def respond(snapshot: Snapshot, clock: Clock) -> pb.ListCallsResponse:
        calls, next_page_token = page.of(
            (call for call in snapshot.calls if wanted <= call.labels.items()),
            lambda call: resources.call(call, clock),
        )
        return pb.ListCallsResponse(calls=calls, next_page_token=next_page_token)

    return respond


LIST_CALLS = Listing(
    path="/picosip.v1.CallService/ListCalls",
    prepare=_list_calls,
    result=lambda response: CommandResult(calls=response),
)


class CallService(pb_grpc.CallServiceServicer):
    """Each RPC checks its request, has the engine do it, and gives the call as it then is."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def Invite(self, request: pb.InviteRequest, context: object) -> pb.InviteResponse:
        """Places a call."""
        if not request.policy.hangup_on_disconnect:
            return await run(self._backend, INVITE, request)
        ties = Ties(self._backend.bridge.hang_up)
        try:
            return await run(self._backend, INVITE, request, ties.created)
        except asyncio.CancelledError:
            ties.cut()
            raise

    async def Progress(self, request: pb.ProgressRequest, context: object) -> pb.ProgressResponse:
        """Sends a 1xx to an incoming INVITE."""
        return await run(self._backend, PROGRESS, request)

    async def Answer(self, request: pb.AnswerRequest, context: object) -> pb.AnswerResponse:
        """Answers an incoming INVITE, or the far end's offer."""
        return await run(self._backend, ANSWER, request)

    async def Reject(self, request: pb.RejectRequest, context: object) -> pb.RejectResponse:
        """Refuses an incoming INVITE."""
        return await run(self._backend, REJECT, request)

    async def Redirect(self, request: pb.RedirectRequest, context: object) -> pb.RedirectResponse:
        """Sends an incoming INVITE elsewhere."""
        return await run(self._backend, REDIRECT, request)

    async def Hangup(self, request: pb.HangupRequest, context: object) -> pb.HangupResponse:
        """Ends a call, whatever its state."""
        return await run(self._backend, HANGUP, request)

    async def GetCall(self, request: pb.GetCallRequest, context: object) -> pb.GetCallResponse:
        """A call as it stands."""
        return await run(self._backend, GET_CALL, request)

    async def ListCalls(
        self, request: pb.ListCallsRequest, context: object
    ) -> pb.ListCallsResponse:
        """The live calls, by name."""
        return await run(self._backend, LIST_CALLS, request)

    async def Modify(self, request: pb.ModifyRequest, context: object) -> pb.ModifyResponse:
        """Offers another session, or refreshes the present one."""
        return await run(self._backend, MODIFY, request)

    async def Hold(self, request: pb.HoldRequest, context: object) -> pb.HoldResponse:
        """Puts the far end on hold."""
        return await run(self._backend, HOLD, request)

    async def Resume(self, request: pb.ResumeRequest, context: object) -> pb.ResumeResponse:
        """Ends a hold."""
        return await run(self._backend, RESUME, request)

    async def Transfer(self, request: pb.TransferRequest, context: object) -> pb.TransferResponse:
        """Has the far end call somebody else."""
        return await run(self._backend, TRANSFER, request)

    async def SendDtmf(self, request: pb.SendDtmfRequest, context: object) -> pb.SendDtmfResponse:
        """Digits, an INFO each; returns when the last one was taken."""
        return await run(self._backend, SEND_DTMF, request)
