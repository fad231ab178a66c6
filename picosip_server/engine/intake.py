"""What is checked of a message before any user sees it, and what is answered without one."""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import Iterable
from functools import lru_cache

from picosip_server.engine.network import Source
from picosip_server.sip.build import response_to
from picosip_server.sip.errors import RemoteProtocolError
from picosip_server.sip.headers import Headers
from picosip_server.sip.hop import DEFAULT_PORT, Hop
from picosip_server.sip.message import Request, Response
from picosip_server.sip.status import reason_phrase
from picosip_server.sip.ua.bodies import description_of
from picosip_server.sip.ua.capabilities import SDP_TYPE

RETRY_LEAST = 5
RETRY_SPREAD = 11
"""Seconds: who is refused for overload is told to come again after 5 to 15."""


def stamp(request: Request, source: Source) -> None:
    """Notes in the top Via where the request really came from (RFC 3261 18.2.1, RFC 3581)."""
    via = request.via
    wants_rport = via.wants_rport
    if not wants_rport and via.host == source.host:
        return
    params = via.params.with_("received", source.host)
    if wants_rport:
        params = params.with_("rport", str(source.port))
    request.replace_top_via(via.with_params(params))


def way_back(request: Request, source: Source) -> Hop:
    """Where the responses to a request go (RFC 3261 section 18.2.2, RFC 3581 section 4)."""
    via = request.via
    port = via.port or DEFAULT_PORT.get(source.transport, 5060)
    host = source.host
    if source.transport == "UDP":
        if via.wants_rport or via.rport is not None:
            port = source.port
        elif via.params.has("maddr"):
            host = _address(via.params.get("maddr")) or host
    return hop_back(source, host, port, secure=request.uri_text[:5].lower() == "sips:")


def hop_back(source: Source, host: str, port: int, *, secure: bool) -> Hop:
    """The hop to an address by the way that leads to a source."""
    return Hop(
        transport=source.transport,
        host=host,
        port=port,
        local_host=source.local_host,
        local_port=source.local_port,
        listener=source.listener,
        flow=source.flow,
        secure=secure,
    )


def _address(maddr: str | None) -> str:
    """A maddr that is an address; a name would have to be looked up, which nobody waits for."""
    try:
        return str(ipaddress.ip_address((maddr or "").strip("[]")))
    except ValueError:
        return ""


def check(message: Request | Response) -> None:
    """Reads what users will read of a message, so that none of them meets a bad header.

    Raises:
        RemoteProtocolError: a header that matters cannot be read.
    """
    _ = message.contacts
    _ = message.record_routes
    if message.body:
        if message.content_type == "":
            # 20.15: a body that is not empty has a type.
            raise RemoteProtocolError("a body without Content-Type")
        if message.content_type != SDP_TYPE:
            description_of(message)
    if isinstance(message, Request):
        if message.method == "PRACK":
            _ = message.rack
        elif message.method == "INVITE":
            _ = message.expires
        if message.method in ("INVITE", "UPDATE"):
            _ = message.session_expires
            _ = message.min_se
    elif message.status < 200:
        _ = message.rseq


def stateless_tag(request: Request, secret: bytes) -> str:
    """A To tag that a repetition of the request gets again (RFC 3261 section 8.2.7)."""
    return tag_of(*identity_of(request), secret)


def identity_of(request: Request) -> tuple[bytes, bytes]:
    """The octets of the top Via and of the Call-ID."""
    via = (request.headers.get("Via") or "").split(",")[0]
    call_id = request.headers.get("Call-ID") or ""
    return via.encode("utf-8", "surrogateescape"), call_id.encode("utf-8", "surrogateescape")


def tag_of(via: bytes, call_id: bytes, secret: bytes) -> str:
    """The same from the octets of the top Via, as ``stamp`` left it, and of the Call-ID."""
    digest = hashlib.blake2s(b"%b\0%b" % (via, call_id), key=secret, digest_size=6)
    return mark_of(secret) + digest.hexdigest()


@lru_cache(maxsize=16)
def mark_of(secret: bytes) -> str:
    """The first four digits of all tags made from a secret: a message without them has none."""
    return hashlib.blake2s(key=secret, digest_size=2).hexdigest()


def stateless_response(
    request: Request, status: int, secret: bytes, headers: Iterable[tuple[str, str]] = ()
) -> Response:
    """A response that no transaction is kept for."""
    return response_to(request, status, to_tag=stateless_tag(request, secret), headers=headers)


def retry_later(request: Request, secret: bytes, *, least: float = 0.0) -> tuple[str, str]:
    """A Retry-After that spreads those who are refused at one time over ten seconds.

    It hangs on the request, so that a repetition of it gets the same answer (RFC 3261
    section 8.2.7). ``least`` is seconds that must pass in any case.
    """
    seconds = seconds_by(stateless_tag(request, secret)) + math.ceil(least)
    return "Retry-After", str(seconds)


def seconds_by(tag: str) -> int:
    """How long whoever gets this tag is to wait."""
    return RETRY_LEAST + int(tag, 16) % RETRY_SPREAD


def lot_of(method: str, via: bytes, call_id: bytes, secret: bytes) -> float:
    """A number from 0 on and below 1 that a repetition of the request gets again.

    An INVITE gets it also when it comes with credentials: its Call-ID is the same (8.1.3.5). A
    REGISTER has one Call-ID for ever (10.2), and must not always get the same: so for others
    the top Via counts too.
    """
    text = call_id if method == "INVITE" else b"%b\0%b" % (via, call_id)
    digest = hashlib.blake2s(text, key=secret, digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2.0**48


def answer_to_faulty(request: Request, status: int, detail: str, secret: bytes) -> Response | None:
    """The response to a request that broke the grammar, as far as it can be answered.

    What it must echo (8.2.6.2) is echoed as it came, with a tag where its To can be read
    and has none. None: it is an ACK, which has no response.
    """
    if request.method == "ACK":
        return None
    source = request.headers
    headers = Headers()
    for via in source.get_all("Via"):
        headers.add("Via", via)
    for name in ("From", "To", "Call-ID", "CSeq"):
        value = source.get(name)
        if value is not None:
            headers.add(name, value)
    if _lacks_to_tag(request):
        headers.set("To", f"{source.get('To')};tag={stateless_tag(request, secret)}")
    warning = "".join(each for each in detail if each.isprintable() and each not in '"\\')
    headers.add("Warning", f'399 picosip "{warning[:120]}"')
    return Response(status, reason_phrase(status), headers)


def _lacks_to_tag(request: Request) -> bool:
    try:
        return not request.to.tag
    except RemoteProtocolError:
        return False
