"""Addresses as people write them in settings: ``HOST:PORT``, ``[IPv6]:PORT``, ``unix:PATH``."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_SPLIT = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([^:]*))?")
_UNIX = "unix:"


class HostPort(NamedTuple):
    """A host and a port."""

    host: str
    """IP address or name, IPv6 without brackets."""
    port: int
    """0 to 65535."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_ip(host: str) -> bool:
    """Whether this is an IPv4 or IPv6 address, the latter without brackets."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach this host."""
    return host == "localhost" or (is_ip(host) and ipaddress.ip_address(host).is_loopback)


def parse_host(text: str) -> str:
    """A host without port: name, IPv4 address, or IPv6 address in brackets or not.

    Gives it without brackets. Raises ValueError if it is neither.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if is_ip(bare) and (bare == text or ":" in bare):
        return bare
    # Digits and dots alone are a mistyped address, not a name (RFC 1123 section 2.1).
    if bare != text or not _NAME.fullmatch(text) or not re.search("[A-Za-z]", text):
        raise ValueError(f"{text!r} is no IP address and no host name")
    return text


def parse_host_port(text: str, *, default_port: int | None = None) -> HostPort:
    """Reads ``HOST:PORT``; the port may be missing where there is a default for it.

    Raises ValueError with what is wrong.
    """
    split = _SPLIT.fullmatch(text)
    if split is None:
        raise ValueError("an IPv6 address stands in brackets, as in [::1]:5060")
    host, port = split.groups()
    if not host:
        raise ValueError("the host is missing")
    if port is None:
        if default_port is None:
            raise ValueError("the port is missing")
        return HostPort(parse_host(host), default_port)
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(f"the port must be a number from 0 to 65535, not {port!r}")
    return HostPort(parse_host(host), int(port))


def unix_path(text: str) -> str | None:
    """The path of ``unix:PATH``; None for any other address. Raises ValueError if it is empty."""
    if not text.startswith(_UNIX):
        return None
    path = text.removeprefix(_UNIX)
    if not path:
        raise ValueError("the path after unix: is missing")
    return path
