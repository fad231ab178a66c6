"""What holds for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says nothing here: the machine may be busy with something else.
settings.register_profile("picosip", deadline=None)
settings.load_profile("picosip")

_HERE = Path(__file__).parent
_COVERED = [_HERE / name for name in ("sip", "sdp", "engine")]
"""The tests whose coverage of sip and sdp counts: to note each line takes as long as the line, and
what the others run through they do not look at."""
_ALONE = [
    _HERE / name
    for name in (
        "interop",
        "benchmarks",
        "cli_load",
        "fuzz/test_running.py",
        "service/test_loads_end_to_end.py",
    )
]
"""Tests that load the machine, or that a far end's timers run for: two at once are too many."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        places = (item.path, *item.path.parents)
        if not any(place in places for place in _COVERED):
            item.add_marker(pytest.mark.no_cover)
        if any(place in places for place in _ALONE):
            item.add_marker(pytest.mark.xdist_group("alone"))
