"""Calls that end when whoever made them goes away (``hangup_on_disconnect``)."""

from __future__ import annotations

from collections.abc import Callable


class Ties:
    """The calls of one maker: an RPC, or a session of Control streams."""

    __slots__ = ("_hang_up", "_is_cut", "_names")

    def __init__(self, hang_up: Callable[[str], None]) -> None:
        self._hang_up = hang_up
        self._names: dict[str, None] = {}
        self._is_cut = False

    def created(self, name: str) -> None:
        """A call exists now; it ends at once where its maker has gone already."""
        if self._is_cut:
            self._hang_up(name)
        else:
            self._names[name] = None

    def ended(self, name: str) -> None:
        """A call is over."""
        self._names.pop(name, None)

    def cut(self) -> None:
        """The maker has gone."""
        self._is_cut = True
        names, self._names = self._names, {}
        for name in names:
            self._hang_up(name)
