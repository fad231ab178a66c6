"""Scenario files, and beside them the application's scripts, by theme."""

from __future__ import annotations

import importlib
import pkgutil


def load() -> None:
    """Enters all scripts into the registry of ``tests/interop/suite.py``."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
