"""The compiled form of the server: the hot modules of the same source, through mypyc."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PACKAGE = "picosip_server"
HOT = ("sdp", "sip", "engine")
INTERPRETED = ("engine/transport", "engine/engine.py", "engine/runner.py", "engine/worker.py")
"""What waits for sockets and threads: the interpreter is not what it spends its time in."""


def hot_modules(package: Path) -> Iterator[Path]:
    """The files that are compiled."""
    for part in HOT:
        for path in sorted((package / part).rglob("*.py")):
            name = path.relative_to(package).as_posix()
            if path.name != "__init__.py" and not name.startswith(INTERPRETED):
                yield path
