"""RegistrationService: bindings at remote registrars."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import Message

from picosip.v1 import registration_service_pb2 as pb, registration_service_pb2_grpc as pb_grpc
from picosip.v1.event_service_pb2 import CommandResult
from picosip_server.engine.snapshot import Snapshot
from picosip_server.service.backend import Backend
from picosip_server.service.clock import Clock
from picosip_server.service.convert import commands, resources
from picosip_server.service.convert.commands import MakeCommand
from picosip_server.service.operations import Listing, Operation, plain, run
from picosip_server.service.paging import Page
from picosip_server.service.validate import Check
from picosip_server.sip.ua.snapshots import RegistrationSnapshot

Request = TypeVar("Request", bound=Message)
_WithRegistration = pb.RegisterResponse | pb.UnregisterResponse | pb.GetRegistrationResponse
Response = TypeVar("Response", bound=_WithRegistration)


def _of_registration(
    method: str,
    prepare: Callable[[Request], MakeCommand],
    response: Callable[..., Response],
    *,
    repeatable: bool = True,
) -> Operation[Request, RegistrationSnapshot, Response]:
    """One that gives the registration as it then is."""
    return Operation(
        path=f"/picosip.v1.RegistrationService/{method}",
        prepare=plain(prepare),
        value=RegistrationSnapshot,
        respond=lambda value, clock: response(registration=resources.registration(value, clock)),
        result=lambda response: CommandResult(registration=response.registration),
        name=lambda value: value.name,
        repeatable=repeatable,
    )


REGISTER = _of_registration("Register", commands.register, pb.RegisterResponse)
UNREGISTER = _of_registration("Unregister", commands.unregister, pb.UnregisterResponse)
GET_REGISTRATION = _of_registration(
    "GetRegistration", commands.get_registration, pb.GetRegistrationResponse, repeatable=False
)


def _list_registrations(
    request: pb.ListRegistrationsRequest,
) -> Callable[[Snapshot, Clock], pb.ListRegistrationsResponse]:
    check = Check()
    page = Page(check, request.page_size, request.page_token)
    check.done()

    def respond(snapshot: Snapshot, clock: Clock) -> pb.ListRegistrationsResponse:
        registrations, next_page_token = page.of(
            snapshot.registrations, lambda one: resources.registration(one, clock)
        )
        return pb.ListRegistrationsResponse(
            registrations=registrations, next_page_token=next_page_token
        )

    return respond


LIST_REGISTRATIONS = Listing(
    path="/picosip.v1.RegistrationService/ListRegistrations",
    prepare=_list_registrations,
    result=lambda response: CommandResult(registrations=response),
)


class RegistrationService(pb_grpc.RegistrationServiceServicer):
    """Each RPC checks its request and gives the registration as it then is."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def Register(self, request: pb.RegisterRequest, context: object) -> pb.RegisterResponse:
        """Registers, and refreshes from then on."""
        return await run(self._backend, REGISTER, request)

    async def Unregister(
        self, request: pb.UnregisterRequest, context: object
    ) -> pb.UnregisterResponse:
        """Removes the bindings and the resource."""
        return await run(self._backend, UNREGISTER, request)

    async def GetRegistration(
        self, request: pb.GetRegistrationRequest, context: object
    ) -> pb.GetRegistrationResponse:
        """A registration as it stands."""
        return await run(self._backend, GET_REGISTRATION, request)

    async def ListRegistrations(
        self, request: pb.ListRegistrationsRequest, context: object
    ) -> pb.ListRegistrationsResponse:
        """The live registrations, by name."""
        return await run(self._backend, LIST_REGISTRATIONS, request)
