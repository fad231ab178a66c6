"""What the tests against real peers share: skips with a reason, a server, logs on failure."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.interop.jssip.browser import INSTALLED
from tests.support.server import PicosipServer

pytest.register_assert_rewrite("tests.interop.scenarios")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker of tests that need a program of somebody else's."""
    config.addinivalue_line(
        "markers", "peer(program): needs this SIP program, or program:module (`make peers`)"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what needs a peer that is not there."""
    for marker in item.iter_markers("peer"):
        for name in marker.args:
            if not is_installed(name):
                pytest.skip(f"{name} is not installed: run `make peers`")


def is_installed(name: str) -> bool:
    """A program, or a module of Kamailio's."""
    program, _, module = name.partition(":")
    if program == "jssip":
        return INSTALLED.exists()
    if module:
        return any(Path("/usr/lib").glob(f"*/{program}/modules/{module}.so"))
    return shutil.which(program) is not None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows the end of each running server's log with a failure."""
    report = yield
    if report.failed:
        for server in PicosipServer.running:
            report.sections.append((f"log of {server.process.pid}", server.process.tail()))
    return report


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PicosipServer]:
    """A server with default settings, one for all tests of a file."""
    with PicosipServer(tmp_path_factory.mktemp("picosip")) as running:
        yield running
