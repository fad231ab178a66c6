"""What every transaction user is handed: settings, and a source of identifiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from picosip_server.sip.timers import Timers


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

    def fraction(self) -> float:
        """A number in [0, 1) to spread retries with."""

    def request_name(self) -> str:
        """A resource name ``requests/{request}``."""


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
    hears: Callable[[str, Mapping[str, str]], bool] = nobody
    """Whether an application listens to a resource with these labels."""
