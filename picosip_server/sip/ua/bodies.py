"""Bodies of messages: finding the session description, joining several parts (RFC 5621)."""

from __future__ import annotations

from picosip_server.sip.message import Message
from picosip_server.sip.multipart import build, find_part
from picosip_server.sip.ua.capabilities import SDP_TYPE
from picosip_server.sip.ua.commands import Body


def body_of(message: Message) -> Body | None:
    """The whole body as it came; None where there is none."""
    if not message.body:
        return None
    return Body(
        content_type=message.headers.get("Content-Type") or "",
        data=message.body,
        disposition=message.headers.get("Content-Disposition") or "",
    )


def description_of(message: Message) -> Body | None:
    """The session description: the body, or the part of a multipart body that is one.

    Raises:
        ParseError: the multipart body cannot be taken apart.
    """
    if not message.body:
        return None
    kind = message.content_type
    if kind == SDP_TYPE:
        return Body(content_type=SDP_TYPE, data=message.body)
    if kind.startswith("multipart/"):
        part = find_part(message.headers.get("Content-Type") or "", message.body, SDP_TYPE)
        if part is not None:
            return Body(content_type=SDP_TYPE, data=part[1])
    return None


def join(bodies: tuple[Body, ...], boundary: str) -> Body | None:
    """One body from several; a single one stays as it is."""
    if len(bodies) < 2:
        return bodies[0] if bodies else None
    content_type, data = build(
        [(body.content_type, body.data, body.disposition) for body in bodies], boundary
    )
    return Body(content_type=content_type, data=data)
