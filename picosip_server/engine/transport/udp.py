"""One UDP socket."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

import structlog

from picosip_server.engine.config import ListenerSpec
from picosip_server.engine.network import Unreachable

BUFFER = 4 * 1024 * 1024
"""Receive buffer asked for: the system's usual 212 kB is where bursts get lost."""
BATCH = 256
"""Datagrams read before timers and commands get their turn: more than are handled meanwhile, so
that they wait where they can be told apart, and not in the system's buffer."""

_SO_MEMINFO = 55
"""Linux: figures of a socket's memory (linux/sock_diag.h), the last of them what was dropped."""
_MEMINFO = struct.Struct("9I")
_DROPS = 8

_log = structlog.get_logger("picosip.engine")


class UdpSocket:
    """Bound at once; read when the loop says so."""

    def __init__(self, spec: ListenerSpec) -> None:
        family = socket.AF_INET6 if ":" in spec.host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            if family == socket.AF_INET6:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            self.socket.setblocking(False)
            self.socket.bind((spec.host, spec.port))
        except OSError:
            self.socket.close()
            raise
        name = self.socket.getsockname()
        self.bound = ListenerSpec(transport="UDP", host=spec.host, port=name[1])
        granted = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        _log.debug("udp bound", host=spec.host, port=name[1], receive_buffer=granted)

    def read(self, take: Callable[[bytes, str, int], None]) -> None:
        """Hands over what has come in, a batch at most."""
        receive = self.socket.recvfrom
        for _ in range(BATCH):
            try:
                data, peer = receive(65535)
            except BlockingIOError:
                return
            except OSError as error:
                # An ICMP error of an earlier datagram, reported here by some systems.
                _log.debug("udp receive", error=str(error))
                return
            take(data, peer[0], peer[1])

    def send(self, data: bytes, host: str, port: int) -> None:
        """Sends one datagram. A full send buffer loses it, as the network may: timers repeat it.

        Raises:
            Unreachable: the system refuses to send it.
        """
        try:
            self.socket.sendto(data, (host, port))
        except BlockingIOError:
            _log.debug("udp send buffer full", host=host, port=port)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise Unreachable(f"cannot send to {host} port {port}/UDP: {reason}") from None

    @property
    def lost(self) -> int:
        """Datagrams that found the receive buffer full; 0 where the system does not say."""
        try:
            figures = self.socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
            return int(_MEMINFO.unpack(figures)[_DROPS])
        except (OSError, struct.error):
            return 0

    def close(self) -> None:
        """Closes the socket."""
        self.socket.close()
