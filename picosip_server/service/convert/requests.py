"""Single requests of the API as commands for the engine, checked on the way: see ``commands``."""

from __future__ import annotations

from collections.abc import Collection

from picosip.v1 import call_service_pb2 as call_pb, request_service_pb2 as request_pb
from picosip_server.service.convert import parts
from picosip_server.service.convert.commands import MakeCommand
from picosip_server.service.validate import ALWAYS_RESERVED, CONTACT_RESERVED, Check
from picosip_server.sip import dtmf
from picosip_server.sip.address import Address
from picosip_server.sip.ua import commands
from picosip_server.sip.uri import Uri

_OWN_RPC = {
    "INVITE": "use Invite",
    "ACK": "the stack sends it",
    "CANCEL": "use Hangup",
}
"""What Transact does not send."""
_OWN_RPC_INSIDE = {
    **_OWN_RPC,
    "INVITE": "use Modify",
    "UPDATE": "use Modify",
    "BYE": "use Hangup",
    "PRACK": "the stack sends it",
}
"""The same inside a call, which these would change behind its back."""
_DIGIT = 0.16
_GAP = 0.1
_LONGEST_DIGIT = 60.0
_MOST_DIGITS = 256


def send_message(request: request_pb.SendMessageRequest) -> MakeCommand:
    """SendMessage."""
    return _transact(Check(), request, "MESSAGE")


def transact(request: request_pb.TransactRequest) -> MakeCommand:
    """Transact."""
    check = Check()
    method = check.token("method", request.method)
    instead = _OWN_RPC_INSIDE if request.call else _OWN_RPC
    if method in instead:
        check.fail("method", f"cannot be sent by itself: {instead[method]}")
    return _transact(check, request, method)


def _transact(
    check: Check,
    request: request_pb.SendMessageRequest | request_pb.TransactRequest,
    method: str,
) -> MakeCommand:
    check.request_id(request.request_id)
    body = parts.body(check, "body", request.body) if request.HasField("body") else None
    credentials = parts.credentials(check, request.credentials)
    options = parts.options(check, request.options, _reserved_in(method))
    if request.call:
        name = check.name("call", request.call, "calls")
        if options.routes:
            check.fail("options.routes", "a dialog has its own: leave them out")
        check.done()
        return lambda token: commands.TransactInside(
            token=token,
            name=name,
            method=method,
            body=body,
            credentials=credentials,
            options=options,
        )
    sender = parts.address(check, "from_address", request.from_address)
    uri, recipient = _destination(check, request)
    check.done()
    return lambda token: commands.Transact(
        token=token,
        method=method,
        uri=uri,
        from_address=sender,
        to_address=recipient,
        body=body,
        credentials=credentials,
        options=options,
    )


def _destination(
    check: Check, request: request_pb.SendMessageRequest | request_pb.TransactRequest
) -> tuple[Uri, Address]:
    """Request-URI and To: the one is like the other where it is not given."""
    text = request.uri if isinstance(request, request_pb.TransactRequest) else ""
    if text and not request.HasField("to_address"):
        uri = check.uri("uri", text)
        return uri, Address(uri=uri)
    recipient = parts.address(check, "to_address", request.to_address)
    return (check.uri("uri", text) if text else recipient.uri), recipient


def _reserved_in(method: str) -> Collection[str]:
    # RFC 3428 section 4, RFC 6086 section 4.2.1: what these must not carry.
    if method == "MESSAGE":
        return CONTACT_RESERVED
    return ALWAYS_RESERVED | {"recv-info"} if method == "INFO" else ALWAYS_RESERVED


def send_dtmf(request: call_pb.SendDtmfRequest) -> MakeCommand:
    """SendDtmf."""
    check = Check()
    check.request_id(request.request_id)
    name = check.name("name", request.name, "calls")
    digits = check.text("digits", request.digits, required=True, most=_MOST_DIGITS).upper()
    if set(digits) - dtmf.DIGITS - {dtmf.PAUSE}:
        check.fail("digits", "must be of 0-9, *, #, A-D, and a comma for a pause")
    length = _DIGIT
    if request.HasField("duration"):
        length = check.positive("duration", request.duration)
    gap = check.seconds("gap", request.gap) if request.HasField("gap") else _GAP
    for field, value in (("duration", length), ("gap", gap)):
        if value > _LONGEST_DIGIT:
            check.fail(field, f"must not be longer than {_LONGEST_DIGIT:g} seconds")
    content_type = request.content_type.lower() or dtmf.RELAY
    if content_type not in dtmf.TYPES:
        check.fail("content_type", f"must be {' or '.join(dtmf.TYPES)}")
    check.done()
    return lambda token: commands.SendDtmf(
        token=token,
        name=name,
        digits=digits,
        duration=length,
        gap=gap,
        content_type=content_type,
    )
