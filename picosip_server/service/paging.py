"""Pages of a listing in a stable order, by name."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from picosip_server.service.validate import Check

DEFAULT_SIZE = 100
LARGEST_SIZE = 1000
LARGEST_OCTETS = 2 << 20
"""Clients take messages of up to 4 MiB by default."""
_MARK = "after:"


class Named(Protocol):
    """Anything with a resource name."""

    @property
    def name(self) -> str:
        """The resource name."""


Item = TypeVar("Item", bound=Named)
Made = TypeVar("Made", bound=Message)


class Page:
    """What part of a listing a request asks for."""

    __slots__ = ("_after", "_size")

    def __init__(self, check: Check, page_size: int, page_token: str) -> None:
        if page_size < 0:
            check.fail("page_size", "must not be negative")
        self._size = min(page_size or DEFAULT_SIZE, LARGEST_SIZE)
        self._after = _name(check, page_token) if page_token else ""

    def of(self, items: Iterable[Item], convert: Callable[[Item], Made]) -> tuple[list[Made], str]:
        """The converted items of the page, and the token of the next one; empty at the end.

        What comes or goes between two pages does not shift the others. Large items make
        a page shorter.
        """
        rest = sorted(
            (item for item in items if item.name > self._after), key=lambda item: item.name
        )
        page: list[Made] = []
        octets = 0
        for item in rest[: self._size]:
            made = convert(item)
            octets += made.ByteSize()
            if page and octets > LARGEST_OCTETS:
                break
            page.append(made)
        return page, _token(rest[len(page) - 1].name) if len(rest) > len(page) else ""


def _token(name: str) -> str:
    return base64.urlsafe_b64encode(f"{_MARK}{name}".encode()).decode("ascii")


def _name(check: Check, token: str) -> str:
    try:
        text = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (UnicodeError, binascii.Error):
        text = ""
    if not text.startswith(_MARK):
        check.fail("page_token", "is none that this server gave out")
    return text.removeprefix(_MARK)
