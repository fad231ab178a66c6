"""What the engine is told at its start; nothing of it changes while it runs."""

from __future__ import annotations

from dataclasses import field

from picosip_server.engine.guard.config import GuardConfig
from picosip_server.frozen import dataclass
from picosip_server.sip.auth.users import User
from picosip_server.sip.timers import Timers


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSpec:
    """A transport address to listen on, or listened on."""

    transport: str
    """``UDP``, ``TCP``, ``TLS``, ``WS`` or ``WSS``."""
    host: str
    """IP address, IPv6 without brackets."""
    port: int
    """0 lets the system choose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Paths of PEM files for TLS under SIP; empty: none."""

    cert: str = ""
    """Chain of this server."""
    key: str = ""
    ca: str = ""
    """Authorities that peers' certificates are checked by; empty: the system's."""
    client_cert: str = ""
    """Chain that we show where we connect; empty: the server's."""
    client_key: str = ""
    verify_client: bool = False
    """Whoever connects must show a certificate."""

    def paths(self) -> tuple[str, ...]:
        """Those that are there."""
        names = (self.cert, self.key, self.ca, self.client_cert, self.client_key)
        return tuple(filter(None, names))


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Settings of the engine. Times are seconds."""

    listeners: tuple[ListenerSpec, ...]
    node: str
    """4 to 8 characters of [a-z0-9]: part of every resource name that this server makes."""
    tls: TlsFiles = TlsFiles()
    """For TLS and WSS."""
    advertise_host: str = ""
    """Host for Via and Contact, where peers see another one than the sockets do."""
    advertise_port: int = 0
    dns_servers: tuple[tuple[str, int], ...] = ()
    """Name servers, IP address and port; empty: those of the system."""
    dns_timeout: float = 5.0
    """How long a name server has for one question."""
    idle_timeout: float = 300.0
    """How long nothing may go over a connection that nobody needs; 0: for ever."""
    outbound_proxy: str = ""
    """URI that requests outside dialogs are routed through; empty: none."""
    instance_id: str = ""
    """URN shown in all REGISTERs (RFC 5626 section 4.1); empty: only where one is needed."""
    register_rate: float = 100.0
    """REGISTERs begun in a second at most, by all workers together; 0: no bound."""
    workers: int = 0
    """Threads; 0: one where CPython holds the GIL, else one for each core."""
    attach_wait: float = 2.0
    """How long an incoming call waits for an application to listen."""
    answer_timeout: float = 180.0
    """How long an incoming call waits for an application's answer."""
    respond_timeout: float = 10.0
    """How long an incoming request waits for Respond."""
    offer_timeout: float = 10.0
    """How long the far end's offer waits for the application's answer."""
    session_expires: float = 1800.0
    """Session interval that our INVITEs ask for (RFC 4028); 0: none."""
    min_se: float = 90.0
    """The smallest session interval taken from the far end."""
    trunks: tuple[str, ...] = ()
    """URIs that are pinged by OPTIONS for as long as the engine runs."""
    trunk_interval: float = 30.0
    """From ping to ping."""
    min_expires: float = 0.0
    """The shortest subscription that is granted here."""
    allow_events: tuple[str, ...] = ()
    """Event packages that may be subscribed to here; empty: any."""
    accept: tuple[str, ...] = ()
    """Body types that an INVITE may carry besides application/sdp."""
    users: tuple[User, ...] = ()
    """Who may authenticate here; empty: no challenge."""
    challenge: tuple[str, ...] = ("INVITE", "REGISTER")
    """Methods that are challenged; ``*``: all but ACK, CANCEL, and (unless named) BYE, PRACK."""
    challenge_listeners: frozenset[int] | None = None
    """Indexes of the listeners where that is so; None: all."""
    max_calls: int = 200_000
    max_transactions: int = 500_000
    guard: GuardConfig = field(default_factory=GuardConfig)
    user_agent: str = "picoSIP"
    timers: Timers = field(default_factory=Timers)
