"""Waiting for something with a bound, and ports that the system hands out."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_until(
    probe: Callable[[], Found | None], *, timeout: float = 10.0, what: str = "the condition"
) -> Found:
    """The first truthy result of ``probe``; ``TimeoutError`` naming ``what`` after ``timeout``."""
    deadline = time.monotonic() + timeout
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {timeout} s")
        time.sleep(0.01)


def family_of(host: str) -> socket.AddressFamily:
    """Of an IP address."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def free_port(host: str = "127.0.0.1", *, also_next: bool = False) -> int:
    """A port that is free for UDP and TCP at this moment; with ``also_next`` the one after too.

    Below the range that the system gives to outgoing connections, so that none of these takes it
    before the program does that it is for.
    """
    for _ in range(200):
        port = random.randrange(20000, 32000)
        wanted = (port, port + 1) if also_next else (port,)
        kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
        if not any(is_bound(kind, each, host) for kind in kinds for each in wanted):
            return port
    raise OSError("no port is free for both UDP and TCP")


def is_bound(kind: socket.SocketKind, port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody holds this port."""
    with socket.socket(family_of(host), kind) as probe:
        if kind is socket.SOCK_STREAM:
            # Connections in TIME_WAIT do not count, a listener does.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
        return False
