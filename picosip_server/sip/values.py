"""Small header values: CSeq and RAck."""

from __future__ import annotations

import re
from dataclasses import dataclass

from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import TOKEN, number
from picosip_server.sip.slots import setters

LARGEST_CSEQ = 2**31 - 1
"""RFC 3261 section 8.1.1.5."""
LARGEST_RSEQ = 2**32 - 1
"""RFC 3262 section 7.1."""
LARGEST_SECONDS = 2**32 - 1
"""Of Expires and its like (RFC 3261 section 20.19)."""

_cseq = re.compile(rf"([0-9]++)[ \t]++({TOKEN}++)").fullmatch
_rack = re.compile(rf"([0-9]++)[ \t]++([0-9]++)[ \t]++({TOKEN}++)").fullmatch


@dataclass(frozen=True, slots=True)
class CSeq:
    """A command sequence number with its method (RFC 3261 section 20.16)."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> CSeq:
        """Raises ParseError, also for a number of 2**31 or more."""
        match = _cseq(text)
        if match is None:
            raise ParseError("malformed CSeq")
        cseq = object.__new__(cls)
        digits = match[1]
        _set_number(cseq, int(digits) if len(digits) < 10 else number(digits, LARGEST_CSEQ))
        _set_method(cseq, match[2])
        return cseq

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


_set_number, _set_method = setters(CSeq)


@dataclass(frozen=True, slots=True)
class RAck:
    """Which reliable provisional response a PRACK acknowledges (RFC 3262 section 7.2)."""

    rseq: int
    cseq: int
    method: str

    @classmethod
    def parse(cls, text: str) -> RAck:
        """Raises ParseError."""
        match = _rack(text)
        if match is None:
            raise ParseError("malformed RAck")
        return cls(number(match[1], LARGEST_RSEQ), number(match[2], LARGEST_CSEQ), match[3])

    def __str__(self) -> str:
        return f"{self.rseq} {self.cseq} {self.method}"
