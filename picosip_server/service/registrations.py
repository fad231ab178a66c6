"""RegistrationService: bindings at remote registrars."""

from __future__ import annotations

from picosip.v1 import registration_service_pb2 as pb, registration_service_pb2_grpc as pb_grpc
from picosip_server.service.backend import Backend
from picosip_server.service.convert import commands, resources
from picosip_server.service.convert.commands import MakeCommand
from picosip_server.service.paging import Page
from picosip_server.service.validate import Check
from picosip_server.sip.ua.snapshots import RegistrationSnapshot


class RegistrationService(pb_grpc.RegistrationServiceServicer):
    """Each RPC checks its request and gives the registration as it then is."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def Register(self, request: pb.RegisterRequest, context: object) -> pb.RegisterResponse:
        """Registers, and refreshes from then on."""
        make = commands.register(request)
        registration = await self._backend.once(
            "Register", request.request_id, request, lambda: self._perform(make)
        )
        return pb.RegisterResponse(registration=registration)

    async def Unregister(
        self, request: pb.UnregisterRequest, context: object
    ) -> pb.UnregisterResponse:
        """Removes the bindings and the resource."""
        make = commands.unregister(request)
        registration = await self._backend.once(
            "Unregister", request.request_id, request, lambda: self._perform(make)
        )
        return pb.UnregisterResponse(registration=registration)

    async def GetRegistration(
        self, request: pb.GetRegistrationRequest, context: object
    ) -> pb.GetRegistrationResponse:
        """A registration as it stands."""
        registration = await self._perform(commands.get_registration(request))
        return pb.GetRegistrationResponse(registration=registration)

    async def ListRegistrations(
        self, request: pb.ListRegistrationsRequest, context: object
    ) -> pb.ListRegistrationsResponse:
        """The live registrations, by name."""
        check = Check()
        page = Page(check, request.page_size, request.page_token)
        check.done()
        snapshot, _ = await self._backend.bridge.snapshot()
        clock = self._backend.clock
        registrations, next_page_token = page.of(
            snapshot.registrations, lambda one: resources.registration(one, clock)
        )
        return pb.ListRegistrationsResponse(
            registrations=registrations, next_page_token=next_page_token
        )

    async def _perform(self, make: MakeCommand) -> pb.Registration:
        snapshot = await self._backend.perform(make, RegistrationSnapshot)
        return resources.registration(snapshot, self._backend.clock)
