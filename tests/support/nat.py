"""A box that translates addresses between clients and one server, on loopback."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType

from tests.support.waiting import free_port, wait_until

Address = tuple[str, int]

_TURN = 65536


class Nat:
    """Takes datagrams and connections at ``port``, and passes them to ``server`` from ports of its
    own: these are all that the server sees of its clients."""

    def __init__(self) -> None:
        self.port = free_port()
        self.server: Address = ("", 0)
        """To be set before the first client comes."""
        self._passed: list[tuple[str, bytes]] = []
        self._mappings: dict[Address, socket.socket] = {}
        """The port that stands for each client by UDP."""
        self._other_ends: dict[socket.socket, socket.socket] = {}
        """Of the connections, both ways."""
        self._lock = threading.Lock()
        """Around all of this, and what is done with it."""
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.bind(("127.0.0.1", self.port))
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._bell, self._stop = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._watch(self._datagrams, self._datagram_up)
        self._watch(self._listener, self._connection)
        self._watch(self._stop, self._stop.close)
        self._thread = threading.Thread(target=self._run, name="nat", daemon=True)
        self._thread.start()

    # For the test.

    def rebind(self) -> None:
        """Has other ports stand for the clients by UDP; what the server sends to the old ones is
        lost."""
        with self._lock:
            for mapping in self._mappings.values():
                self._drop(mapping)
            self._mappings.clear()

    def cut(self) -> None:
        """Ends all connections."""
        with self._lock:
            for end in self._other_ends:
                self._drop(end)
            self._other_ends.clear()

    def forget(self) -> None:
        """What has gone through so far."""
        with self._lock:
            self._passed.clear()

    def passed(self, way: str) -> list[bytes]:
        """What has gone ``up`` to the server or ``down`` to a client: datagrams, and what the
        streams gave at a time."""
        with self._lock:
            return [data for each, data in self._passed if each == way]

    def wait_for(self, way: str, start: bytes, *, count: int = 1) -> None:
        """Until so many have gone that way that begin so."""
        wait_until(
            lambda: sum(data.startswith(start) for data in self.passed(way)) >= count,
            what=f"{count} times {start!r} on its way {way}",
        )

    # In its thread.

    def _run(self) -> None:
        while self._stop.fileno() >= 0:
            for key, _ in self._selector.select():
                with self._lock:
                    # One that was dropped after it became readable has nothing more to say.
                    if key.fileobj.fileno() >= 0:  # type: ignore[union-attr]
                        key.data()

    def _watch(self, sock: socket.socket, readable: Callable[[], None]) -> None:
        self._selector.register(sock, selectors.EVENT_READ, readable)

    def _drop(self, sock: socket.socket) -> None:
        self._selector.unregister(sock)
        sock.close()

    def _datagram_up(self) -> None:
        data, client = self._datagrams.recvfrom(_TURN)
        if client not in self._mappings:
            mapping = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            mapping.connect(self.server)
            self._mappings[client] = mapping
            self._watch(mapping, partial(self._datagram_down, mapping, client))
        self._passed.append(("up", data))
        with contextlib.suppress(ConnectionError):
            self._mappings[client].send(data)

    def _datagram_down(self, mapping: socket.socket, client: Address) -> None:
        # The server may be away.
        with contextlib.suppress(ConnectionError):
            data = mapping.recv(_TURN)
            self._passed.append(("down", data))
            self._datagrams.sendto(data, client)

    def _connection(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(self.server)
        self._other_ends |= {client: server, server: client}
        self._watch(client, partial(self._piece, "up", client))
        self._watch(server, partial(self._piece, "down", server))

    def _piece(self, way: str, sock: socket.socket) -> None:
        other = self._other_ends[sock]
        try:
            data = sock.recv(_TURN)
            other.sendall(data)
        except ConnectionError:
            data = b""
        if data:
            self._passed.append((way, data))
        else:
            for end in (sock, other):
                del self._other_ends[end]
                self._drop(end)

    def __enter__(self) -> Nat:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bell.close()
        self._thread.join(10.0)
        assert not self._thread.is_alive()
        self.cut()
        self.rebind()
        self._drop(self._datagrams)
        self._drop(self._listener)
        self._selector.close()
