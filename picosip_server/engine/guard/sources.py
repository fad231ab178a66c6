"""Sources of messages: by whom they are counted, and a bounded table of them."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Generic, TypeVar

from picosip_server.engine.guard.config import GuardConfig, Network
from picosip_server.frozen import dataclass

MOST_SOURCES = 50_000
"""Sources that are remembered; beyond, the one not heard of for longest is forgotten."""
MOST_KNOWN = 8192
"""Addresses whose standing is remembered."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Standing:
    """What the configuration says of an address."""

    admitted: bool
    """Whether it may send at all."""
    exempt: bool
    """Whether it is never limited and never blocked."""
    key: str
    """What it is counted under: an IPv6 peer has a /64 to choose addresses from."""


class Sources:
    """The lists of networks, and what they mean for an address. Asked from all workers."""

    def __init__(self, config: GuardConfig) -> None:
        self._config = config
        self.standing = lru_cache(maxsize=MOST_KNOWN)(self._standing)

    def _standing(self, host: str) -> Standing:
        config = self._config
        address = ipaddress.ip_address(host)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        admitted = not _within(address, config.deny) and (
            not config.allow or _within(address, config.allow)
        )
        exempt = _within(address, config.trust) or (address.is_loopback and not config.loopback)
        return Standing(admitted, exempt, _key(address))


class Table(Generic[T]):
    """One value for each source, made when first asked for, and no more than ``most``."""

    def __init__(self, make: Callable[[], T], most: int = MOST_SOURCES) -> None:
        self._make = make
        self._most = most
        self._values: OrderedDict[str, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def of(self, key: str) -> T:
        """The value of a source, which counts as heard of now."""
        value = self._values.get(key)
        if value is None:
            value = self._values[key] = self._make()
            if len(self._values) > self._most:
                self._values.popitem(last=False)
        else:
            self._values.move_to_end(key)
        return value

    def known(self, key: str) -> T | None:
        """The value of a source, if there is one; nothing changes."""
        return self._values.get(key)

    def drop(self, key: str) -> None:
        """Forgets a source."""
        self._values.pop(key, None)


def _within(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: tuple[Network, ...]
) -> bool:
    return any(address in network for network in networks)


def _key(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if address.version == 4:
        return str(address)
    return str(ipaddress.IPv6Network((int(address), 64), strict=False))
