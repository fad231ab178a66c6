"""Which names the hosts file has: there it is that they are looked up (hosts(5))."""

from __future__ import annotations

from pathlib import Path

HOSTS = Path("/etc/hosts")


class HostsFile:
    """Read again when it changes."""

    def __init__(self, path: Path = HOSTS) -> None:
        self._path = path
        self._state: tuple[int, int] | None = None
        self._names: frozenset[str] = frozenset()

    def __contains__(self, name: str) -> bool:
        try:
            status = self._path.stat()
            state = (status.st_mtime_ns, status.st_size)
            if state != self._state:
                self._names = _names(self._path.read_text("utf-8", "replace"))
                self._state = state
        except OSError:
            # A system without one.
            return False
        return name.lower() in self._names


def _names(text: str) -> frozenset[str]:
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return frozenset(name.lower() for _, *names in filter(None, lines) for name in names)
