"""The ways to a running server: a datagram socket, a connection, a WebSocket."""

from __future__ import annotations

import base64
import contextlib
import os
import random
import re
import socket
import struct

Address = tuple[str, int]


class Datagrams:
    """Over UDP."""

    transport = "UDP"

    def __init__(self, server: Address) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.connect(server)
        self.here = "{}:{}".format(*self._socket.getsockname())

    def send(self, data: bytes) -> None:
        """One datagram."""
        self._socket.send(data)

    def received(self) -> list[bytes]:
        """What has come by now."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self._socket.recv(65535, socket.MSG_DONTWAIT))
        return found

    def close(self) -> None:
        """Closes it."""
        self._socket.close()


class Stream:
    """Over TCP. A connection that the server has given up is replaced by a new one."""

    transport = "TCP"

    def __init__(self, server: Address, rng: random.Random) -> None:
        self._server = server
        self._rng = rng
        self.connections = 0
        self._connect()

    def _connect(self) -> None:
        self.connections += 1
        self._socket = socket.create_connection(self._server, timeout=10.0)
        self._octets = b""
        self.here = "{}:{}".format(*self._socket.getsockname())

    def send(self, data: bytes) -> None:
        """Some octets of the stream, in one piece or in two."""
        at = self._rng.randrange(len(data) + 1)
        self._socket.settimeout(10.0)
        try:
            for part in (data[:at], data[at:]) if self._rng.random() < 0.1 else (data,):
                self._socket.sendall(part)
        except OSError:
            self._socket.close()
            self._connect()

    def received(self) -> list[bytes]:
        """What has come by now."""
        self._socket.settimeout(0.0)
        try:
            while True:
                octets = self._socket.recv(65535)
                if not octets:
                    self._socket.close()
                    self._connect()
                    return []
                self._octets += octets
        except BlockingIOError:
            return self._messages()
        except OSError:
            self._socket.close()
            self._connect()
            return []

    def _messages(self) -> list[bytes]:
        found = []
        while True:
            self._octets = self._octets.lstrip(b"\r\n")
            head, end, rest = self._octets.partition(b"\r\n\r\n")
            length = re.search(rb"\r\nContent-Length: (\d+)", head)
            size = int(length[1]) if length else 0
            if not end or len(rest) < size:
                return found
            found.append(head + end + rest[:size])
            self._octets = rest[size:]

    def close(self) -> None:
        """Closes it."""
        self._socket.close()


class WebSocket(Stream):
    """Over WebSocket; now and then a frame is spoilt, and not only what it carries."""

    transport = "WS"

    def _connect(self) -> None:
        super()._connect()
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET / HTTP/1.1\r\nHost: {self.here}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            octets = self._socket.recv(1)
            assert octets, f"the server closed the connection in the handshake: {answer!r}"
            answer += octets
        assert answer.startswith(b"HTTP/1.1 101"), answer

    def send(self, data: bytes) -> None:
        """One frame, masked (RFC 6455 section 5.2)."""
        rng = self._rng
        first = 0x81 if rng.random() < 0.5 else 0x82
        if rng.random() < 0.02:
            first = rng.randrange(256)
        size = len(data)
        if rng.random() < 0.01:
            size += rng.choice((-1, 1, 1000, 2**20))
        size = max(size, 0)
        if size < 126:
            header = struct.pack(">BB", first, 0x80 | size)
        elif size < 2**16:
            header = struct.pack(">BBH", first, 0x80 | 126, size)
        else:
            header = struct.pack(">BBQ", first, 0x80 | 127, size)
        # A mask of zeros leaves the octets as they are.
        super().send(header + b"\0\0\0\0" + data)

    def _messages(self) -> list[bytes]:
        found = []
        while len(self._octets) >= 2:
            size, at = self._octets[1] & 0x7F, 2
            if size == 126:
                size, at = int.from_bytes(self._octets[2:4], "big"), 4
            elif size == 127:
                size, at = int.from_bytes(self._octets[2:10], "big"), 10
            if len(self._octets) < at + size:
                break
            if self._octets[0] & 0x0F in (1, 2):
                found.append(self._octets[at : at + size])
            self._octets = self._octets[at + size :]
        return found
