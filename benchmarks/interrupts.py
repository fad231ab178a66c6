"""Ctrl-C and SIGTERM at any moment, even while a process is being started."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _State:
    held = 0
    pending = False


def _interrupted(number: int, frame: object) -> None:
    if _State.held:
        _State.pending = True
    else:
        raise KeyboardInterrupt


def take() -> None:
    """From now on each of these signals raises KeyboardInterrupt in the main thread."""
    for number in _SIGNALS:
        signal.signal(number, _interrupted)


def ignore() -> None:
    """From now on they do nothing: what is left to do is to clean up."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def held() -> Iterator[None]:
    """They wait until the block is left. Blocking them instead would be inherited by children."""
    _State.held += 1
    try:
        yield
    finally:
        _State.held -= 1
        if _State.pending and not _State.held:
            _State.pending = False
            raise KeyboardInterrupt
