"""What holds for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says nothing here: the machine may be busy with something else.
settings.register_profile("picosip", deadline=None)
settings.load_profile("picosip")

_MEASURED = [Path(__file__).parent / name for name in ("sip", "sdp", "engine")]
"""The tests whose coverage of sip and sdp counts: to note each line takes as long as the line, and
what the others run through they do not look at."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not any(folder in item.path.parents for folder in _MEASURED):
            item.add_marker(pytest.mark.no_cover)
