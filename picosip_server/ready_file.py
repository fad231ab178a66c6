"""The ready file: tells whoever started the server that it serves, and where."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path


def write_ready_file(
    path: Path, grpc: Sequence[str], sip: Sequence[str], metrics: str | None
) -> None:
    """Puts the addresses really bound and this process's id at ``path``, all at once.

    ``grpc``: ``ADDR:PORT`` or ``unix:PATH``; ``sip``: ``TRANSPORT:ADDR:PORT``. Whoever reads
    the file sees the whole of it or what was there before. Raises OSError if it cannot be written.
    """
    content = {"grpc": list(grpc), "sip": list(sip), "metrics": metrics, "pid": os.getpid()}
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file)
            file.write("\n")
        # mkstemp gives 0600; others may well wait for this file.
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def remove_ready_file(path: Path) -> None:
    """Removes the file if this process wrote it: another server may have taken the path since."""
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return
    if isinstance(content, dict) and content.get("pid") == os.getpid():
        path.unlink(missing_ok=True)
