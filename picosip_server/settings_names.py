"""Settings of how peers are found, how long an address is tried and a connection is kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from picosip_server.addresses import HostPort, is_ip, parse_host_port
from picosip_server.settings_types import REPEATED, SECONDS, NotNegative, Seconds

DNS_PORT = 53

EXPECTED = {
    "dns_server": "ADDR[:PORT], such as 192.0.2.53 or [2001:db8::53]:5353",
    "dns_timeout": SECONDS,
    "sip_t1": SECONDS,
    "idle_timeout": "a number of seconds, at least 64 times --sip-t1, or 0 for no limit",
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
    idle_timeout: NotNegative = 300.0
    """How long nothing may go over a connection that nobody needs; 0: for ever."""

    @field_validator("idle_timeout", mode="after")
    @classmethod
    def _longer_than_a_transaction(cls, seconds: float, info: ValidationInfo) -> float:
        # RFC 3261 section 18.
        least = 64 * info.data.get("sip_t1", 0.0)
        if 0 < seconds < least:
            raise ValueError(f"a transaction may take {least:g} s")
        return seconds


def dns_servers(settings: NameSettings) -> tuple[tuple[str, int], ...]:
    """The name servers, taken apart."""
    return tuple((found.host, found.port) for found in map(_read, settings.dns_server))
