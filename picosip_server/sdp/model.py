"""A session description as values (RFC 8866 section 5).

Text is octets decoded as UTF-8 with surrogateescape, so that any octet comes
through unchanged. Empty text means that the line or subfield is not there, and
``complete`` gives it its default where the RFC wants one.
"""

from __future__ import annotations

from picosip_server.frozen import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One a= line (section 5.13)."""

    name: str
    value: str | None = None
    """None for a property attribute ("a=sendrecv"); "" for "a=x:"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The o= line (section 5.2)."""

    username: str = ""
    """Empty: "-"."""
    session_id: str = ""
    """Decimal digits: the RFC sets no upper bound."""
    session_version: str = ""
    """Decimal digits; goes up with each change of the description."""
    network_type: str = ""
    """Empty: "IN"."""
    address_type: str = ""
    """Empty: "IP6" where the address has a colon, else "IP4"."""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A c= line (section 5.7)."""

    network_type: str = ""
    """Empty: "IN"."""
    address_type: str = ""
    """Empty: "IP6" where the address has a colon, else "IP4"."""
    address: str = ""
    """With "/ttl/count" behind a multicast address, as on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """A b= line (section 5.8)."""

    type: str
    value: int
    """Kilobits per second for "CT" and "AS"; else as the type says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """A t= line with its r= and z= lines (sections 5.9 to 5.11).

    Times are seconds since 1900-01-01 UTC; 0 and 0 is a permanent session.
    """

    start: int = 0
    stop: int = 0
    repeats: tuple[str, ...] = ()
    """What stands behind each "r=", as on the wire."""
    zone: str = ""
    """What stands behind "z=", as on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An m= line and what follows it (section 5.14)."""

    type: str
    """ "audio", "video", "application"..."""
    port: int
    """0 refuses or ends a stream (RFC 3264 section 6)."""
    port_count: int = 0
    """Number of ports where the line says one; 0 where it does not, which means one."""
    protocol: str
    """ "RTP/AVP", "UDP/TLS/RTP/SAVPF"..."""
    formats: tuple[str, ...] = ()
    information: str = ""
    connections: tuple[Connection, ...] = ()
    bandwidths: tuple[Bandwidth, ...] = ()
    key: str = ""
    """What stands behind "k=": obsolete, carried only so that nothing is lost."""
    attributes: tuple[Attribute, ...] = ()
    """In wire order, repeats kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDescription:
    """A whole description, of version 0."""

    origin: Origin | None = None
    session_name: str = ""
    """Empty: "-"."""
    information: str = ""
    uri: str = ""
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    connection: Connection | None = None
    bandwidths: tuple[Bandwidth, ...] = ()
    timings: tuple[Timing, ...] = ()
    """Empty: a permanent session, "t=0 0"."""
    key: str = ""
    """What stands behind "k=": obsolete, carried only so that nothing is lost."""
    attributes: tuple[Attribute, ...] = ()
    """In wire order, repeats kept."""
    media: tuple[Media, ...] = ()
