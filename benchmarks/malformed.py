"""Datagrams that are no good SIP, at a steady pace."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from types import TracebackType

from benchmarks.ports import HOST

_REQUEST = (
    "{method} sip:bench@{host}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:9;branch=z9hG4bK{n}\r\n"
    "From: <sip:m@{host}>;tag=m{n}\r\nTo: <sip:bench@{host}>\r\nCall-ID: malformed-{n}@{host}\r\n"
    "CSeq: 1 {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)
_METHODS = ("OPTIONS", "BYE", "INFO", "MESSAGE", "SUBSCRIBE")


def datagrams(port: int, seed: int) -> Iterator[bytes]:
    """Requests cut short, with lines lost or doubled, with octets changed; and noise."""
    chance = random.Random(seed)
    number = 0
    while True:
        number += 1
        text = _REQUEST.format(method=chance.choice(_METHODS), host=HOST, port=port, n=number)
        octets = bytearray(text.encode())
        kind = chance.randrange(4)
        if kind == 0:
            octets = octets[: chance.randrange(len(octets))]
        elif kind == 1:
            for _ in range(chance.randrange(1, 8)):
                octets[chance.randrange(len(octets))] = chance.randrange(256)
        elif kind == 2:
            lines = text.split("\r\n")
            place = chance.randrange(len(lines))
            lines[place : place + 1] = [lines[place]] * chance.choice((0, 2))
            octets = bytearray("\r\n".join(lines).encode())
        else:
            octets = bytearray(chance.randbytes(chance.randrange(1, 1_000)))
        yield bytes(octets)


class Malformed:
    """Sends them from a thread while its block lasts."""

    def __init__(self, port: int, rate: float, seed: int = 1) -> None:
        self.sent = 0
        self._port = port
        self._pause = 1 / rate
        self._seed = seed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for octets in datagrams(self._port, self._seed):
                if self._stop.wait(self._pause):
                    return
                sender.sendto(octets, (HOST, self._port))
                self.sent += 1

    def __enter__(self) -> Malformed:
        self._thread.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
