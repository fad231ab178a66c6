"""What the guard is told at its start. Times are seconds."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from picosip_server.frozen import dataclass

Network = IPv4Network | IPv6Network

SCANNERS = (
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sipcli",
    "sip-scan",
    "sipscan",
    "smap",
    "sundayddr",
    "iWar",
    "SIVuS",
    "VaxSIPUserAgent",
    "VaxIPUserAgent",
    "pplsip",
)
"""Words in the User-Agent of well-known scanners and password guessers begin with these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardConfig:
    """The defaults are those of the server."""

    loopback: bool = False
    """Whether loopback addresses are limited and blocked like others; the lists always hold."""
    allow: tuple[Network, ...] = ()
    """Only these may send; empty: everybody."""
    deny: tuple[Network, ...] = ()
    """These may not, even where ``allow`` has them."""
    trust: tuple[Network, ...] = ()
    """These are never limited and never blocked: trunks, proxies of one's own."""
    rate: float = 0.0
    """Requests outside dialogs that a source may send each second; 0: as many as it likes."""
    burst: int = 0
    """How many may come at once; 0: those of two seconds."""
    call_rate: float = 0.0
    """New calls that a source may begin each second; 0: as many as it likes."""
    call_burst: int = 0
    drop: bool = False
    """Whether what is above a rate is dropped, rather than refused with 503."""
    block_agents: tuple[str, ...] = SCANNERS
    """A source is blocked whose User-Agent has a word that begins so; case does not matter."""
    allow_agents: tuple[str, ...] = ()
    """Requests whose User-Agent has no such word are dropped; empty: none are."""
    garbage: int = 50
    """Faulty messages within ``GARBAGE_WINDOW`` that have a source blocked; 0: never."""
    block_time: float = 600.0
    """How long; 0: nobody is blocked."""
    auth_failures: int = 10
    """Wrong secrets of one source within ``auth_window`` before it must wait; 0: any number."""
    auth_window: float = 60.0
    auth_block: bool = False
    """Whether such a source is blocked, rather than slowed."""
    overload_delay: float = 0.2
    """How long work may wait before some new work is refused; 0: for ever. The default is well
    below T1, when requests are repeated (RFC 3261 section 17.1.1.2), which is more work yet."""
