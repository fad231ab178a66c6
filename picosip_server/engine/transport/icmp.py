"""ICMP errors that datagrams of ours met with (RFC 3261 section 18.4): Linux tells of them."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Callable

BATCH = 64
"""Errors read before others get their turn."""

_HEARD = sys.platform == "linux"
_OPTIONS = {
    socket.AF_INET: (socket.IPPROTO_IP, 11),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 25),
}
"""IP_RECVERR and IPV6_RECVERR, which Python's socket module does not name."""
_extended_err = struct.Struct("=IBBBxII")
"""struct sock_extended_err (linux/errqueue.h): errno, origin, type, code, two more."""
_ICMP, _ICMPV6 = 2, 3
# 18.4: host, network, port or protocol unreachable, and parameter problem; whatever else there
# is (time exceeded, source quench, packet too big) is ignored. RFC 792, RFC 4443 section 2.1.
_UNREACHABLE = {(_ICMP, 3): {4}, (_ICMP, 12): set(), (_ICMPV6, 1): set(), (_ICMPV6, 4): set()}
"""Origin and type of those that tell of a failure, each without these codes: fragmentation
needed is what the system itself deals with."""
_QUOTE = 2048
"""Octets of the datagram that are looked at. Routers send back from 8 to some 500."""

Undelivered = Callable[[bytes, str], None]
"""Gets what is quoted of a datagram, and what became of it."""


class ErrorQueue:
    """What the system keeps for one socket. Costs nothing until an error came."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        if _HEARD:
            level, option = _OPTIONS[sock.family]
            sock.setsockopt(level, option, 1)

    def read(self, tell: Undelivered) -> None:
        """Hands over what is there, a batch at most."""
        if not _HEARD:
            return
        for _ in range(BATCH):
            try:
                data, ancillary, _, peer = self._socket.recvmsg(_QUOTE, 512, socket.MSG_ERRQUEUE)
            except BlockingIOError:
                return
            for level, kind, value in ancillary:
                if (level, kind) == _OPTIONS[self._socket.family]:
                    reason = failure(value)
                    if reason:
                        tell(data, f"cannot send to {peer[0]} port {peer[1]}/UDP: {reason}")


def failure(value: bytes) -> str:
    """What a sock_extended_err tells of; empty where nothing failed for good."""
    error, origin, kind, code, _, _ = _extended_err.unpack_from(value)
    passed_over = _UNREACHABLE.get((origin, kind))
    if passed_over is None or code in passed_over:
        return ""
    return os.strerror(error)
