"""A Kamailio of the test's own, as registrar and proxy on a loopback port."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path
from types import TracebackType

from tests.support.process import Process
from tests.support.waiting import free_port, is_bound, wait_until

SECRETS = {"alice": "in wonderland", "bob": "the builder"}
"""The two users of kamailio.cfg and their passwords."""


class Kamailio:
    """A running Kamailio; ``defines`` are what kamailio.cfg asks for by ``#!ifdef``."""

    def __init__(self, directory: Path, *defines: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        flags = [part for name in defines for part in ("-A", name)]
        self.process = Process(
            [
                "kamailio",
                "-f",
                Path(__file__).with_name("kamailio.cfg"),
                "-DD",
                "-E",
                *("-l", f"udp:127.0.0.1:{self.port}", "-l", f"tcp:127.0.0.1:{self.port}"),
                *("-m", "64", "-M", "8"),
                *("-Y", directory, "-w", directory, "-P", directory / "pid"),
                *flags,
            ],
            directory / "kamailio.log",
            cwd=directory,
        )
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            wait_until(partial(self._listening, kind), what="Kamailio listening")

    def _listening(self, kind: socket.SocketKind) -> bool:
        assert self.process.running, f"Kamailio ended at its start:\n{self.process.tail()}"
        return is_bound(kind, self.port)

    @property
    def uri(self) -> str:
        """URI of the registrar, and of the proxy as a route."""
        return f"sip:127.0.0.1:{self.port}"

    def aor(self, user: str) -> str:
        """Address of record of a user here."""
        return f"sip:{user}@127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Ends it. By SIGKILL: its processes can lock each other up on SIGTERM, and all that it
        knows is in memory anyway."""
        self.process.kill()

    def __enter__(self) -> Kamailio:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
