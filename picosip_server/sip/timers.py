"""The timers of RFC 3261 (table 4), RFC 6026 and RFC 3262, as one value."""

from __future__ import annotations

from picosip_server.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Timers:
    """Base values in seconds; the named timers follow from them (RFC 3261 section 17.1.1.1)."""

    t1: float = 0.5
    """Round-trip estimate."""
    t2: float = 4.0
    """Longest interval between retransmissions of a non-INVITE request or an INVITE response."""
    t4: float = 5.0
    """Longest time that a message stays in the network."""
    timer_d: float = 32.0
    """How long an unreliable client INVITE transaction absorbs repeated finals."""

    @property
    def give_up(self) -> float:
        """64*T1: timers B, F, H, J, L and M."""
        return 64 * self.t1
