"""The header section of a message: an ordered list in which nothing gets lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from picosip_server.sip.errors import LocalProtocolError
from picosip_server.sip.grammar import is_token, split_list

_COMPACT = {
    # RFC 3261 section 7.3.3 and the later entries of the IANA registry.
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
_KNOWN_LIMIT = 1024
_KNOWN_LENGTH = 40
_known: dict[str, str] = {}


def canonical(name: str) -> str:
    """The lower-case long form under which all spellings of a header name are one: v is via.

    Raises LocalProtocolError if ``name`` is not a token.
    """
    key = _known.get(name)
    if key is not None:
        return key
    if not is_token(name):
        raise LocalProtocolError(f"{name!r} is no header name")
    key = name.lower()
    key = _COMPACT.get(key, key)
    # Peers choose the names: the cache must not grow with them.
    if len(_known) < _KNOWN_LIMIT and len(name) <= _KNOWN_LENGTH:
        _known[name] = key
    return key


def known_names() -> dict[str, str]:
    """The cache of ``canonical``, for readers in a hurry: whatever is in it is a header name."""
    return _known


for _name in (
    *("Accept", "Allow", "Authorization", "Call-ID", "Contact", "Content-Disposition"),
    *("Content-Length", "Content-Type", "CSeq", "Date", "Event", "Expires", "From"),
    *("Max-Forwards", "Min-Expires", "P-Asserted-Identity", "Proxy-Authenticate"),
    *("Proxy-Authorization", "Proxy-Require", "RAck", "Reason", "Record-Route", "Require"),
    *("Retry-After", "Route", "RSeq", "Server", "Session-Expires", "Subject", "Supported"),
    *("Timestamp", "To", "Unsupported", "User-Agent", "Via", "Warning", "WWW-Authenticate"),
    *_COMPACT,
):
    canonical(_name)
    canonical(_name.lower())


class Headers:
    """Header fields in wire order; looked up without case, compact and long names alike.

    Names and values that come in through the methods are checked: a name must be a
    token and a value must not hold CR or LF (LocalProtocolError), so that no value
    can end its own field.
    """

    __slots__ = ("_index", "_items", "memo")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items = list(items)
        self._index: dict[str, list[str]] | None = None
        self.memo: dict[str, Any] = {}
        """What others derived from the headers; emptied whenever these change."""
        for name, value in self._items:
            _checked(name, value)

    @classmethod
    def adopt(
        cls, items: list[tuple[str, str]], index: dict[str, list[str]] | None = None
    ) -> Headers:
        """Headers from already checked parts: the fields, and their values by canonical name."""
        self = cls()
        self._items = items
        self._index = index
        return self

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return self._items == other._items

    def __repr__(self) -> str:
        return f"Headers({self._items!r})"

    def get(self, name: str) -> str | None:
        """The first field's value, or None."""
        # The most frequent call of all: the two lookups stand here in full.
        index = self._index
        if index is None:
            index = self._by_name()
        values = index.get(_known.get(name) or canonical(name))
        return values[0] if values else None

    def get_all(self, name: str) -> list[str]:
        """The values, one per field line."""
        index = self._index
        if index is None:
            index = self._by_name()
        values = index.get(_known.get(name) or canonical(name))
        return list(values) if values else []

    def elements(self, name: str) -> list[str]:
        """The elements of a comma-separated header over all its lines; empty ones are dropped."""
        index = self._index
        if index is None:
            index = self._by_name()
        values = index.get(_known.get(name) or canonical(name))
        if not values:
            return []
        return [element for value in values for element in split_list(value) if element]

    def count(self, name: str) -> int:
        """The number of field lines."""
        return len(self._by_name().get(canonical(name), ()))

    def has(self, name: str) -> bool:
        """True if there is such a field."""
        return canonical(name) in self._by_name()

    def add(self, name: str, value: str) -> None:
        """Appends a field."""
        key = _checked(name, value)
        self._items.append((name, value))
        if self._index is not None:
            self._index.setdefault(key, []).append(value)
        self.memo.clear()

    def insert(self, index: int, name: str, value: str) -> None:
        """Puts a field before the one at ``index`` (from 0)."""
        _checked(name, value)
        self._items.insert(index, (name, value))
        self._changed()

    def set(self, name: str, value: str) -> None:
        """Replaces the first field of that name where it stands and drops the others.

        Appends if there is none.
        """
        key = _checked(name, value)
        kept: list[tuple[str, str]] = []
        found = False
        for field in self._items:
            if canonical(field[0]) != key:
                kept.append(field)
            elif not found:
                kept.append((name, value))
                found = True
        if not found:
            kept.append((name, value))
        self._items = kept
        self._changed()

    def replace_first(self, name: str, value: str) -> None:
        """Replaces the first field of that name where it stands; the others stay.

        Appends if there is none.
        """
        key = _checked(name, value)
        for position, field in enumerate(self._items):
            if canonical(field[0]) == key:
                self._items[position] = (name, value)
                if self._index is not None:
                    self._index[key][0] = value
                self.memo.clear()
                return
        self._items.append((name, value))
        self._changed()

    def remove(self, name: str) -> None:
        """Drops all fields of that name."""
        key = canonical(name)
        self._items = [field for field in self._items if canonical(field[0]) != key]
        self._changed()

    def items(self) -> list[tuple[str, str]]:
        """The fields in wire order; not to be changed."""
        return self._items

    def copy(self) -> Headers:
        """An independent copy."""
        copied = Headers()
        copied._items = list(self._items)
        copied._index = None
        return copied

    def _changed(self) -> None:
        self._index = None
        self.memo.clear()

    def _by_name(self) -> dict[str, list[str]]:
        index = self._index
        if index is None:
            index = {}
            for name, value in self._items:
                index.setdefault(canonical(name), []).append(value)
            self._index = index
        return index


def _checked(name: str, value: str) -> str:
    if "\n" in value or "\r" in value:
        raise LocalProtocolError(f"line end in the value of {name}")
    return canonical(name)
