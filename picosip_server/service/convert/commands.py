"""Requests of the API as commands for the engine, checked on the way.

Each function raises ApiError INVALID_ARGUMENT that names all fields at fault, and
gives a maker that completes the command with the token under which it is submitted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import replace

from picosip.v1 import (
    call_service_pb2 as call_pb,
    registration_service_pb2 as registration_pb,
    request_service_pb2 as request_pb,
    sdp_pb2,
)
from picosip_server.service.convert import parts
from picosip_server.service.validate import (
    ALWAYS_RESERVED,
    CONTACT_RESERVED,
    REFER_RESERVED,
    REGISTER_RESERVED,
    Check,
)
from picosip_server.sip.address import Address
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Body

MakeCommand = Callable[[Hashable], commands.Command]
"""Completes a command with its token."""

_WAIT_FOR = {
    call_pb.InviteRequest.WAIT_FOR_UNSPECIFIED: commands.WaitFor.CREATED,
    call_pb.InviteRequest.WAIT_FOR_PROGRESS: commands.WaitFor.PROGRESS,
    call_pb.InviteRequest.WAIT_FOR_FINAL: commands.WaitFor.FINAL,
}
_MODIFY_METHODS = {
    call_pb.ModifyRequest.METHOD_UNSPECIFIED: commands.ModifyMethod.DEFAULT,
    call_pb.ModifyRequest.METHOD_INVITE: commands.ModifyMethod.INVITE,
    call_pb.ModifyRequest.METHOD_UPDATE: commands.ModifyMethod.UPDATE,
}
_DEFAULT_EXPIRES = 3600.0
_LONGEST_EXPIRES = 2**32 - 1


def invite(request: call_pb.InviteRequest, *, host: str) -> MakeCommand:
    """Invite. ``host`` stands in the origin of a structured offer that names none."""
    check = Check()
    check.request_id(request.request_id)
    caller = parts.address(check, "from_address", request.from_address)
    callee, asked = parts.callee(check, "to_address", request.to_address)
    uri = None
    if request.request_uri:
        uri, asked = parts.target(check, "request_uri", request.request_uri)
    offer = _description(check, request, "offer", host)
    extra = parts.bodies(check, "extra_bodies", request.extra_bodies)
    credentials = parts.credentials(check, request.credentials)
    options = parts.options(check, request.options, CONTACT_RESERVED)
    options = replace(options, headers=(*asked, *options.headers))
    policy = parts.policy(check, request.policy)
    labels = check.labels("labels", request.labels)
    wait_for = _WAIT_FOR.get(request.wait_for)
    if wait_for is None:
        check.fail("wait_for", "is no value of the enumeration")
    check.done()
    return lambda token: commands.Invite(
        token=token,
        from_address=caller,
        to_address=callee,
        request_uri=uri,
        offer=offer,
        extra_bodies=extra,
        credentials=credentials,
        options=options,
        policy=policy,
        labels=labels,
        wait_for=wait_for or commands.WaitFor.CREATED,
    )


def progress(request: call_pb.ProgressRequest, *, host: str) -> MakeCommand:
    """Progress."""
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "calls")
    code, reason = parts.status(check, request.status, default=180, least=101, most=199)
    description = _description(check, request, "description", host)
    options = parts.options(check, request.options, CONTACT_RESERVED)
    check.done()
    return lambda token: commands.Progress(
        token=token,
        name=name,
        status=code,
        reason=reason,
        description=description,
        reliable=request.reliable,
        options=options,
    )


def answer(request: call_pb.AnswerRequest, *, host: str) -> MakeCommand:
    """Answer."""
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "calls")
    description = _description(check, request, "description", host)
    options = parts.options(check, request.options, CONTACT_RESERVED)
    policy = parts.policy(check, request.policy) if request.HasField("policy") else None
    check.done()
    return lambda token: commands.Answer(
        token=token,
        name=name,
        description=description,
        options=options,
        policy=policy,
        no_wait=request.no_wait,
    )


def reject(request: call_pb.RejectRequest) -> MakeCommand:
    """Reject."""
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "calls")
    code, reason = parts.status(check, request.status, default=603, least=400, most=699)
    options = parts.options(check, request.options)
    check.done()
    return lambda token: commands.Reject(
        token=token, name=name, status=code, reason=reason, options=options
    )


def redirect(request: call_pb.RedirectRequest) -> MakeCommand:
    """Redirect."""
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "calls")
    code, reason = parts.status(check, request.status, default=302, least=300, most=399)
    if not request.contacts:
        check.fail("contacts", "is required")
    contacts = parts.addresses(check, "contacts", request.contacts)
    options = parts.options(check, request.options, CONTACT_RESERVED)
    check.done()
    return lambda token: commands.Redirect(
        token=token, name=name, status=code, reason=reason, contacts=contacts, options=options
    )


def hangup(request: call_pb.HangupRequest) -> MakeCommand:
    """Hangup."""
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "calls")
    code, reason = parts.status(check, request.status, default=0, least=400, most=699)
    options = parts.options(check, request.options)
    remote_tag = check.text("remote_tag", request.remote_tag)
    check.done()
    return lambda token: commands.Hangup(
        token=token, name=name, status=code, reason=reason, options=options, remote_tag=remote_tag
    )


def modify(request: call_pb.ModifyRequest, *, host: str) -> MakeCommand:
    """Modify."""
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "calls")
    offer = _description(check, request, "offer", host)
    method = _MODIFY_METHODS.get(request.method)
    if method is None:
        check.fail("method", "is no value of the enumeration")
    options = parts.options(check, request.options, ALWAYS_RESERVED)
    check.done()
    return lambda token: commands.Modify(
        token=token,
        name=name,
        offer=offer,
        method=method or commands.ModifyMethod.DEFAULT,
        options=options,
    )


def hold(request: call_pb.HoldRequest) -> MakeCommand:
    """Hold."""
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "calls")
    check.done()
    return lambda token: commands.Hold(token=token, name=name)


def resume(request: call_pb.ResumeRequest) -> MakeCommand:
    """Resume."""
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "calls")
    check.done()
    return lambda token: commands.Resume(token=token, name=name)


def transfer(request: call_pb.TransferRequest) -> MakeCommand:
    """Transfer."""
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "calls")
    kind = request.WhichOneof("target")
    if kind is None:
        check.fail("target", "needs uri or call")
    other = check.name("call", request.call, "calls") if kind == "call" else ""
    if other and other == name:
        check.fail("call", "must be another call")
    uri = check.uri("uri", request.uri, headers=True) if kind == "uri" else None
    referred_by = None
    if request.HasField("referred_by"):
        referred_by = parts.address(check, "referred_by", request.referred_by, contact=True)
    options = parts.options(check, request.options, REFER_RESERVED)
    check.done()
    if uri is None:
        return lambda token: commands.TransferToCall(
            token=token,
            name=name,
            other=other,
            referred_by=referred_by,
            without_progress=request.without_progress,
            options=options,
        )
    target = Address(uri=uri)
    return lambda token: commands.Transfer(
        token=token,
        name=name,
        refer_to=target,
        referred_by=referred_by,
        without_progress=request.without_progress,
        options=options,
    )


def get_call(request: call_pb.GetCallRequest) -> MakeCommand:
    """GetCall."""
    check = Check()
    name = check.name("name", request.name, "calls")
    check.done()
    return lambda token: commands.GetCall(token=token, name=name)


def register(request: registration_pb.RegisterRequest) -> MakeCommand:
    """Register."""
    check = Check()
    check.request_id(request.request_id)
    registrar = check.uri("registrar_uri", request.registrar_uri, sip=True)
    aor = parts.address(check, "aor", request.aor, sip=True)
    contacts = parts.addresses(check, "contacts", request.contacts)
    expires = _DEFAULT_EXPIRES
    if request.HasField("expires"):
        # Expires has whole seconds (RFC 3261 section 20.19); zero is what Unregister sends.
        expires = float(math.ceil(check.positive("expires", request.expires)))
        if expires > _LONGEST_EXPIRES:
            check.fail("expires", f"must not be longer than {_LONGEST_EXPIRES} seconds")
    credentials = parts.credentials(check, request.credentials)
    options = parts.options(check, request.options, REGISTER_RESERVED)
    outbound = None
    if request.HasField("outbound"):
        outbound = parts.outbound(check, request.outbound)
        if request.contacts:
            # RFC 5626 section 4.2.3: not for contacts of others.
            check.fail("outbound", "must not be set together with contacts")
        if request.outbound.edges and (options.routes or options.next_hop is not None):
            check.fail("outbound.edges", "must not be set together with a route or next hop")
    labels = check.labels("labels", request.labels)
    check.done()
    return lambda token: commands.Register(
        token=token,
        registrar=registrar,
        aor=aor,
        contacts=contacts,
        expires=expires,
        credentials=credentials,
        options=options,
        labels=labels,
        no_wait=request.no_wait,
        outbound=outbound,
    )


def unregister(request: registration_pb.UnregisterRequest) -> MakeCommand:
    """Unregister."""
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "registrations")
    check.done()
    return lambda token: commands.Unregister(token=token, name=name)


def get_registration(request: registration_pb.GetRegistrationRequest) -> MakeCommand:
    """GetRegistration."""
    check = Check()
    name = check.name("name", request.name, "registrations")
    check.done()
    return lambda token: commands.GetRegistration(token=token, name=name)


def ping(request: request_pb.PingRequest) -> MakeCommand:
    """Ping."""
    check = Check()
    sender = None
    if request.HasField("from_address"):
        sender = parts.address(check, "from_address", request.from_address)
    uri = check.uri("uri", request.uri, sip=True)
    options = parts.options(check, request.options)
    check.done()
    return lambda token: commands.Ping(token=token, uri=uri, from_address=sender, options=options)


def respond(request: request_pb.RespondRequest, *, host: str) -> MakeCommand:
    """Respond."""
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "requests")
    if not request.status.code:
        check.fail("status.code", "is required")
    code, reason = parts.status(check, request.status, default=200, least=200, most=699)
    body = _description(check, request, "description", host)
    if request.HasField("body"):
        if request.HasField("description"):
            check.fail("body", "must not be set together with description")
        body = parts.body(check, "body", request.body)
    options = parts.options(check, request.options, ALWAYS_RESERVED)
    check.done()
    return lambda token: commands.Respond(
        token=token, name=name, status=code, reason=reason, body=body, options=options
    )


_Describing = (
    call_pb.InviteRequest
    | call_pb.ModifyRequest
    | call_pb.ProgressRequest
    | call_pb.AnswerRequest
    | request_pb.RespondRequest
)


def _description(check: Check, request: _Describing, field: str, host: str) -> Body | None:
    if not request.HasField(field):  # type: ignore[arg-type]
        return None
    value: sdp_pb2.SessionDescription = getattr(request, field)
    return parts.description(check, field, value, host=host)
