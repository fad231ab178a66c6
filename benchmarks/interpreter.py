"""Which Python runs picoSIP and its applications: that of the benchmark, unless told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_chosen = Path(sys.executable)


def python() -> Path:
    """The interpreter; where picosip is installed, its program is beside it."""
    return _chosen


@contextmanager
def runs_on(program: Path) -> Iterator[None]:
    """What is started meanwhile runs on that one."""
    global _chosen
    before, _chosen = _chosen, program
    try:
        yield
    finally:
        _chosen = before
