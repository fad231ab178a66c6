"""Waiting for something with a bound, and ports that the system hands out."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")

_TIME_WAIT = "06"
"""State of a connection that is over; a listener may have its port."""


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


def free_port(*, also_next: bool = False) -> int:
    """A port that is free for UDP and TCP at this moment; with ``also_next`` the one after too.

    Below the range that the system gives to outgoing connections, so that none of these takes it
    before the program does that it is for.
    """
    for _ in range(200):
        port = random.randrange(20000, 32000)
        wanted = (port, port + 1) if also_next else (port,)
        kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
        if not any(is_bound(kind, each) for kind in kinds for each in wanted):
            return port
    raise OSError("no port is free for both UDP and TCP")


def is_bound(kind: socket.SocketKind, port: int) -> bool:
    """Whether somebody holds this port, at any address.

    By the tables of Linux: to try it out by binding would keep the port, if only for a moment,
    from the very program that is waited for.
    """
    tables = ("tcp", "tcp6") if kind is socket.SOCK_STREAM else ("udp", "udp6")
    for table in tables:
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            # After a number: ADDRESS:PORT of both ends, in hexadecimal digits, and a state.
            _, local, _, state, *_ = line.split()
            if int(local.rpartition(":")[2], 16) == port and state != _TIME_WAIT:
                return True
    return False
