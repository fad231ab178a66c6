"""A Kamailio of the test's own, as registrar and proxy on a loopback port."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from types import TracebackType

from picosip_server.engine.config import TlsFiles
from tests.support.process import Process
from tests.support.waiting import free_port, is_bound, wait_until

SECRETS = {"alice": "in wonderland", "bob": "the builder"}
"""The two users of kamailio.cfg and their passwords."""


TABLES = Path("/usr/share/kamailio/db_sqlite")
"""Where Debian's package has the tables that Kamailio's modules want."""


def edge(directory: Path, files: TlsFiles) -> Kamailio:
    """A Kamailio with edge.cfg: over all transports, with this certificate, and with presence."""
    directory.mkdir(parents=True, exist_ok=True)
    database = directory / "presence.db"
    with closing(sqlite3.connect(database)) as made:
        for name in ("standard", "presence"):
            made.executescript((TABLES / f"{name}-create.sql").read_text())
    defines = {
        "TLS_CERT": files.cert,
        "TLS_KEY": files.key,
        "DATABASE": f"sqlite:///{database}",
    }
    given = (f'{name}="{value}"' for name, value in defines.items())
    return Kamailio(directory, *given, config="edge.cfg", tls=True)


class Kamailio:
    """A running Kamailio; ``defines`` are what the configuration asks for. With ``tls`` it
    listens for that too, on the next port, as edge.cfg wants it. ``shown``: the port that it names
    in place of its own, where an address translator stands before it."""

    def __init__(
        self,
        directory: Path,
        *defines: str,
        config: str = "kamailio.cfg",
        tls: bool = False,
        shown: int = 0,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port(also_next=True)
        given = (*defines, f'SELF="{self.uri}"')
        flags = [part for name in given for part in ("-A", name)]
        shows = f"/127.0.0.1:{shown}" if shown else ""
        if tls:
            flags += ["-l", f"tls:127.0.0.1:{self.port + 1}"]
        self.process = Process(
            [
                "kamailio",
                "-f",
                Path(__file__).with_name(config),
                "-DD",
                "-E",
                *("-l", f"udp:127.0.0.1:{self.port}{shows}"),
                *("-l", f"tcp:127.0.0.1:{self.port}{shows}"),
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

    def uri_over(self, transport: str) -> str:
        """URI of it over ``udp``, ``tcp``, ``tls``, ``ws`` or ``wss``."""
        port = self.port + (transport in ("tls", "wss"))
        return f"sip:127.0.0.1:{port};transport={transport}"

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
