"""What is remembered only to save the time of finding it out again.

It lies wherever it came up, amid calls that go, and each piece then keeps a page of memory: so
a server that has emptied forgets it.
"""

from __future__ import annotations

from collections.abc import Callable

_forgets: list[Callable[[], object]] = []


def forgettable(forget: Callable[[], object]) -> None:
    """Has ``forget`` called whenever all is to be forgotten. For what lives as long as the
    process."""
    _forgets.append(forget)


def forget_all() -> None:
    """Nobody sees that but by the time that it takes."""
    for forget in _forgets:
        forget()
