"""A SIP.js user agent of the test's own, in a Node process (``phone.mjs``)."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

HOME = Path(__file__).parent
MODULES = HOME / "node_modules" / "sip.js"


def missing() -> str:
    """What is not there for it; empty where all is."""
    if shutil.which("node") is None:
        return "node"
    return "" if MODULES.exists() else "SIP.js"


class BrowserPhone:
    """One user, connected to a WebSocket server. Events come as dictionaries."""

    def __init__(
        self, directory: Path, *, server: str, uri: str, user: str = "", password: str = ""
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        options = {"server": server, "uri": uri, "user": user, "password": password}
        self._log = (directory / "phone.log").open("wb")
        self._process = subprocess.Popen(
            ["node", "phone.mjs", json.dumps(options)],
            cwd=HOME,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self.events: list[dict[str, Any]] = []
        """All events that were waited for or passed over, in order."""
        self._coming: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name="phone")
        self._reader.start()
        self.wait_for("connected", timeout=20.0)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._coming.put(json.loads(line))

    def do(self, command: str, **more: object) -> None:
        """Has it do something; what comes of it are events."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"command": command, **more}).encode() + b"\n")
        self._process.stdin.flush()

    def wait_for(self, event: str, *, timeout: float = 10.0, **more: object) -> dict[str, Any]:
        """The next event of this name with these values."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                found = self._coming.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"no {event} {more} from SIP.js: {self.events}") from None
            self.events.append(found)
            if found["event"] == event and all(found.get(k) == v for k, v in more.items()):
                return found

    def close(self) -> None:
        """Ends it as a page does that is left: it unregisters first."""
        try:
            self.do("quit")
            self._process.wait(10.0)
        finally:
            self._process.kill()
            self._process.wait(10.0)
            self._reader.join(10.0)
            for stream in (self._process.stdin, self._process.stdout, self._log):
                assert stream is not None
                stream.close()

    def __enter__(self) -> BrowserPhone:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
