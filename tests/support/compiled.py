"""Plugin for the run on the compiled form: it must be the one that is tested, all of it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import picosip_server
from picosip_server.form import is_compiled
from scripts.compiled import PACKAGE, hot_modules

PURE_ALONE = (
    # They derive from a class that is compiled.
    "tests/sip/test_exchange.py",
    "tests/sip/test_exchange_cancel.py",
    "tests/sip/test_exchange_digest.py",
    "tests/sip/ua/test_remains.py::test_a_load_counts_what_is_repeated_after_a_call",
    # A compiled class takes no stand-in for a user, and does not show its attributes.
    "tests/engine/test_stream_connection.py::test_who_is_told_of_what_has_not_left",
    "tests/sip/auth/test_digest_client.py::test_secrets_do_not_show",
    "tests/service/test_convert_events.py::test_an_unknown_kind_is_an_error",
    # It follows references as the garbage collector does, which is spared most of these.
    "tests/sip/ua/test_footprint.py",
)


def interpreted() -> Iterator[str]:
    """Modules that should have been compiled and are not."""
    package = Path(picosip_server.__file__).parent
    for path in hot_modules(package):
        name = ".".join((PACKAGE, *path.relative_to(package).with_suffix("").parts))
        if not str(import_module(name).__file__).endswith(tuple(EXTENSION_SUFFIXES)):
            yield name


def pytest_configure() -> None:
    if not is_compiled():
        raise pytest.UsageError(f"{picosip_server.__file__} is of the pure form")
    if left := list(interpreted()):
        raise pytest.UsageError(f"not compiled: {', '.join(left)}")


def pytest_report_header() -> str:
    return f"compiled form: {picosip_server.__file__}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    pure = [item for item in items if item.nodeid.startswith(PURE_ALONE)]
    items[:] = [item for item in items if item not in pure]
    config.hook.pytest_deselected(items=pure)
