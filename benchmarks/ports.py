"""Ports that are free, and waiting until a program has taken one."""

from __future__ import annotations

import random
import socket
import time

from benchmarks.process import Process

HOST = "127.0.0.1"


def free_port(*, also_next: bool = False) -> int:
    """A port free for UDP and TCP now; with ``also_next`` the one after it too.

    From below the range that the system gives to outgoing connections, so that none of these
    takes it before the program does that it is for.
    """
    for _ in range(200):
        port = random.randrange(20_000, 32_000)
        wanted = (port, port + 1) if also_next else (port,)
        kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
        if not any(_is_bound(kind, each) for kind in kinds for each in wanted):
            return port
    raise OSError("no port is free for both UDP and TCP")


def wait_bound(
    process: Process, port: int, kind: socket.SocketKind, patience: float = 10.0
) -> None:
    """Until somebody holds this port; raises if ``process`` ends first or time runs out."""
    deadline = time.monotonic() + patience
    while not _is_bound(kind, port):
        process.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{process.command[0]} did not bind port {port} in {patience} s")
        time.sleep(0.01)


def _is_bound(kind: socket.SocketKind, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:
            # Connections in TIME_WAIT do not count, a listener does.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False
