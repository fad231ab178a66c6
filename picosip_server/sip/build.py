"""Messages that follow from other messages: responses, the ACK to a refusal, CANCEL."""

from __future__ import annotations

from collections.abc import Iterable

from picosip_server.sip.headers import Headers
from picosip_server.sip.message import Request, Response
from picosip_server.sip.status import reason_phrase


def response_to(
    request: Request,
    status: int,
    reason: str = "",
    *,
    to_tag: str = "",
    headers: Iterable[tuple[str, str]] = (),
    content_type: str = "",
    body: bytes = b"",
    delay: float = 0.0,
) -> Response:
    """The response of a UAS to ``request`` (RFC 3261 section 8.2.6.2).

    ``to_tag`` is added where the request's To has none; a 100 needs none. ``delay`` is how many
    seconds ago the request came.
    """
    source = request.headers
    to = source.get("To") or ""
    if to_tag and not request.to.tag:
        to = f"{to};tag={to_tag}"
    # They were checked when the request was read.
    echoed = [("Via", via) for via in source.get_all("Via")]
    echoed += (
        ("From", source.get("From") or ""),
        ("To", to),
        ("Call-ID", source.get("Call-ID") or ""),
        ("CSeq", source.get("CSeq") or ""),
    )
    own = Headers.adopt(echoed)
    if status == 100:
        # 8.2.6.1: a 100 copies the Timestamp, and says how long it took.
        timestamp = source.get("Timestamp")
        if timestamp is not None:
            late = f"{delay:.3f}"
            own.add("Timestamp", timestamp if late == "0.000" else f"{timestamp} {late}")
    for name, value in headers:
        own.add(name, value)
    if content_type:
        own.add("Content-Type", content_type)
    return Response(status, reason or reason_phrase(status), own, body)


def ack_for_refusal(invite: Request, response: Response) -> Request:
    """The ACK that a client transaction sends to a 300-699 (RFC 3261 section 17.1.1.3)."""
    return _in_the_name_of(invite, "ACK", to=response.headers.get("To") or "")


def cancel_for(request: Request) -> Request:
    """The CANCEL of a request (RFC 3261 section 9.1)."""
    return _in_the_name_of(request, "CANCEL", to=request.headers.get("To") or "")


def _in_the_name_of(request: Request, method: str, *, to: str) -> Request:
    source = request.headers
    own = Headers()
    own.add("Via", source.get("Via") or "")
    for route in source.get_all("Route"):
        own.add("Route", route)
    own.add("From", source.get("From") or "")
    own.add("To", to)
    own.add("Call-ID", source.get("Call-ID") or "")
    own.add("CSeq", f"{request.cseq.number} {method}")
    own.add("Max-Forwards", "70")
    return Request(method, request.uri_text, own)
