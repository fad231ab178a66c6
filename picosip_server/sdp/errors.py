"""The one error of this package."""

from __future__ import annotations


class SdpError(ValueError):
    """A session description that cannot be read or must not be written.

    ``detail`` says what is wrong. Reading, ``line`` is the number of the line,
    counted from 1, or 0 where it is about the whole. Writing, ``field`` is the path
    of the value, such as "media[0].port".
    """

    def __init__(self, detail: str, *, line: int = 0, field: str = "") -> None:
        place = f"line {line}: " if line else f"{field}: " if field else ""
        super().__init__(place + detail)
        self.detail = detail
        self.line = line
        self.field = field
