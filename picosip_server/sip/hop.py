"""Where a message goes: a target as the URI names it, and a hop as the transport reaches it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import field

from picosip_server.frozen import dataclass
from picosip_server.sip.uri import Uri

SECURE = frozenset({"TLS", "WSS"})
WEBSOCKET = frozenset({"WS", "WSS"})
DEFAULT_PORT = {"UDP": 5060, "TCP": 5060, "TLS": 5061, "WS": 80, "WSS": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What RFC 3263 section 4 resolves: a host, and what the URI says of port and transport.

    Port 0 and an empty transport mean that the URI leaves the choice open.
    """

    host: str
    port: int = 0
    transport: str = ""
    domain: str = ""
    """Whom the certificate of a secure transport must name (RFC 5922); empty: the host."""
    secure: bool = False
    """A SIPS URI: no hop without TLS."""

    @staticmethod
    def of(uri: Uri) -> Target:
        """The target of a SIP or SIPS URI (RFC 3263 section 4: maddr wins over the host)."""
        transport = uri.transport
        if uri.secure and transport:
            # RFC 3261 section 26.2.2: the transport parameter names what is under TLS.
            transport = "WSS" if transport in WEBSOCKET else "TLS"
        return Target(
            host=uri.params.get("maddr") or uri.host,
            port=uri.port or 0,
            transport=transport,
            domain=uri.host if uri.params.get("maddr") else "",
            secure=uri.secure,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The address at which peers see a listener of ours, beyond a NAT (RFC 3581)."""

    transport: str
    listener: int
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One transport address of a peer, with the local address that speaks to it.

    ``local_host`` and ``local_port`` are what Via and Contact show (the advertised
    ones, where such are configured). ``flow`` names an open connection; 0 means
    whichever reaches the address. What a registrar or the far side of a NAT told of us
    stands in ``seen``, ``gruu`` and ``outbound``, and makes another Contact.
    """

    transport: str
    host: str
    port: int
    local_host: str
    local_port: int
    listener: int = 0
    flow: int = 0
    domain: str = field(default="", compare=False)
    """Whom the peer's certificate must name; empty: the host."""
    secure: bool = False
    """On the way of a SIPS URI."""
    seen: Seen | None = None
    gruu: str = ""
    """URI that reaches this user agent from everywhere (RFC 5627); empty: none is known."""
    outbound: bool = False
    """Requests come back over the flow that ours went out by (RFC 5626)."""

    @property
    def reliable(self) -> bool:
        """Whether the transport retransmits by itself."""
        return self.transport != "UDP"

    @property
    def sent_by(self) -> str:
        """The sent-by of a Via over this hop (RFC 3261 section 18.1.1)."""
        return f"{bracketed(self.local_host)}:{self.local_port}"

    @property
    def flow_key(self) -> Hashable:
        """What tells this flow from others: its connection, or its pair of addresses."""
        if self.reliable:
            return ("flow", self.flow)
        return ("UDP", self.listener, self.host, self.port)

    def contact(self, user: str = "") -> str:
        """The Contact header field value by which ``user`` is reached here."""
        if self.gruu:
            return f"<{self.gruu}>"
        who = f"{user}@" if user else ""
        where = self.sent_by
        if self.seen is not None:
            where = f"{bracketed(self.seen.host)}:{self.seen.port}"
        scheme = "sips" if self.secure else "sip"
        kind = f";transport={self.transport.lower()}"
        if self.transport == "UDP" or (self.transport == "TLS" and self.secure):
            # RFC 5630 section 3.1.3: sips says TLS by itself.
            kind = ""
        elif self.transport == "WSS":
            # RFC 7118 section 5.4: there is one value for both.
            kind = ";transport=ws"
        # RFC 5626 section 4.3: without a GRUU, "ob" has the edge send to this flow.
        flow = ";ob" if self.outbound else ""
        return f"<{scheme}:{who}{where}{kind}{flow}>"


def bracketed(host: str) -> str:
    """The host as it stands in a URI or Via: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host
