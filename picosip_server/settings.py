"""What a server is told at its start: by flag, by ``PICOSIP_*`` variable, by TOML file.

A flag wins over the environment, the environment over the file, the file over the defaults.
"""

from __future__ import annotations

import os
import re
import secrets
import string
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from picosip_server import settings_guard as guard, settings_load as loads, settings_names as names
from picosip_server.addresses import HostPort, is_ip, parse_host_port, unix_path
from picosip_server.engine.config import EngineConfig, ListenerSpec, TlsFiles
from picosip_server.settings_file import SettingsError, SettingsFile, read_settings_file
from picosip_server.settings_guard import GuardSettings
from picosip_server.settings_load import LoadSettings
from picosip_server.settings_names import NameSettings
from picosip_server.settings_types import REPEATED, SECONDS, Seconds
from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import is_token
from picosip_server.sip.timers import Timers
from picosip_server.sip.uri import Uri, is_urn
from picosip_server.tls_files import check_authority, check_pair
from picosip_server.users import UsersFile, read_users

PREFIX = "PICOSIP_"
TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")
_MEDIA_TYPE = re.compile(r"[!#-'*+.0-9A-Z^-z|~-]+/[!#-'*+.0-9A-Z^-z|~-]+")
_NODE = re.compile(r"[a-z0-9]{4,8}")

_PATH = "the path of a file"
_EXPECTED = {
    **guard.EXPECTED,
    **names.EXPECTED,
    **loads.EXPECTED,
    "max_loads": "a whole number, 0 or more",
    "challenge_listener": "one of the addresses of --sip, as it stands there",
    "grpc": "ADDR:PORT or unix:PATH, such as 127.0.0.1:50051",
    "sip": "TRANSPORT:ADDR:PORT, such as udp:0.0.0.0:5060 or tcp:[::]:5060",
    "sip_tls_cert": _PATH,
    "sip_tls_key": _PATH,
    "sip_tls_ca": _PATH,
    "sip_tls_client_cert": _PATH,
    "sip_tls_client_key": _PATH,
    "sip_tls_verify_client": "true or false",
    "advertise": "HOST[:PORT], such as sip.example.com or 203.0.113.7:5060",
    "outbound_proxy": "a SIP URI, such as sip:proxy.example.com;lr",
    "accept": "a media type, such as application/pidf+xml",
    "users": _PATH,
    "tls_cert": _PATH,
    "tls_key": _PATH,
    "tls_client_ca": _PATH,
    "instance_id": "a URN, such as urn:uuid:00000000-0000-1000-8000-000a95a0e128",
    "register_rate": "a number of REGISTERs in a second, 0 for no bound",
    "workers": "a whole number from 0 to 256",
    "max_calls": "a whole number above 0",
    "event_log_size": "a whole number above 0",
    "stream_batch": "a whole number above 0",
    "stream_delay": "a number of seconds from 0 to 1",
    "stream_commands": "a whole number above 0",
    "attach_wait": SECONDS,
    "answer_timeout": SECONDS,
    "respond_timeout": SECONDS,
    "trunk": "a SIP URI, such as sip:gateway.example.com",
    "trunk_interval": SECONDS,
    "offer_timeout": SECONDS,
    "session_expires": "a number of seconds, 0 or more",
    "min_se": SECONDS,
    "min_subscription": "a number of seconds, 0 or more",
    "allow_event": "an event package, such as presence",
    "drain_timeout": "a number of seconds, 0 or more",
    "metrics": "ADDR:PORT, such as 127.0.0.1:9090",
    "log_format": "json or console",
    "log_level": "debug, info, warning or error",
    "ready_file": _PATH,
    "node": "4 to 8 of the characters a-z and 0-9",
}


def _grpc_address(text: str) -> str:
    return text if unix_path(text) is not None else str(parse_host_port(text))


def _sip_address(text: str) -> str:
    transport, _, address = text.partition(":")
    if transport.lower() not in TRANSPORTS:
        raise ValueError(f"the transport must be one of {', '.join(TRANSPORTS)}, not {transport!r}")
    found = parse_host_port(address)
    if not is_ip(found.host):
        raise ValueError(f"an IP address of this machine is needed, not the name {found.host!r}")
    return f"{transport.lower()}:{found}"


def _advertised(text: str) -> str:
    if text:
        parse_host_port(text, default_port=0)
    return text


def _proxy(text: str) -> str:
    if text:
        try:
            uri = Uri.parse(text)
        except ParseError as error:
            raise ValueError(str(error)) from error
        if not uri.is_sip:
            raise ValueError(f"the scheme must be sip or sips, not {uri.scheme!r}")
    return text


def _event_package(value: str) -> str:
    if not is_token(value):
        raise ValueError("this is no event package")
    return value


def _trunk(text: str) -> str:
    # As the state of the trunk is shown later, and compared.
    return str(Uri.parse(_proxy(text)))


def _instance_id(text: str) -> str:
    if text and not is_urn(text):
        raise ValueError("this is no URN")
    return text


def _metrics_address(text: str) -> str:
    return str(parse_host_port(text))


def _media_type(text: str) -> str:
    if not _MEDIA_TYPE.fullmatch(text):
        raise ValueError("this is no media type")
    return text.lower()


def _node(text: str) -> str:
    if not _NODE.fullmatch(text):
        raise ValueError("this is no name of a node")
    return text


def _readable(path: Path) -> Path:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    return path


def _in_writable_folder(path: Path) -> Path:
    if not (path.parent.is_dir() and os.access(path.parent, os.W_OK | os.X_OK)):
        raise ValueError(f"the folder {path.parent} is missing or cannot be written")
    return path


def _users_file(value: object) -> object:
    if isinstance(value, str | Path):
        return UsersFile(path=Path(value), users=read_users(Path(value)))
    return value


def _random_node() -> str:
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(6))


def _log_format() -> Literal["json", "console"]:
    return "console" if sys.stderr.isatty() else "json"


GrpcAddress = Annotated[str, AfterValidator(_grpc_address)]
SipAddress = Annotated[str, AfterValidator(_sip_address)]
MediaType = Annotated[str, AfterValidator(_media_type)]
Trunk = Annotated[str, AfterValidator(_trunk)]
EventPackage = Annotated[str, AfterValidator(_event_package)]
Readable = Annotated[Path, AfterValidator(_readable)]


class Settings(NameSettings, GuardSettings, LoadSettings):
    """All settings, checked; made by ``load``. Times are seconds."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )

    config: Annotated[InstanceOf[SettingsFile] | None, NoDecode] = None
    """The TOML file that others stand in."""
    grpc: Annotated[tuple[GrpcAddress, ...], *REPEATED, Field(min_length=1)] = ("127.0.0.1:50051",)
    """``ADDR:PORT``, IPv6 in brackets, or ``unix:PATH``."""
    sip: Annotated[tuple[SipAddress, ...], *REPEATED, Field(min_length=1)] = (
        "udp:0.0.0.0:5060",
        "tcp:0.0.0.0:5060",
    )
    """``udp``, ``tcp``, ``tls``, ``ws`` or ``wss``, an IP address, a port."""
    challenge_listener: Annotated[tuple[SipAddress, ...], *REPEATED] = ()
    """Those of ``sip`` where requests are challenged; empty: all."""
    sip_tls_cert: Readable | None = None
    """Certificate chain for SIP over TLS and WSS, PEM; it is read again when it changes."""
    sip_tls_key: Annotated[Readable | None, Field(validate_default=True)] = None
    sip_tls_ca: Readable | None = None
    """Authorities that SIP peers' certificates are checked by; None: the system's."""
    sip_tls_client_cert: Readable | None = None
    """Chain that is shown where this server connects; None: ``sip_tls_cert``."""
    sip_tls_client_key: Readable | None = None
    sip_tls_verify_client: bool = False
    """Whoever connects by TLS or WSS must show a certificate."""
    advertise: Annotated[str, AfterValidator(_advertised)] = ""
    """``HOST[:PORT]`` for Via and Contact; empty: the address of the socket."""
    outbound_proxy: Annotated[str, AfterValidator(_proxy)] = ""
    """URI of the proxy for requests outside dialogs; empty: none."""
    trunk: Annotated[tuple[Trunk, ...], *REPEATED] = ()
    """URIs that are pinged by OPTIONS."""
    trunk_interval: Seconds = 30.0
    instance_id: Annotated[str, AfterValidator(_instance_id)] = ""
    """URN that all registrations show; empty: only those over flows, one made from ``node``."""
    register_rate: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 100.0
    """REGISTERs begun in a second at most; 0: no bound."""
    accept: Annotated[tuple[MediaType, ...], *REPEATED] = ()
    """Body types taken in an INVITE besides application/sdp."""
    users: Annotated[InstanceOf[UsersFile] | None, NoDecode, BeforeValidator(_users_file)] = None
    """Who must authenticate; None: nobody is challenged."""
    tls_cert: Readable | None = None
    """Certificate chain of the gRPC server, PEM; None: plaintext."""
    tls_key: Readable | None = None
    tls_client_ca: Readable | None = None
    """With it, a gRPC client needs a certificate that this authority signed."""
    workers: Annotated[int, Field(ge=0, le=256)] = 0
    """Engine threads; 0: the event loop's own with the GIL, the number of cores without."""
    max_calls: Annotated[int, Field(ge=1)] = 200_000
    event_log_size: Annotated[int, Field(ge=1)] = 100_000
    """Events kept for streams that resume."""
    stream_batch: Annotated[int, Field(ge=1)] = 64
    """Events, or results of commands, in one response of a stream."""
    stream_delay: Annotated[float, Field(ge=0, le=1)] = 0.002
    """How long they wait for more of them, where one has gone out just before."""
    stream_commands: Annotated[int, Field(ge=1)] = 50_000
    """Commands of one Control stream that may be without a result; then it is not read."""
    attach_wait: Seconds = 2.0
    answer_timeout: Seconds = 180.0
    respond_timeout: Seconds = 10.0
    offer_timeout: Seconds = 10.0
    session_expires: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1800.0
    """Session interval that our INVITEs ask for (RFC 4028); 0: none."""
    min_se: Seconds = 90.0
    """The smallest session interval taken from the far end."""
    min_subscription: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """The shortest subscription that is granted to others."""
    allow_event: Annotated[tuple[EventPackage, ...], *REPEATED] = ()
    """Event packages that others may subscribe to; empty: any."""
    drain_timeout: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 30.0
    metrics: Annotated[str, AfterValidator(_metrics_address)] | None = None
    """``ADDR:PORT`` for Prometheus; None: no metrics."""
    log_format: Literal["json", "console"] = Field(default_factory=_log_format)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    ready_file: Annotated[Path, AfterValidator(_in_writable_folder)] | None = None
    node: Annotated[str, AfterValidator(_node)] = Field(default_factory=_random_node)
    """Part of every resource name; by default another one at each start."""

    @property
    def metrics_address(self) -> HostPort | None:
        """``metrics``, taken apart."""
        return None if self.metrics is None else parse_host_port(self.metrics)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, environment, TOML file, in this order."""
        file = init_settings().get("config")
        values = dict(file.values) if isinstance(file, SettingsFile) else {}
        return init_settings, env_settings, InitSettingsSource(settings_cls, values)

    # Fields stand in the order in which they are checked. One that was at fault itself is
    # absent from ``info.data``: it has its own line.

    @field_validator("challenge_listener", mode="after")
    @classmethod
    def _among_listeners(cls, chosen: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for address in chosen:
            if address not in info.data.get("sip", chosen):
                raise ValueError(f"{address} is not among the listeners (--sip)")
        return chosen

    @field_validator("sip_tls_key", "sip_tls_client_key", mode="after")
    @classmethod
    def _sip_key_beside_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        name = str(info.field_name).replace("key", "cert")
        cert = info.data.get(name)
        if name in info.data and (cert is None) != (key is None):
            raise ValueError(f"a certificate ({flag(name)}) and its key need each other")
        if cert is not None and key is not None:
            check_pair(cert, key)
        # None given is looked at only where something needs it.
        secure = [each for each in info.data.get("sip", ()) if each.startswith(("tls:", "wss:"))]
        if secure and info.field_name == "sip_tls_key" and cert is None and name in info.data:
            raise ValueError(f"{secure[0]} needs a certificate: give --sip-tls-cert and its key")
        return key

    @field_validator("sip_tls_ca", mode="after")
    @classmethod
    def _sip_authority(cls, ca: Path | None) -> Path | None:
        if ca is not None:
            check_authority(ca)
        return ca

    @field_validator("tls_key", mode="after")
    @classmethod
    def _key_beside_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        cert = info.data.get("tls_cert")
        if "tls_cert" in info.data and (cert is None) != (key is None):
            raise ValueError("a certificate (--tls-cert) and its key (--tls-key) need each other")
        if cert is not None and key is not None:
            check_pair(cert, key)
        return key

    @field_validator("tls_client_ca", mode="after")
    @classmethod
    def _authority_beside_certificate(cls, ca: Path | None, info: ValidationInfo) -> Path | None:
        if ca is not None and info.data.get("tls_cert", ca) is None:
            raise ValueError("clients can only be verified over TLS: --tls-cert is missing")
        if ca is not None:
            check_authority(ca)
        return ca

    @field_validator("metrics", mode="after")
    @classmethod
    def _metrics_apart(cls, metrics: str | None, info: ValidationInfo) -> str | None:
        if metrics in info.data.get("grpc", ()) and not str(metrics).endswith(":0"):
            raise ValueError("this address is one of --grpc already")
        return metrics


def flag(name: str) -> str:
    """The command-line flag of a setting."""
    return "--" + name.replace("_", "-")


def load(flags: Mapping[str, object]) -> Settings:
    """Settings from flags (name with underscores to value), environment and file.

    Raises SettingsError with a line for each fault.
    """
    path = flags.get("config") or os.environ.get(PREFIX + "CONFIG")
    known = Settings.model_fields.keys() - {"config"}
    file = read_settings_file(Path(str(path)), known=known) if path else None
    given: dict[str, Any] = {**flags, "config": file}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    else:
        _check_challenge(settings, flags, file)
        return settings
    raise SettingsError(
        *(
            f"{_origin(str(fault['loc'][0]), flags, file)}{line}"
            for fault in faults
            for line in _lines(str(fault["loc"][0]), fault["input"], fault.get("ctx", {}))
        )
    )


def _check_challenge(
    settings: Settings, flags: Mapping[str, object], file: SettingsFile | None
) -> None:
    """Who asks for challenges and names nobody who could answer them would be open to all."""
    if settings.users is not None:
        return
    asked = [
        name
        for name in ("challenge", "challenge_listener")
        if name in settings.model_fields_set and getattr(settings, name)
    ]
    if asked:
        raise SettingsError(
            *(
                f"{_origin(name, flags, file)}: nobody is challenged without users: "
                "give --users as well"
                for name in asked
            )
        )


def _origin(name: str, flags: Mapping[str, object], file: SettingsFile | None) -> str:
    """Where the value of a setting came from."""
    variable = PREFIX + name.upper()
    if name in flags:
        return flag(name)
    if any(key.upper() == variable and value for key, value in os.environ.items()):
        return variable
    if file is not None and name in file.values:
        return f"{file.path}: {name} ="
    return flag(name)


def _lines(name: str, value: object, context: Mapping[str, object]) -> list[str]:
    """What is wrong with a value and what would be right, once for each fault."""
    shown = "" if value is None else f" {(str(value) if isinstance(value, Path) else value)!r}"
    expected = f"expected {_EXPECTED[name]}"
    reasons = str(context.get("error", "")).splitlines()
    if reasons and _EXPECTED[name] != _PATH:
        # Of a file's content there is more to say than fits here.
        reasons = [f"{reason}; {expected}" for reason in reasons]
    return [f"{shown}: {reason}" for reason in reasons or [expected]]


def engine_config(settings: Settings) -> EngineConfig:
    """What the engine must know of the settings."""
    host, port = (
        parse_host_port(settings.advertise, default_port=0) if settings.advertise else ("", 0)
    )
    return EngineConfig(
        listeners=tuple(_listener(text) for text in settings.sip),
        node=settings.node,
        tls=TlsFiles(
            cert=_path(settings.sip_tls_cert),
            key=_path(settings.sip_tls_key),
            ca=_path(settings.sip_tls_ca),
            client_cert=_path(settings.sip_tls_client_cert),
            client_key=_path(settings.sip_tls_client_key),
            verify_client=settings.sip_tls_verify_client,
        ),
        advertise_host=host,
        advertise_port=port,
        dns_servers=names.dns_servers(settings),
        dns_timeout=settings.dns_timeout,
        timers=Timers(t1=settings.sip_t1),
        idle_timeout=settings.idle_timeout,
        outbound_proxy=settings.outbound_proxy,
        instance_id=settings.instance_id,
        register_rate=settings.register_rate,
        workers=settings.workers,
        attach_wait=settings.attach_wait,
        answer_timeout=settings.answer_timeout,
        respond_timeout=settings.respond_timeout,
        offer_timeout=settings.offer_timeout,
        session_expires=settings.session_expires,
        min_se=settings.min_se,
        min_expires=settings.min_subscription,
        allow_events=settings.allow_event,
        trunks=settings.trunk,
        trunk_interval=settings.trunk_interval,
        accept=settings.accept,
        users=settings.users.users if settings.users is not None else (),
        max_calls=settings.max_calls,
        max_transactions=settings.max_transactions,
        challenge=settings.challenge,
        challenge_listeners=_challenging(settings),
        guard=guard.guard_config(settings),
    )


def _challenging(settings: Settings) -> frozenset[int] | None:
    chosen = settings.challenge_listener
    if not chosen:
        return None
    return frozenset(index for index, text in enumerate(settings.sip) if text in chosen)


def _path(path: Path | None) -> str:
    return "" if path is None else str(path)


def _listener(text: str) -> ListenerSpec:
    transport, _, address = text.partition(":")
    host, port = parse_host_port(address)
    return ListenerSpec(transport=transport.upper(), host=host, port=port)
