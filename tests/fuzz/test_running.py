"""Mutated messages at a running server; `make fuzz-server` sends a million of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.running import fuzz


@pytest.mark.timeout(240)
def test_calls_succeed_while_others_send_rubbish(tmp_path: Path) -> None:
    figures = fuzz(tmp_path / "server", 4_000, 3261)
    assert figures.messages >= 4_000
    assert figures.calls >= 8
    assert figures.counters["parse_errors"] > 300
    assert figures.counters["messages_received"] > 3_000
