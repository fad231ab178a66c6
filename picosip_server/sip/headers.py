"""The header section of a message: an ordered list in which nothing gets lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from picosip_server.mypyc import mypyc_attr
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


@mypyc_attr(acyclic=True)
class Field:
    """One header field, and what it was found to mean.

    Fields do not change, so that all messages in which a line stands may share one.
    """

    __slots__ = ("item", "key", "meaning", "value")

    def __init__(self, key: str, name: str, value: str) -> None:
        self.key = key
        """The canonical name."""
        self.value = value
        self.item: Any = (name, value)
        """Name and value as they came: one object, however many headers hold it."""
        self.meaning: Any = None
        """What the value was read as, noted by who read it; of one type for each ``key``."""


@mypyc_attr(acyclic=True)
class Headers:
    """Header fields in wire order; looked up without case, compact and long names alike.

    Names and values that come in through the methods are checked: a name must be a
    token and a value must not hold CR or LF (LocalProtocolError), so that no value
    can end its own field.
    """

    __slots__ = ("_first", "_items", "_repeated", "memo")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items = list(items)
        self._first: dict[str, Field] | None = None
        """The first field of each name, by canonical name; None until somebody asks."""
        self._repeated: dict[str, list[Field]] | None = None
        """All fields of the names that stand there more than once, if there are any."""
        self.memo: dict[str, Any] = {}
        """What others derived from the headers; emptied whenever these change."""
        for name, value in self._items:
            _checked(name, value)

    @classmethod
    def adopt(cls, items: list[tuple[str, str]]) -> Headers:
        """Headers from fields that were checked before."""
        self = Headers()
        self._items = items
        return self

    @classmethod
    def received(cls, fields: list[Field]) -> Headers:
        """Headers as they were read."""
        self = Headers()
        self._items = [field.item for field in fields]
        first = {field.key: field for field in fields}
        if len(first) == len(fields):
            self._first = first
        else:
            self._arrange(fields)
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

    def first(self, key: str) -> Field | None:
        """The first field of a canonical name, or None."""
        first = self._first
        if first is None:
            first = self._by_name()
        return first.get(key)

    def firsts(self) -> dict[str, Field]:
        """The first field of each name, by canonical name; not to be changed."""
        return self._by_name()

    def repeats(self, key: str) -> bool:
        """True if there are several fields of a canonical name."""
        return self._repeated is not None and key in self._repeated

    def all(self, key: str) -> list[Field]:
        """The fields of a canonical name."""
        field = self.first(key)
        if field is None:
            return []
        if self._repeated is None:
            return [field]
        return list(self._repeated.get(key, (field,)))

    def get(self, name: str) -> str | None:
        """The first field's value, or None."""
        # The most frequent call of all: the two lookups stand here in full.
        first = self._first
        if first is None:
            first = self._by_name()
        field = first.get(_known.get(name) or canonical(name))
        return None if field is None else field.value

    def get_all(self, name: str) -> list[str]:
        """The values, one per field line."""
        return [field.value for field in self.all(_known.get(name) or canonical(name))]

    def elements(self, name: str) -> list[str]:
        """The elements of a comma-separated header over all its lines; empty ones are dropped."""
        values = self.get_all(name)
        return [element for value in values for element in split_list(value) if element]

    def count(self, name: str) -> int:
        """The number of field lines."""
        return len(self.all(canonical(name)))

    def has(self, name: str) -> bool:
        """True if there is such a field."""
        return self.first(canonical(name)) is not None

    def add(self, name: str, value: str) -> None:
        """Appends a field."""
        key = _checked(name, value)
        self._items.append((name, value))
        if self._first is not None:
            self._file(Field(key, name, value), self._first)
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
                if self._first is not None:
                    self._first[key] = new = Field(key, name, value)
                    if self._repeated is not None and key in self._repeated:
                        self._repeated[key][0] = new
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
        return copied

    def _changed(self) -> None:
        self._first = None
        self._repeated = None
        self.memo.clear()

    def _by_name(self) -> dict[str, Field]:
        if self._first is not None:
            return self._first
        return self._arrange([Field(canonical(name), name, value) for name, value in self._items])

    def _arrange(self, fields: list[Field]) -> dict[str, Field]:
        first: dict[str, Field] = {}
        self._repeated = None
        for field in fields:
            self._file(field, first)
        self._first = first
        return first

    def _file(self, field: Field, first: dict[str, Field]) -> None:
        # A line that comes twice may be one and the same field: identity tells nothing.
        earlier = first.get(field.key)
        if earlier is None:
            first[field.key] = field
            return
        if self._repeated is None:
            self._repeated = {}
        self._repeated.setdefault(field.key, [earlier]).append(field)


def _checked(name: str, value: str) -> str:
    if "\n" in value or "\r" in value:
        raise LocalProtocolError(f"line end in the value of {name}")
    return canonical(name)
