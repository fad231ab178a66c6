"""Where loads may go: a list of networks, addresses and names in the settings."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from picosip_server.engine.guard.config import Network

SETTING = "--load-target"


@dataclass(frozen=True, slots=True)
class AllowedNetwork:
    """Addresses, at one port or all (0)."""

    network: Network
    port: int = 0


@dataclass(frozen=True, slots=True)
class AllowedName:
    """A host name, wherever it leads, at one port or all (0)."""

    name: str
    """In lower case."""
    port: int = 0


LOOPBACK = (
    AllowedNetwork(ipaddress.ip_network("127.0.0.0/8")),
    AllowedNetwork(ipaddress.ip_network("::1/128")),
)


@dataclass(frozen=True, slots=True)
class Targets:
    """What loads may reach."""

    allowed: tuple[AllowedNetwork | AllowedName, ...] = LOOPBACK

    def has_name(self, host: str, port: int) -> bool:
        """Whether a name is listed itself; then its addresses need not be."""
        name = host.lower().removesuffix(".")
        return any(
            isinstance(each, AllowedName) and each.name == name and each.port in (0, port)
            for each in self.allowed
        )

    def has_address(self, host: str, port: int) -> bool:
        """Whether an IP address is listed."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(
            isinstance(each, AllowedNetwork)
            and each.network.version == address.version
            and address in each.network
            and each.port in (0, port)
            for each in self.allowed
        )
