"""The main run: the time that it may take, and its end by Ctrl-C."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from benchmarks.compare import compare
from benchmarks.contenders import Contender, Role
from benchmarks.contenders.base import Running
from benchmarks.options import Options


class Failing(Contender):
    """Never answers anybody."""

    name = "failing"
    title = "fails"
    role = Role.UAS
    first = 5

    def missing(self) -> str:
        return ""

    @contextmanager
    def start(self, folder: Path) -> Iterator[Running]:
        raise OSError("it does not start")
        yield


class Interrupted(Failing):
    """Is measured when somebody presses Ctrl-C."""

    name = "interrupted"
    title = "is interrupted"
    role = Role.UAC

    @contextmanager
    def start(self, folder: Path) -> Iterator[Running]:
        raise KeyboardInterrupt
        yield


def test_a_share_of_the_time_is_for_the_search() -> None:
    assert Options(minutes=10.0, seconds=5.0).search_seconds(10) == 60.0 - 10.0 - 8.0
    assert Options(minutes=0.1).search_seconds(10) == 0.0
    assert Options().search_seconds(10) is None
    assert Options.quick().search_seconds(11) is not None


def test_ctrl_c_ends_the_run_and_leaves_a_report(tmp_path: Path) -> None:
    options = Options(rounds=2, tries=1)
    console = Console(file=io.StringIO())
    whole = compare([Failing()], options, tmp_path / "whole", console)
    assert not whole.interrupted
    assert whole.without_figures() == ["failing: it does not start"]

    report = compare([Interrupted(), Failing()], options, tmp_path / "part", console)
    assert report.interrupted
    assert "interrupted: not measured" in report.without_figures()
    written = json.loads((tmp_path / "part" / "bench.json").read_text())
    assert written["interrupted"] is True
    assert [one["name"] for one in written["contenders"]] == ["interrupted", "failing"]
    assert "not measured" in (tmp_path / "part" / "bench.md").read_text()
