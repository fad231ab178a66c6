"""Texts with placeholders in them, and values made of such texts.

``{n}`` is the number of the one that begins, ``{n:05}`` with leading zeros, ``{n%100}`` modulo,
``{n%100:02}`` both, ``{column}`` the value of that column in the row of its turn; ``{{`` and ``}}``
are braces. Each placeholder is first replaced by a mark, a word that may stand anywhere; what is
then read and checked once, as any request, is compiled to a maker that puts values for the marks.
Parts without a mark are shared by all that it makes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from picosip_server.sip.grammar import Params
from picosip_server.sip.uri import Uri

Row = Sequence[str]
"""The values of one line of the table."""
Maker = Callable[[int, Row], Any]
"""Makes the value for a number and the row of its turn."""

_piece = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_number = re.compile(r"n(?:%([1-9][0-9]{0,17}))?(?::0?([1-9][0-9]?))?").fullmatch
_plain = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*").fullmatch
_CONTROL = "has a control character"
_in_uri = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()&=+$]|%[0-9A-Fa-f]{2})+").fullmatch
_token = re.compile(r"[-!%*_+`'~.0-9A-Za-z]+").fullmatch


class TemplateError(ValueError):
    """A text has a placeholder that cannot be, or a value does not fit its place."""


class Table:
    """Columns and rows; each one that begins takes the next row, from the first on again."""

    def __init__(self, columns: Sequence[str] = (), rows: Sequence[Row] = ()) -> None:
        self.columns = {name: index for index, name in enumerate(columns)}
        self._rows: Sequence[Row] = rows or ((),)

    def row(self, number: int) -> Row:
        """The row for a number."""
        return self._rows[number % len(self._rows)]

    def check(self, column: int, fits: Callable[[str], object], what: str) -> None:
        """Raises TemplateError where a value of a column does not fit."""
        for line, row in enumerate(self._rows):
            if not fits(row[column]):
                name = next(each for each, index in self.columns.items() if index == column)
                raise TemplateError(f"the value of {name!r} in row {line} {what}")


class Templates:
    """The placeholders of one script. ``word`` begins each mark and must stand nowhere else."""

    def __init__(self, table: Table, word: str) -> None:
        self._table = table
        self._word = word
        self._mark = re.compile(rf"{word}([0-9]+)z")
        self._values: list[tuple[int, Maker]] = []
        """For each mark the column that it names, -1 for a number, and what makes its text."""
        self._marks: dict[str, str] = {}

    def mark(self, text: str) -> str:
        """The text with a mark in the place of each placeholder. Raises TemplateError."""
        return _piece.sub(self._marked, text)

    def _marked(self, match: re.Match[str]) -> str:
        whole, inside = match[0], match[1]
        if whole in ("{{", "}}"):
            return whole[0]
        if inside is None:
            raise TemplateError(f"has a {whole!r} of its own: a brace is written twice")
        mark = self._marks.get(inside)
        if mark is None:
            self._values.append(self._value(inside))
            mark = self._marks[inside] = f"{self._word}{len(self._values) - 1}z"
        return mark

    def _value(self, inside: str) -> tuple[int, Maker]:
        column = self._table.columns.get(inside)
        if column is not None:
            return column, lambda number, row: row[column]
        found = _number(inside)
        if found is None:
            raise TemplateError(
                f"has {{{inside}}}, which is neither a column of the table nor a number as {{n}}, "
                "{n:05} or {n%100}"
            )
        modulus, width = int(found[1] or 0), int(found[2] or 0)
        if modulus:
            return -1, lambda number, row: f"{number % modulus:0{width}}"
        return -1, lambda number, row: f"{number:0{width}}"

    def compile(self, value: object) -> Maker | None:
        """What makes the value anew for each number; None: it is the same for all.

        Raises TemplateError where the table has a value that cannot stand in its place.
        """
        return self._compile(value, _plain, _CONTROL)

    def _compile(self, value: object, fits: Callable[[str], object], what: str) -> Maker | None:
        if isinstance(value, str):
            return self._text(value, fits, what)
        if isinstance(value, bytes):
            text = self._text(value.decode("utf-8", "surrogateescape"), _anything, "")
            if text is None:
                return None
            return lambda number, row: text(number, row).encode("utf-8", "surrogateescape")
        if isinstance(value, Uri):
            fits, what = _in_uri, "cannot stand in a URI: some of its characters need escapes"
        if isinstance(value, Params):
            pairs = self._compile(tuple(value), _token, "is no token, as a parameter needs it")
            return None if pairs is None else lambda number, row: Params(pairs(number, row))
        if isinstance(value, tuple):
            return self._sequence(value, fits, what)
        if is_dataclass(value) and not isinstance(value, type):
            return self._fields(value, fits, what)
        return None

    def _text(self, text: str, fits: Callable[[str], object], what: str) -> Maker | None:
        pieces = self._mark.split(text)
        if len(pieces) == 1:
            return None
        # Every other piece is the number of a mark.
        makers = []
        for index in map(int, pieces[1::2]):
            column, make = self._values[index]
            if column >= 0:
                self._table.check(column, fits, what)
            makers.append(make)
        if len(makers) == 1:
            (make,), (before, _, after) = makers, pieces
            return lambda number, row: f"{before}{make(number, row)}{after}"
        plain = pieces[2::2]
        head = pieces[0]

        def join(number: int, row: Row) -> str:
            parts = [head]
            for make, after in zip(makers, plain, strict=True):
                parts += (make(number, row), after)
            return "".join(parts)

        return join

    def _sequence(
        self, values: tuple[object, ...], fits: Callable[[str], object], what: str
    ) -> Maker | None:
        makers = {}
        for index, value in enumerate(values):
            make = self._compile(value, fits, what)
            if make is not None:
                makers[index] = make
        if not makers:
            return None
        kind = type(values)

        def sequence(number: int, row: Row) -> tuple[object, ...]:
            made = list(values)
            for index, make in makers.items():
                made[index] = make(number, row)
            return kind(made)

        return sequence

    def _fields(self, value: Any, fits: Callable[[str], object], what: str) -> Maker | None:
        makers = self._field_makers(value, fits, what)
        if not makers:
            return None
        kind = type(value)
        # Quicker than ``dataclasses.replace``, which looks at each field anew.
        same = {each.name: getattr(value, each.name) for each in fields(value)}
        for name, _ in makers:
            del same[name]
        return lambda number, row: kind(
            **same, **{name: make(number, row) for name, make in makers}
        )

    def compile_command(self, command: Any) -> Callable[[Hashable, int, Row], Any]:
        """What makes a command anew, with the token, the number and the row that it is given."""
        makers = self._field_makers(command, _plain, _CONTROL)
        kind = type(command)
        same = {each.name: getattr(command, each.name) for each in fields(command)}
        for name, _ in makers:
            del same[name]
        del same["token"]
        return lambda token, number, row: kind(
            token=token, **same, **{name: make(number, row) for name, make in makers}
        )

    def _field_makers(
        self, value: Any, fits: Callable[[str], object], what: str
    ) -> list[tuple[str, Maker]]:
        makers = []
        for field in fields(value):
            # URIs, though texts.
            in_uri = field.name in ("routes", "next_hop")
            make = self._compile(
                getattr(value, field.name),
                _in_uri if in_uri else fits,
                "cannot stand in a URI" if in_uri else what,
            )
            if make is not None:
                makers.append((field.name, make))
        return makers


def _anything(text: str) -> bool:
    return True
