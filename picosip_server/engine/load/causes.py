"""Why something of a load failed, in one word each."""

from __future__ import annotations

from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.snapshots import Cause, Termination

TARGET = "target"
"""It was led to an address that is not among the targets allowed."""
NO_ACK = "no_ack"
REMOTE_BYE = "remote_bye"
"""The far end hung up before its time."""
CANCELLED = "cancelled"
STOPPED = "stopped"
"""Stop ended it before it was answered."""
LOST = "lost"
"""A registration that could not be refreshed."""

_BY_KIND = {
    FailureKind.TIMEOUT: "timeout",
    FailureKind.TRANSPORT: "transport",
    FailureKind.UNAVAILABLE: "draining",
    FailureKind.EXHAUSTED: "overload",
    FailureKind.INVALID: "invalid",
}
_BY_CAUSE = {
    Cause.TIMEOUT: "timeout",
    Cause.TRANSPORT_FAILURE: "transport",
    Cause.CANCELLED: CANCELLED,
    Cause.REMOTE_HANGUP: REMOTE_BYE,
    Cause.SERVER_SHUTDOWN: "shutdown",
}


def of_failure(failure: Failure) -> str:
    """Why a command failed: the status, where the far end gave one."""
    if failure.status >= 300:
        return str(failure.status)
    return _BY_KIND.get(failure.kind, failure.kind.value)


def of_termination(termination: Termination) -> str:
    """Why a call ended that was to go on, or never stood."""
    if termination.cause in (Cause.REJECTED, Cause.REDIRECTED) and termination.status:
        return str(termination.status)
    return _BY_CAUSE.get(termination.cause, termination.cause.name.lower())
