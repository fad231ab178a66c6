"""What every transaction user is handed: settings, and a source of identifiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Protocol

from picosip_server.frozen import dataclass
from picosip_server.sip.errors import LocalProtocolError
from picosip_server.sip.timers import Timers
from picosip_server.sip.ua.registration.pacing import Pacing
from picosip_server.sip.ua.resting import Resting


class Identity(Protocol):
    """Makes what must be unique or unpredictable; the protocol itself has no randomness."""

    def branch(self) -> str:
        """A Via branch, magic cookie included (RFC 3261 section 8.1.1.7)."""

    def tag(self) -> str:
        """A From or To tag of at least 32 random bits (section 19.3)."""

    def cnonce(self) -> str:
        """A client nonce for digest (RFC 7616 section 3.4)."""

    def rseq(self) -> int:
        """A first RSeq, 1 to 2**31 - 1 (RFC 3262 section 3)."""

    def stun_id(self) -> bytes:
        """A STUN transaction id: 12 random octets (RFC 5389 section 6)."""

    def fraction(self) -> float:
        """A number in [0, 1) to spread retries with."""

    def request_name(self) -> str:
        """A resource name ``requests/{request}``."""

    def subscription_name(self) -> str:
        """A resource name ``subscriptions/{subscription}``."""

    def call_id(self) -> str:
        """A Call-ID for a dialog that does not follow from a command."""


class Descriptions(Protocol):
    """What the stack does with session descriptions by itself: to a call they are opaque.

    All take and give octets. ``given`` is what the application gave last, ``sent`` what went
    out last: what is made goes on from its o= line. Each raises LocalProtocolError where a
    description cannot be read.
    """

    def resume(self, given: bytes, sent: bytes) -> bytes:
        """``given``, as the next description after ``sent`` (RFC 3264 section 8)."""

    def hold(self, given: bytes, sent: bytes) -> bytes:
        """The same, without media from the far end (section 8.4)."""

    def answer(self, given: bytes, sent: bytes, offer: bytes, *, hold: bool) -> bytes:
        """An answer to ``offer`` (section 6)."""

    def holds(self, description: bytes) -> bool:
        """Whether the one who sent it wants no media; False where it cannot be read."""


class Opaque:
    """For those who never look into a description."""

    def resume(self, given: bytes, sent: bytes) -> bytes:
        """As it is."""
        return given

    def hold(self, given: bytes, sent: bytes) -> bytes:
        """Impossible."""
        raise LocalProtocolError("session descriptions are not read here")

    def answer(self, given: bytes, sent: bytes, offer: bytes, *, hold: bool) -> bytes:
        """Impossible."""
        raise LocalProtocolError("session descriptions are not read here")

    def holds(self, description: bytes) -> bool:
        """Nobody knows."""
        return False


def nobody(resource: str, labels: Mapping[str, str]) -> bool:
    """The audience of a user agent to which no application listens."""
    return False


@dataclass(slots=True, kw_only=True)
class Context:
    """Shared by all users of one worker. Times are seconds."""

    identity: Identity
    timers: Timers = field(default_factory=Timers)
    user_agent: str = ""
    outbound_proxy: str = ""
    attach_wait: float = 2.0
    answer_timeout: float = 180.0
    respond_timeout: float = 10.0
    offer_timeout: float = 10.0
    session_expires: float = 1800.0
    """Session interval that our INVITEs ask for (RFC 4028); 0: none."""
    min_se: float = 90.0
    """The smallest session interval taken from the far end."""
    accept: tuple[str, ...] = ()
    """Body types that an INVITE may carry besides application/sdp."""
    descriptions: Descriptions = field(default_factory=Opaque)
    instance_id: str = ""
    """URN that all registrations show (RFC 5626 section 4.1); empty: only those that must."""
    node_instance: str = ""
    """URN for those that must have one, where ``instance_id`` is empty."""
    learns_contact: bool = True
    """Whether the address beyond a NAT is registered where one is found (RFC 3581)."""
    pacing: Pacing = field(default_factory=Pacing)
    min_expires: float = 0.0
    """The shortest subscription that is granted; shorter ones get 423 (RFC 6665 4.2.1.1)."""
    allow_events: tuple[str, ...] = ()
    """Event packages that may be subscribed to here; empty: any."""
    resting: Resting = field(default_factory=Resting)
    """Servers that want no requests for a while."""
    hears: Callable[[str, Mapping[str, str]], bool] = nobody
    """Whether an application listens to a resource with these labels."""
