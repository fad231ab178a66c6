"""The load example, between two servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.programs import Program
from tests.support.server import PicosipServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(60)


def test_load(tmp_path: Path) -> None:
    table = tmp_path / "users.csv"
    table.write_text("user\nanna\nbert\n")
    with (
        PicosipServer(tmp_path / "far", "--auto-answer", "--auto-answer-user=anna") as far,
        PicosipServer(tmp_path / "near") as near,
        Program(
            tmp_path,
            "load.py",
            *(far.uri("{user}"), "--server", near.grpc, "--csv", str(table)),
            *("--rate", "100", "--count", "20", "--hold", "0.1"),
        ) as load,
    ):
        wait_until(lambda: not load.process.running, timeout=30.0, what="the end of the load")
        # Nobody is there for the others.
        assert load.lines[-2:] == ["10 of 20 calls went well", "10 failed: 480"]
        assert load.process.popen.returncode == 1
        assert any("setup p50" in line and "ms" in line for line in load.lines)
