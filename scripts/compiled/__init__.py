"""The compiled form of the server: the hot modules of the same source, through mypyc."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PACKAGE = "picosip_server"
HOT = (
    "sdp",
    "sip",
    "engine",
    "service/convert",
    "service/bridge.py",
    "service/clock.py",
    "service/dispatch.py",
    "service/errors.py",
    "service/event_log.py",
    "service/filters.py",
    "service/idempotency.py",
    "service/operations.py",
    "service/validate.py",
    "service/wire.py",
    "service/witness.py",
)
"""What each message, event and command goes through. The rest of the service is left to the
interpreter: it runs seldom, or waits. A coroutine that is compiled may lose the exception that it
ends with where it waits on its way out (``await`` in ``finally``, mypyc 2.4)."""


def hot_modules(package: Path) -> Iterator[Path]:
    """The files that are compiled."""
    for part in HOT:
        found = package / part
        paths = [found] if found.suffix else sorted(found.rglob("*.py"))
        yield from (path for path in paths if path.name != "__init__.py")
