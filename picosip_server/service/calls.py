"""CallService: INVITE sessions in both roles."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import NoneType
from typing import Any

from picosip.v1 import call_service_pb2 as pb, call_service_pb2_grpc as pb_grpc
from picosip_server.service.backend import Backend
from picosip_server.service.bridge import OnCreated
from picosip_server.service.convert import commands, requests, resources
from picosip_server.service.convert.commands import MakeCommand
from picosip_server.service.paging import Page
from picosip_server.service.validate import Check
from picosip_server.sip.ua.commands import Hangup
from picosip_server.sip.ua.snapshots import CallSnapshot


class CallService(pb_grpc.CallServiceServicer):
    """Each RPC checks its request, has the engine do it, and gives the call as it then is."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def Invite(self, request: pb.InviteRequest, context: object) -> pb.InviteResponse:
        """Places a call."""
        make = commands.invite(request, host=self._backend.host)
        tie = _Tie(self._backend) if request.policy.hangup_on_disconnect else None
        try:
            call = await self._backend.once(
                "Invite",
                request.request_id,
                request,
                lambda: self._perform(make, None if tie is None else tie.created),
            )
        except asyncio.CancelledError:
            if tie is not None:
                tie.cut()
            raise
        return pb.InviteResponse(call=call)

    async def Progress(self, request: pb.ProgressRequest, context: object) -> pb.ProgressResponse:
        """Sends a 1xx to an incoming INVITE."""
        make = commands.progress(request, host=self._backend.host)
        call = await self._backend.once(
            "Progress", request.request_id, request, lambda: self._perform(make)
        )
        return pb.ProgressResponse(call=call)

    async def Answer(self, request: pb.AnswerRequest, context: object) -> pb.AnswerResponse:
        """Answers an incoming INVITE, or the far end's offer."""
        make = commands.answer(request, host=self._backend.host)
        call = await self._backend.once(
            "Answer", request.request_id, request, lambda: self._perform(make)
        )
        return pb.AnswerResponse(call=call)

    async def Reject(self, request: pb.RejectRequest, context: object) -> pb.RejectResponse:
        """Refuses an incoming INVITE."""
        make = commands.reject(request)
        call = await self._backend.once(
            "Reject", request.request_id, request, lambda: self._perform(make)
        )
        return pb.RejectResponse(call=call)

    async def Redirect(self, request: pb.RedirectRequest, context: object) -> pb.RedirectResponse:
        """Sends an incoming INVITE elsewhere."""
        make = commands.redirect(request)
        call = await self._backend.once(
            "Redirect", request.request_id, request, lambda: self._perform(make)
        )
        return pb.RedirectResponse(call=call)

    async def Hangup(self, request: pb.HangupRequest, context: object) -> pb.HangupResponse:
        """Ends a call, whatever its state."""
        make = commands.hangup(request)
        call = await self._backend.once(
            "Hangup", request.request_id, request, lambda: self._perform(make)
        )
        return pb.HangupResponse(call=call)

    async def GetCall(self, request: pb.GetCallRequest, context: object) -> pb.GetCallResponse:
        """A call as it stands."""
        return pb.GetCallResponse(call=await self._perform(commands.get_call(request)))

    async def ListCalls(
        self, request: pb.ListCallsRequest, context: object
    ) -> pb.ListCallsResponse:
        """The live calls, by name."""
        check = Check()
        page = Page(check, request.page_size, request.page_token)
        wanted = check.labels("labels", request.labels).items()
        check.done()
        snapshot, _ = await self._backend.bridge.snapshot()
        clock = self._backend.clock
        calls, next_page_token = page.of(
            (call for call in snapshot.calls if wanted <= call.labels.items()),
            lambda call: resources.call(call, clock),
        )
        return pb.ListCallsResponse(calls=calls, next_page_token=next_page_token)

    async def Modify(self, request: pb.ModifyRequest, context: object) -> pb.ModifyResponse:
        """Offers another session, or refreshes the present one."""
        make = commands.modify(request, host=self._backend.host)
        call = await self._backend.once(
            "Modify", request.request_id, request, lambda: self._perform(make)
        )
        return pb.ModifyResponse(call=call)

    async def Hold(self, request: pb.HoldRequest, context: object) -> pb.HoldResponse:
        """Puts the far end on hold."""
        make = commands.hold(request)
        call = await self._backend.once(
            "Hold", request.request_id, request, lambda: self._perform(make)
        )
        return pb.HoldResponse(call=call)

    async def Resume(self, request: pb.ResumeRequest, context: object) -> pb.ResumeResponse:
        """Ends a hold."""
        make = commands.resume(request)
        call = await self._backend.once(
            "Resume", request.request_id, request, lambda: self._perform(make)
        )
        return pb.ResumeResponse(call=call)

    async def Transfer(self, request: pb.TransferRequest, context: object) -> pb.TransferResponse:
        """Has the far end call somebody else."""
        make = commands.transfer(request)
        name = await self._backend.once(
            "Transfer",
            request.request_id,
            request,
            lambda: self._backend.perform(make, str),
        )
        return pb.TransferResponse(transfer=name)

    async def SendDtmf(self, request: pb.SendDtmfRequest, context: object) -> pb.SendDtmfResponse:
        """Digits, an INFO each; returns when the last one was taken."""
        make = requests.send_dtmf(request)
        await self._backend.once(
            "SendDtmf",
            request.request_id,
            request,
            lambda: self._backend.perform(make, NoneType),
        )
        return pb.SendDtmfResponse()

    async def _perform(self, make: MakeCommand, on_created: OnCreated | None = None) -> pb.Call:
        snapshot = await self._backend.perform(make, CallSnapshot, on_created)
        return resources.call(snapshot, self._backend.clock)


class _Tie:
    """Ends a call whose Invite goes away before it has returned (``hangup_on_disconnect``)."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._name = ""
        self._is_cut = False

    def created(self, name: str) -> None:
        """The call exists now."""
        self._name = name
        self._hang_up_if_due()

    def cut(self) -> None:
        """The RPC has gone."""
        self._is_cut = True
        self._hang_up_if_due()

    def _hang_up_if_due(self) -> None:
        if self._is_cut and self._name:
            self._backend.spawn(self._hang_up(), f"hanging up {self._name}, whose client has left,")

    def _hang_up(self) -> Coroutine[Any, Any, CallSnapshot]:
        return self._backend.perform(
            lambda token: Hangup(token=token, name=self._name), CallSnapshot
        )
