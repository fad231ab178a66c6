"""Names to addresses, off the engine's threads (RFC 3263 section 4.2: A and AAAA)."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

THREADS = 4


class Resolver:
    """``found`` and ``lost`` are called from the resolver's own threads."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="picosip-resolver")

    def resolve(
        self, host: str, *, found: Callable[[list[str]], None], lost: Callable[[str], None]
    ) -> None:
        """Asks the system's resolver."""
        self._pool.submit(self._ask, host, found, lost)

    def _ask(
        self, host: str, found: Callable[[list[str]], None], lost: Callable[[str], None]
    ) -> None:
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            lost(f"the name {host!r} does not resolve: {error}")
            return
        found(list(dict.fromkeys(str(answer[4][0]) for answer in answers)))

    def close(self) -> None:
        """Forgets what has not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)
