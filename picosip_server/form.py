"""Which form of the server runs: its hot modules compiled to machine code, or pure Python."""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES

from picosip_server.sip import parse


def is_compiled() -> bool:
    """Whether what reads SIP was loaded from a compiled wheel."""
    return str(parse.__file__).endswith(tuple(EXTENSION_SUFFIXES))
