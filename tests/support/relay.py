"""A way to a server that can be cut."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable


class Relay:
    """Passes TCP connections on to ``target``; a context manager that ends them all.

    ``seen`` is called with the octets that come from the client, before they go on.
    """

    def __init__(self, target: str, seen: Callable[[bytes], None] | None = None) -> None:
        host, _, port = target.rpartition(":")
        self._to = host, int(port)
        self._seen = seen
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.target = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._start(self._accept)

    def cut(self) -> None:
        """Ends the connections that there are; new ones may come."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for one in sockets:
            _shut(one)

    def close(self) -> None:
        """Ends them all, for good."""
        self._closed = True
        _shut(self._listener)
        self.cut()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._sockets.append(near)
            self._start(self._serve, near)
            if self._closed:
                self.cut()

    def _serve(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._to) as far:
            with self._lock:
                self._sockets.append(far)
            back = threading.Thread(target=self._pass, args=(far, near, None))
            back.start()
            self._pass(near, far, self._seen)
            back.join()

    def _pass(
        self, source: socket.socket, to: socket.socket, seen: Callable[[bytes], None] | None
    ) -> None:
        try:
            while data := source.recv(65536):
                if seen is not None:
                    seen(data)
                to.sendall(data)
        except OSError:
            # The other direction, or a test, has cut it.
            pass
        _shut(source)
        _shut(to)


def _shut(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It is so already.
        return
