"""How a UAS looks at a request before it acts on it: RFC 3261 section 8.2."""

from __future__ import annotations

import math
from collections.abc import Collection

from picosip_server.frozen import dataclass
from picosip_server.sip.dialog import contact_target
from picosip_server.sip.message import Request
from picosip_server.sip.multipart import find_part
from picosip_server.sip.ua.capabilities import (
    CARRIED_TAGS,
    KNOWN_METHODS,
    METHODS,
    OPTION_TAGS,
    SDP_TYPE,
)

ALLOW = ", ".join(METHODS)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The response that the stack itself gives."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    reason: str = ""


def capability_headers(*, reliably: bool = True) -> list[tuple[str, str]]:
    """Allow and Supported, as an INVITE and its 2xx carry them (sections 13.2.1, 13.3.1.4).

    ``reliably`` False leaves out 100rel: provisional responses are not to be reliable.
    """
    tags = [tag for tag in OPTION_TAGS if reliably or tag != "100rel"]
    return [("Allow", ALLOW), ("Supported", ", ".join(tags))]


def option_answer(accept: Collection[str] = ()) -> list[tuple[str, str]]:
    """The header fields of a 200 to OPTIONS (section 11.2)."""
    return [
        ("Allow", ALLOW),
        ("Accept", accept_value(accept)),
        ("Accept-Encoding", "identity"),
        ("Accept-Language", "en"),
        ("Supported", ", ".join(OPTION_TAGS)),
    ]


def accept_value(accept: Collection[str]) -> str:
    """The Accept header field: what an INVITE may carry."""
    return ", ".join((SDP_TYPE, *accept))


def unsupported(request: Request) -> list[str]:
    """The option tags in Require that are not understood (section 8.2.2.3)."""
    return [tag for tag in request.require if tag not in OPTION_TAGS + CARRIED_TAGS]


def refuse_uri(request: Request) -> Refusal | None:
    """Section 8.2.2.1: a scheme that is not understood gets 416."""
    if request.uri.scheme not in ("sip", "sips", "tel"):
        return Refusal(416)
    return None


def refuse_method(request: Request, claimed: bool) -> Refusal | None:
    """Section 8.2.1: 405 for a known method that is not taken here, 501 for an unknown one."""
    method = request.method
    if claimed or method in ("INVITE", "OPTIONS", "SUBSCRIBE"):
        return None
    if method in ("NOTIFY", "BYE", "PRACK", "UPDATE", "INFO"):
        # They belong to dialogs, and this one names none (12.2.2, RFC 6086 section 4.2.1).
        return Refusal(481)
    allowed = ", ".join(each for each in METHODS if each != method)
    return Refusal(405 if method in KNOWN_METHODS else 501, (("Allow", allowed),))


def refuse_extensions(request: Request, claimed: bool) -> Refusal | None:
    """Section 8.2.2.3. What the application claimed, it judges itself."""
    missing = [] if claimed else unsupported(request)
    if missing:
        return Refusal(420, (("Unsupported", ", ".join(missing)),))
    return None


def refuse_invite(request: Request, accept: Collection[str]) -> Refusal | None:
    """Sections 8.2.3 and 13.3.1: what an INVITE must be for a call to come of it.

    Raises:
        RemoteProtocolError: there is no usable Contact (section 8.1.1.8).
    """
    refusal = refuse_body(request, accept)
    if refusal is not None:
        return refusal
    if request.headers.has("Accept") and not _takes_sdp(request):
        # RFC 4475 section 3.3.15: no description that we could send would be understood.
        return Refusal(406)
    contact_target(request)
    return None


def refuse_interval(request: Request, least: float) -> Refusal | None:
    """RFC 4028 section 9: 422 for a session interval below ``least`` seconds.

    Raises:
        RemoteProtocolError: the Session-Expires cannot be read.
    """
    asked = request.session_expires
    if asked is None or asked.interval >= least:
        return None
    return Refusal(422, (("Min-SE", str(math.ceil(least))),))


def refuse_body(request: Request, accept: Collection[str]) -> Refusal | None:
    """Section 8.2.3: a body that is understood, in an INVITE or UPDATE."""
    if not request.body:
        return None
    kind = request.content_type
    encoding = (request.headers.get("Content-Encoding") or "identity").strip().lower()
    if encoding != "identity":
        return Refusal(415, (("Accept-Encoding", "identity"),))
    if kind != SDP_TYPE and kind not in accept and not _has_description(request):
        return Refusal(415, (("Accept", accept_value(accept)),))
    return None


def _has_description(request: Request) -> bool:
    if not request.content_type.startswith("multipart/"):
        return False
    whole = request.headers.get("Content-Type") or ""
    return find_part(whole, request.body, SDP_TYPE) is not None


def _takes_sdp(request: Request) -> bool:
    for element in request.headers.elements("Accept"):
        kind = element.split(";", 1)[0].strip().lower()
        if kind in (SDP_TYPE, "application/*", "*/*"):
            return True
        if kind.startswith("multipart/"):
            return True
    return False
