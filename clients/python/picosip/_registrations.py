"""The RPCs of RegistrationService, each as the function that builds its request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from picosip._rpc import unary
from picosip._values import (
    AddressLike,
    CredentialsLike,
    HeadersLike,
    as_address,
    as_addresses,
    as_credentials,
    duration,
    with_headers,
)
from picosip.v1 import registration_service_pb2 as pb, sip_pb2


@unary(
    "/picosip.v1.RegistrationService/Register",
    pb.RegisterResponse,
    lambda response: response.registration,
)
def register(
    registrar_uri: str,
    aor: AddressLike,
    *,
    contacts: Iterable[AddressLike] = (),
    expires: float | None = None,
    credentials: CredentialsLike = (),
    headers: HeadersLike = (),
    options: sip_pb2.MessageOptions | None = None,
    labels: Mapping[str, str] | None = None,
    no_wait: bool = False,
    outbound: bool = False,
    edges: Iterable[str] = (),
    instance_id: str = "",
    request_id: str = "",
) -> pb.RegisterRequest:
    """Registers an address of record and keeps it refreshed until ``unregister``.

    ``expires`` is in seconds, None leaves it to the server. Without ``contacts`` the server's
    own address is registered. Returns once the registrar has answered, or at once with
    ``no_wait``.

    With ``outbound`` calls come back over a flow that the server opens and keeps alive
    (RFC 5626); ``edges`` are URIs of proxies, with a flow through each, and ``instance_id``
    is a URN of your own. Either of them implies ``outbound``.

    Raises Refused where the registrar refuses (as with a wrong password), TimedOut where it
    says nothing, Unavailable where it cannot be reached, InvalidArgument.
    """
    edges = tuple(edges)
    flows = None
    if outbound or edges or instance_id:
        flows = pb.Outbound(instance_id=instance_id, edges=edges)
    return pb.RegisterRequest(
        request_id=request_id,
        registrar_uri=registrar_uri,
        aor=as_address(aor),
        contacts=as_addresses(contacts),
        expires=duration(expires),
        credentials=as_credentials(credentials),
        options=with_headers(options, headers),
        labels=labels,
        no_wait=no_wait,
        outbound=flows,
    )


@unary(
    "/picosip.v1.RegistrationService/Unregister",
    pb.UnregisterResponse,
    lambda response: response.registration,
)
def unregister(name: str, *, request_id: str = "") -> pb.UnregisterRequest:
    """Removes the binding at the registrar, then the registration. Raises NotFound, Refused."""
    return pb.UnregisterRequest(request_id=request_id, name=name)


@unary(
    "/picosip.v1.RegistrationService/GetRegistration",
    pb.GetRegistrationResponse,
    lambda response: response.registration,
)
def get_registration(name: str) -> pb.GetRegistrationRequest:
    """The present state of a registration. Raises NotFound."""
    return pb.GetRegistrationRequest(name=name)


@unary(
    "/picosip.v1.RegistrationService/ListRegistrations",
    pb.ListRegistrationsResponse,
    lambda response: response.registrations,
)
def list_registrations(*, page_size: int = 0) -> pb.ListRegistrationsRequest:
    """Iterates over all registrations, page by page.

    ``page_size`` 0 leaves the size of a page to the server.
    """
    return pb.ListRegistrationsRequest(page_size=page_size)
