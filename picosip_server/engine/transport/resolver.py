"""Names to addresses, off the engine's threads (RFC 3263 section 4.2: A and AAAA)."""

from __future__ import annotations

import socket
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

import structlog

THREADS = 4
PATIENCE = 0.5
"""Seconds for which closing waits for a thread that is asking the system."""

_log = structlog.get_logger("picosip.engine")

Found = Callable[[list[str]], None]
Lost = Callable[[str], None]


class Resolver:
    """``found`` and ``lost`` are called from the resolver's own threads."""

    def __init__(self) -> None:
        self._names: SimpleQueue[tuple[str, Found, Lost] | None] = SimpleQueue()
        # Daemons: the system's resolver may take half a minute, and the process is not to
        # wait for that when it ends.
        self._threads = [
            Thread(target=self._work, name=f"picosip-resolver-{index}", daemon=True)
            for index in range(THREADS)
        ]
        self._closed = False

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def resolve(self, host: str, *, found: Found, lost: Lost) -> None:
        """Asks the system's resolver."""
        self._names.put((host, found, lost))

    def _work(self) -> None:
        while (asked := self._names.get()) is not None:
            host, found, lost = asked
            if self._closed:
                continue
            try:
                self._ask(host, found, lost)
            except Exception:
                # A defect in one answer must not leave all further names unasked.
                _log.exception("internal error", host=host)

    def _ask(self, host: str, found: Found, lost: Lost) -> None:
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError, ValueError) as error:
            lost(f"the name {host!r} does not resolve: {error}")
            return
        found(list(dict.fromkeys(str(answer[4][0]) for answer in answers)))

    def close(self) -> None:
        """Forgets what has not begun."""
        self._closed = True
        for _ in self._threads:
            self._names.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(PATIENCE)
