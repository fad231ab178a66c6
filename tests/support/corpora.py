"""The RFCs' own test messages, which lie beside the repository where they are at all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"


def messages(folder: str, suffix: str = "*") -> dict[str, bytes]:
    """All messages of a folder by file name without its ending, in their order."""
    found = sorted((CORPORA / folder).glob(suffix))
    if not found:
        pytest.skip(f"the messages of ../shared/corpora/{folder} are not here")
    return {path.stem: path.read_bytes() for path in found}


def sent_by_port(octets: bytes) -> int:
    """Port of the topmost Via, where answers over UDP go (RFC 3261 section 18.2.2)."""
    unfolded = re.sub(rb"\r\n[ \t]+", b" ", octets)
    via = re.search(rb"(?im)^v(?:ia)?[ \t]*:([^;,\r\n]*)", unfolded)
    assert via, "a message without Via"
    # "SIP/2.0/UDP host:port": the host may be an IPv6 address in brackets.
    port = re.search(rb"\s(?:\[[^]]*\]|[^\s:]+)\s*:\s*(\d+)\s*$", via[1])
    return int(port[1]) if port else 5060
