"""The program run in this process, and a scripted server to drive."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from picosip_server.cli import main
from tests.cli_load.scripted import ScriptedLoads, ScriptedServer, whole


@dataclass(frozen=True)
class Ran:
    """What a run of the program gave."""

    status: int
    out: str
    err: str


RunProgram = Callable[..., Ran]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("PICOSIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def load(capsys: pytest.CaptureFixture[str]) -> RunProgram:
    """Runs ``picosip load`` in this process."""

    def run(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as ended:
            main(["load", *map(str, arguments)])
        out, err = capsys.readouterr()
        return Ran(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server whose loads take three seconds, and go well."""
    with ScriptedServer(ScriptedLoads(whole())) as running:
        yield running
