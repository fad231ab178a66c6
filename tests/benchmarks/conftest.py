"""Skips what needs a program that is not there."""

from __future__ import annotations

import shutil

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker, for runs of these tests alone."""
    config.addinivalue_line("markers", "peer(program): needs this SIP program (`make peers`)")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips with the reason."""
    for marker in item.iter_markers("peer"):
        for program in marker.args:
            if not shutil.which(program):
                pytest.skip(f"{program} is not installed: run `make peers`")
