"""A JsSIP of the test's own under Node.js: a browser's SIP stack, over WebSocket."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.process import Process
from tests.support.waiting import wait_until

HERE = Path(__file__).parent
INSTALLED = HERE / "node_modules" / "jssip"
"""Is there after `make peers`."""


class Browser:
    """A running JsSIP that speaks to the WebSocket at ``url`` as ``aor``."""

    def __init__(self, directory: Path, url: str, aor: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.process = Process(
            ["node", HERE / "peer.js", url, aor],
            directory / "jssip.log",
            stdin=subprocess.PIPE,
        )
        self.wait_for("connected")

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it has told, in order."""
        text = self.process.tail(10**9)
        whole = text[: text.rfind("\n") + 1]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def do(self, command: str, **given: object) -> None:
        """Gives it a command of peer.js."""
        stdin = self.process.popen.stdin
        assert stdin is not None
        stdin.write(json.dumps({"command": command, **given}).encode() + b"\n")
        stdin.flush()

    def wait_for(self, event: str, **fields: object) -> dict[str, Any]:
        """The first event of this kind with these fields, past ones included."""
        wanted = {"event": event, **fields}

        def find() -> dict[str, Any] | None:
            assert self.process.running, f"JsSIP ended:\n{self.process.tail()}"
            return next((told for told in self.events if wanted.items() <= told.items()), None)

        try:
            return wait_until(find, what=f"JsSIP's {wanted}")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it said:\n{self.process.tail()}") from None

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self.process.popen.stdin is not None
        self.process.popen.stdin.close()
        assert self.process.wait(10.0) == 0
