"""A baresip of the test's own, driven over its ctrl_tcp module."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.process import Process
from tests.support.waiting import free_port, is_bound, wait_until

CONFIG = """\
poll_method epoll
sip_listen 127.0.0.1:{sip}
net_interface 127.0.0.1
call_local_timeout 120
call_max_calls 10
audio_player aubridge,nil
audio_source aubridge,nil
audio_alert aubridge,nil
ctrl_tcp_listen 127.0.0.1:{control}
module_path {modules}
module g711.so
module aubridge.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
"""

MODULES = Path("/usr/lib/baresip/modules")


class Baresip:
    """A running baresip with one account, ``interop``, that needs no registrar.

    ``answers``: whether it answers calls by itself. ``secret``: user and password for digest.
    """

    def __init__(
        self,
        directory: Path,
        *,
        answers: bool = False,
        transport: str = "udp",
        secret: tuple[str, str] | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        # It takes the next port for TLS.
        self.port = free_port(also_next=True)
        self._transport = transport
        control = free_port()
        config = CONFIG.format(sip=self.port, control=control, modules=MODULES)
        (directory / "config").write_text(config)
        mode = f"answermode={'auto' if answers else 'manual'}"
        if secret is not None:
            mode += f";auth_user={secret[0]};auth_pass={secret[1]}"
        (directory / "accounts").write_text(
            f"<sip:interop@127.0.0.1:{self.port};transport={transport}>;regint=0;{mode}\n"
        )
        self.events: list[dict[str, Any]] = []
        """What it has told over ctrl_tcp, in order."""
        self.process = Process(["baresip", "-f", directory], directory / "baresip.log")
        wait_until(lambda: self._listening(control), what="baresip listening")
        self._control = socket.create_connection(("127.0.0.1", control), timeout=5.0)
        self._control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._octets = b""

    def _listening(self, control: int) -> bool:
        assert self.process.running, f"baresip ended at its start:\n{self.process.tail()}"
        return is_bound(socket.SOCK_STREAM, control) and is_bound(socket.SOCK_DGRAM, self.port)

    @property
    def uri(self) -> str:
        """Where it is called."""
        suffix = ";transport=tcp" if self._transport == "tcp" else ""
        return f"sip:interop@127.0.0.1:{self.port}{suffix}"

    def dial(self, uri: str) -> None:
        """Places a call."""
        self._command("dial", uri)

    def hang_up(self) -> None:
        """Ends its current call."""
        self._command("hangup")

    def accept(self) -> None:
        """Answers the call that rings."""
        self._command("accept")

    def wait_for(self, kind: str, timeout: float = 10.0) -> dict[str, Any]:
        """The first event of this type (``CALL_ESTABLISHED``...), past ones included."""
        deadline = time.monotonic() + timeout
        while True:
            for event in self.events:
                if event.get("type") == kind:
                    return event
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                seen = [event.get("type") for event in self.events]
                raise TimeoutError(f"no {kind} from baresip within {timeout} s, only {seen}")

    def _command(self, command: str, params: str = "") -> None:
        # A netstring with JSON in it is what ctrl_tcp speaks.
        text = json.dumps({"command": command, "params": params, "token": command}).encode()
        self._control.sendall(b"%d:%s," % (len(text), text))

    def _read(self, timeout: float) -> bool:
        self._control.settimeout(timeout)
        try:
            octets = self._control.recv(65536)
        except TimeoutError:
            return False
        self._octets += octets
        while b":" in self._octets:
            size, rest = self._octets.split(b":", 1)
            length = int(size)
            if len(rest) <= length:
                break
            message: dict[str, Any] = json.loads(rest[:length])
            self._octets = rest[length + 1 :]
            self.events.append(message)
        return bool(octets)

    def __enter__(self) -> Baresip:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._control.close()
        self.process.stop()
