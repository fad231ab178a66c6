"""One UDP socket."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

import structlog

from picosip_server.engine.config import ListenerSpec
from picosip_server.engine.network import Unreachable
from picosip_server.engine.transport.icmp import ErrorQueue, Undelivered

BUFFER = 4 * 1024 * 1024
"""Receive buffer asked for: the system's usual 212 kB is where bursts get lost."""
BATCH = 256
"""Datagrams read before timers and commands get their turn: more than are handled meanwhile, so
that they wait where they can be told apart, and not in the system's buffer."""
_LONGEST = 65535
"""Octets of the longest datagram there is."""

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
            self._errors = ErrorQueue(self.socket)
        except OSError:
            self.socket.close()
            raise
        # One for all datagrams: each of its own would be asked of the allocator at this size
        # first, and cut down after.
        self._room = bytearray(_LONGEST)
        self._octets = memoryview(self._room)
        name = self.socket.getsockname()
        self.bound = ListenerSpec(transport="UDP", host=spec.host, port=name[1])
        granted = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        _log.debug("udp bound", host=spec.host, port=name[1], receive_buffer=granted)

    def read(self, take: Callable[[bytes, str, int], None], undelivered: Undelivered) -> None:
        """Hands over what has come in, a batch at most, and what ICMP errors tell of."""
        receive, room, octets = self.socket.recvfrom_into, self._room, self._octets
        for count in range(BATCH):
            try:
                length, peer = receive(room)
            except BlockingIOError:
                if not count:
                    # The loop saw something, and it is no datagram.
                    self._errors.read(undelivered)
                return
            except OSError as error:
                # An ICMP error of an earlier datagram.
                _log.debug("udp receive", error=str(error))
                self._errors.read(undelivered)
                return
            take(bytes(octets[:length]), peer[0], peer[1])

    def send(self, data: bytes, host: str, port: int) -> None:
        """Sends one datagram. A full send buffer loses it, as the network may: timers repeat it.

        Raises:
            Unreachable: the system refuses to send it.
        """
        try:
            self.socket.sendto(data, (host, port))
        except BlockingIOError:
            _log.debug("udp send buffer full", host=host, port=port)
        except OSError:
            self._send_again(data, host, port)
        except OverflowError as error:
            raise Unreachable(_reason(host, port, str(error))) from None

    def _send_again(self, data: bytes, host: str, port: int) -> None:
        """The error may be that of an earlier datagram to somebody else, which Linux reports
        once to whoever comes next: in the error queue it stands as well."""
        for last in (False, False, True):
            try:
                self.socket.sendto(data, (host, port))
            except BlockingIOError:
                _log.debug("udp send buffer full", host=host, port=port)
            except OSError as error:
                if not last:
                    continue
                raise Unreachable(_reason(host, port, error.strerror or str(error))) from None
            return

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


def _reason(host: str, port: int, why: str) -> str:
    return f"cannot send to {host} port {port}/UDP: {why}"
