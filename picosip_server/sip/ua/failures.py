"""Failures of commands, made from what came or did not come."""

from __future__ import annotations

from picosip_server.sip.message import Response
from picosip_server.sip.ua.outputs import Failure, FailureKind


def refused(response: Response, what: str) -> Failure:
    """The far end gave a final response other than 2xx."""
    return Failure(
        kind=FailureKind.REFUSED,
        detail=f"{what} was answered with {response.status} {response.reason}".rstrip(),
        status=response.status,
        reason=response.reason,
        headers=tuple(response.headers),
    )


def retry_after(response: Response) -> float:
    """Seconds in Retry-After (RFC 3261 section 20.33), 0 where it is missing or unreadable."""
    text = (response.headers.get("Retry-After") or "").split(";", 1)[0].split("(", 1)[0].strip()
    if text.isascii() and text.isdigit() and len(text) <= 6:
        return float(text)
    return 0.0


def invalid(field: str, detail: str) -> Failure:
    """The command itself is wrong."""
    return Failure(kind=FailureKind.INVALID, detail=detail, field=field)


def not_found(name: str) -> Failure:
    """There is nothing of this name (any more)."""
    return Failure(
        kind=FailureKind.NOT_FOUND, detail=f"{name} does not exist, or has ended already"
    )
