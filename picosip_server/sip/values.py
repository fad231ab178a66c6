"""Small header values: CSeq, RAck and Session-Expires."""

from __future__ import annotations

import re

from picosip_server.frozen import dataclass
from picosip_server.sip.errors import ParseError
from picosip_server.sip.grammar import TOKEN, Params, is_token, number

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
        digits, _, method = text.partition(" ")
        if not (digits.isascii() and digits.isdigit() and is_token(method)):
            # Hardly anybody writes it otherwise.
            match = _cseq(text)
            if match is None:
                raise ParseError("malformed CSeq")
            digits, method = match[1], match[2]
        value = int(digits) if len(digits) < 10 else number(digits, LARGEST_CSEQ)
        return CSeq(value, method)

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


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


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """A session interval in seconds, and who refreshes: ``uac``, ``uas`` or empty (RFC 4028)."""

    interval: int
    refresher: str = ""

    @classmethod
    def parse(cls, text: str) -> SessionExpires:
        """Raises ParseError, also for a refresher that section 4 does not know."""
        seconds, semicolon, rest = text.partition(";")
        params = Params.parse(semicolon + rest.strip(" \t")) if semicolon else Params()
        refresher = (params.get("refresher") or "").lower()
        if refresher not in ("", "uac", "uas"):
            raise ParseError("malformed Session-Expires: the refresher is uac or uas")
        try:
            return cls(number(seconds.strip(" \t"), LARGEST_SECONDS), refresher)
        except ParseError as error:
            raise ParseError(f"malformed Session-Expires: {error}") from error

    def __str__(self) -> str:
        who = f";refresher={self.refresher}" if self.refresher else ""
        return f"{self.interval}{who}"
