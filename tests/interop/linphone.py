"""A linphonec of the test's own, driven by its commands and what it prints."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path
from types import TracebackType

from tests.support.process import Process
from tests.support.waiting import free_port, is_bound, wait_until

CONFIG = """\
[sip]
sip_port={port}
sip_tcp_port={port}
sip_tls_port=0
contact="interop" <sip:interop@127.0.0.1>
guess_hostname=0
use_ipv6=0
auto_net_state_mon=0
keepalive_period=0
[rtp]
audio_rtp_port={rtp}
[sound]
playback_dev_id=none
capture_dev_id=none
ringer_dev_id=none
[misc]
store_friends=0
"""


class Linphone:
    """A running linphonec that needs no registrar and no sound device: it plays silence and
    throws away what it hears. ``transport``: how it is called."""

    def __init__(self, directory: Path, *, answers: bool = False, transport: str = "udp") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._transport = transport
        config = directory / "linphonerc"
        config.write_text(
            CONFIG.format(
                port=self.port,
                rtp=free_port(also_next=True),
            )
        )
        # It does not start where it cannot open its databases, and makes no folder for them.
        data = directory / ".local" / "share"
        (data / "linphone").mkdir(parents=True)
        self.process = Process(
            ["linphonec", "-c", config, *(["-a"] if answers else [])],
            directory / "linphone.log",
            cwd=directory,
            env={**os.environ, "HOME": str(directory), "XDG_DATA_HOME": str(data)},
            stdin=subprocess.PIPE,
        )
        wait_until(self._listening, what="linphonec listening")
        self.say("soundcard use files")

    def _listening(self) -> bool:
        assert self.process.running, f"linphonec ended at its start:\n{self.process.tail()}"
        kinds = (socket.SOCK_DGRAM, socket.SOCK_STREAM)
        return all(is_bound(kind, self.port) for kind in kinds)

    @property
    def uri(self) -> str:
        """Where it is called."""
        suffix = ";transport=tcp" if self._transport == "tcp" else ""
        return f"sip:interop@127.0.0.1:{self.port}{suffix}"

    def say(self, command: str) -> None:
        """Gives it a command."""
        stdin = self.process.popen.stdin
        assert stdin is not None
        stdin.write(f"{command}\n".encode())
        stdin.flush()

    def wait_for(self, pattern: str, timeout: float = 10.0) -> re.Match[str]:
        """Until it has printed this, before now or after."""
        try:
            return wait_until(
                lambda: re.search(pattern, self.process.tail(10**9)), timeout=timeout, what=pattern
            )
        except TimeoutError as error:
            raise TimeoutError(f"{error}; linphonec printed:\n{self.process.tail()}") from None

    def __enter__(self) -> Linphone:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Nothing of it is worth the seconds that an orderly end takes.
        self.process.kill()
        assert self.process.popen.stdin is not None
        self.process.popen.stdin.close()
