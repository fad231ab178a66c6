"""Small values for the API: text, addresses, headers, bodies, SIP messages."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration

from picosip.v1 import sip_pb2 as pb
from picosip_server.service import masking
from picosip_server.sip.address import Address
from picosip_server.sip.grammar import unquote
from picosip_server.sip.message import Message, Request, Response
from picosip_server.sip.ua.commands import Body

_TRANSPORTS = {
    "UDP": pb.TRANSPORT_UDP,
    "TCP": pb.TRANSPORT_TCP,
    "TLS": pb.TRANSPORT_TLS,
    "WS": pb.TRANSPORT_WS,
    "WSS": pb.TRANSPORT_WSS,
}


def clean(text: str) -> str:
    """Text that a protobuf string can hold: octets that are no UTF-8 become U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def duration(seconds: float) -> Duration:
    """An interval, to the microsecond."""
    whole, micros = divmod(round(seconds * 1_000_000), 1_000_000)
    return Duration(seconds=whole, nanos=micros * 1000)


def address(value: Address) -> pb.Address:
    """A name-addr; the parameters' values come without quotes."""
    result = pb.Address()
    put_address(result, value)
    return result


def put_address(to: pb.Address, value: Address) -> None:
    """Sets ``to``, a field in its place: a message that is moved there is copied."""
    to.uri = clean(str(value.uri))
    if value.display_name:
        to.display_name = clean(value.display_name)
    for name, text in value.params:
        to.parameters.add(name=clean(name), value=None if text is None else clean(unquote(text)))


def addresses(values: Iterable[Address]) -> list[pb.Address]:
    """Several name-addrs."""
    return [address(value) for value in values]


def status(code: int, reason: str) -> pb.SipStatus | None:
    """A status line; None where no response was involved (0)."""
    return pb.SipStatus(code=code, reason=clean(reason)) if code else None


def put_status(to: pb.SipStatus, code: int, reason: str) -> None:
    """Sets ``to``, a field in its place, to a status line; 0: no response was involved."""
    if code:
        to.code = code
        to.reason = clean(reason)


def headers(fields: Iterable[tuple[str, str]]) -> list[pb.Header]:
    """Header fields in wire order, credentials masked."""
    return [
        pb.Header(name=clean(name), value=clean(text)) for name, text in masking.headers(fields)
    ]


def body(value: Body | None) -> pb.Body | None:
    """A body, untouched; None where there is none."""
    if value is None:
        return None
    return pb.Body(
        content_type=clean(value.content_type),
        data=value.data,
        content_disposition=clean(value.disposition),
    )


def message(value: Message) -> pb.SipMessage:
    """A SIP message, credentials masked, without its octets and transport addresses."""
    result = pb.SipMessage(headers=headers(value.headers))
    if isinstance(value, Request):
        result.request.method = clean(value.method)
        result.request.uri = clean(value.uri_text)
    elif isinstance(value, Response):
        result.status.code = value.status
        result.status.reason = clean(value.reason)
    if value.body:
        result.body.data = value.body
        result.body.content_type = clean(value.headers.get("Content-Type") or "")
        result.body.content_disposition = clean(value.headers.get("Content-Disposition") or "")
    return result


def endpoint(transport: str, host: str, port: int) -> pb.Endpoint:
    """A transport address; ``transport`` in upper case, as the engine names it."""
    return pb.Endpoint(
        transport=_TRANSPORTS.get(transport, pb.TRANSPORT_UNSPECIFIED), host=host, port=port
    )
