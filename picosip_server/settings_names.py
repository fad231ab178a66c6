"""Settings of how names are looked up, and of how long an address is tried."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator
from pydantic_settings import BaseSettings

from picosip_server.addresses import HostPort, is_ip, parse_host_port
from picosip_server.settings_types import REPEATED, SECONDS, Seconds

DNS_PORT = 53

EXPECTED = {
    "dns_server": "ADDR[:PORT], such as 192.0.2.53 or [2001:db8::53]:5353",
    "dns_timeout": SECONDS,
    "sip_t1": SECONDS,
}


def _read(text: str) -> HostPort:
    # An IPv6 address without a port may stand without brackets.
    return HostPort(text, DNS_PORT) if is_ip(text) else parse_host_port(text, default_port=DNS_PORT)


def _server(text: str) -> str:
    found = _read(text)
    if not is_ip(found.host):
        raise ValueError(f"an IP address is needed, not the name {found.host!r}")
    if not found.port:
        raise ValueError("the port must not be 0")
    return str(found)


class NameSettings(BaseSettings):
    """The part of the settings that is about finding peers. Times are seconds."""

    dns_server: Annotated[tuple[Annotated[str, AfterValidator(_server)], ...], *REPEATED] = ()
    """``ADDR[:PORT]`` of name servers; empty: those of the system."""
    dns_timeout: Seconds = 5.0
    """How long name servers have for one question."""
    sip_t1: Seconds = 0.5
    """T1 of RFC 3261; after 64 times that a silent address is given up."""


def dns_servers(settings: NameSettings) -> tuple[tuple[str, int], ...]:
    """The name servers, taken apart."""
    return tuple((found.host, found.port) for found in map(_read, settings.dns_server))
