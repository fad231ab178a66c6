"""What comes out of the engine: events, and the outcomes of commands, in order."""

from __future__ import annotations

import enum
from collections.abc import Hashable

from picosip_server.frozen import dataclass
from picosip_server.sip.message import Message
from picosip_server.sip.ua.events import Event


class FailureKind(enum.Enum):
    """What stood in the way of a command."""

    REFUSED = "refused"
    """The far end gave a final response other than 2xx: see status and headers."""
    TIMEOUT = "timeout"
    """No final response: timer B, F or H fired."""
    TRANSPORT = "transport"
    """Nothing could be sent: name not found, connect or socket failure."""
    NOT_FOUND = "not_found"
    """No such call, registration or request."""
    WRONG_STATE = "wrong_state"
    """The resource is in a state that does not allow the command; ``state`` names it."""
    INVALID = "invalid"
    """The command itself is wrong; ``field`` names the field."""
    UNAVAILABLE = "unavailable"
    """This server takes no new work: it drains."""
    EXHAUSTED = "exhausted"
    """A limit of this server is reached."""
    FORBIDDEN = "forbidden"
    """The settings of this server do not allow it."""
    ENDED = "ended"
    """The call ended before the command was done, with ``status`` where there was one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a command failed."""

    kind: FailureKind
    detail: str
    """One sentence that says what is wrong and, where it can, what to do."""
    status: int = 0
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """All headers of the final response."""
    field: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurred:
    """An event."""

    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A command is done. ``value`` is what its class documents."""

    token: Hashable
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A command failed."""

    token: Hashable
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A SIP message passed a transport; made only while somebody traces."""

    at: float
    sent: bool
    message: Message
    raw: bytes
    transport: str
    local: tuple[str, int]
    remote: tuple[str, int]
    resource: str = ""
    retransmission: bool = False


Output = Occurred | Completed | Failed | Traced
