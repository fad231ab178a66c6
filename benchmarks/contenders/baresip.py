"""baresip, remote-controlled over its ctrl_tcp module."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contenders.base import (
    Application,
    Calling,
    Contender,
    Done,
    Job,
    Role,
    missing_program,
    python,
)
from benchmarks.ports import HOST, free_port, wait_bound
from benchmarks.process import Process

_MODULES = Path("/usr/lib/baresip/modules")
_CONFIG = """\
poll_method epoll
sip_listen {host}:{sip}
net_interface {host}
call_local_timeout 120
call_max_calls 10000
audio_player aubridge,nil
audio_source aubridge,nil
audio_alert aubridge,nil
ctrl_tcp_listen {host}:{control}
module_path {modules}
module g711.so
module aubridge.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
"""


class BaresipCalling(Calling):
    """baresip, and an application at its control port."""

    def __init__(self, server: Process, application: Application) -> None:
        self._server = server
        self._application = application

    def processes(self) -> tuple[Process | None, Process | None]:
        """Both."""
        return self._server, self._application.process

    def begin(self, job: Job) -> None:
        """Hands it to the application."""
        self._application.begin(job)

    def done(self, patience: float) -> Done | None:
        """What the application says."""
        return self._application.done(patience)


class BaresipUac(Contender):
    """baresip, told to dial and to hang up."""

    name = "baresip-uac"
    title = "baresip, ctrl_tcp"
    role = Role.UAC
    first = 100
    driven = True

    def missing(self) -> str:
        """The program or its modules."""
        if not _MODULES.is_dir():
            return f"baresip's modules are not in {_MODULES} (make peers)"
        return missing_program("baresip")

    @contextmanager
    def start(self, folder: Path) -> Iterator[BaresipCalling]:
        """With an account that needs no registrar."""
        folder.mkdir(parents=True, exist_ok=True)
        # It takes the next port for TLS.
        sip, control = free_port(also_next=True), free_port()
        config = _CONFIG.format(host=HOST, sip=sip, control=control, modules=_MODULES)
        (folder / "config").write_text(config)
        (folder / "accounts").write_text(f"<sip:bench@{HOST}:{sip}>;regint=0\n")
        with Process(["baresip", "-f", folder], folder / "baresip.log") as server:
            wait_bound(server, control, socket.SOCK_STREAM)
            application = Application(python("baresip_uac", str(control)), folder / "app.log")
            with application.process:
                application.ready()
                yield BaresipCalling(server, application)
