"""``make demo``, as its users run it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.examples.programs import EXAMPLES, Program

pytestmark = pytest.mark.timeout(60)


def arrows(lines: list[str]) -> list[str]:
    """The ladder without its times and shafts: who sends what."""
    found = []
    for line in lines:
        if match := re.match(r" *[0-9.]+  \|(<?)-+ (.*?) -+(>?)\|$", line):
            found.append(f"{match[1]}{match[2]}{match[3]}")
    return found


def test_all_of_it_happens(tmp_path: Path) -> None:
    with Program(tmp_path, "demo.py") as demo:
        assert demo.process.wait(45.0) == 0, demo.process.tail()
        ladder = arrows(demo.lines)
    assert ladder[:4] == [
        "REGISTER>",
        "<401 Unauthorized (REGISTER)",
        "REGISTER>",
        "<200 OK (REGISTER)",
    ]
    call = ladder[4:]
    for expected in (
        "INVITE [sdp]>",
        "<180 Ringing (INVITE)",
        "<200 OK (INVITE) [sdp]",
        "ACK>",
        "BYE>",
        "<200 OK (BYE)",
        "REGISTER>",
        "<200 OK (REGISTER)",
    ):
        # In this order; 100, and another 401, may stand in between.
        assert expected in call, f"{expected} is not where it should be in {ladder}"
        call = call[call.index(expected) + 1 :]
    assert call == []


def test_it_fails_where_a_step_does_not_happen(tmp_path: Path) -> None:
    # The same demo, with another application beside it.
    shutil.copy(EXAMPLES / "demo.py", tmp_path)
    (tmp_path / "far_end.py").write_text("raise SystemExit('no mood')\n")
    with Program(tmp_path, "demo.py", folder=tmp_path) as demo:
        assert demo.process.wait(45.0) == 1
        assert "The demo failed: far_end.py: ended before application" in demo.lines
        assert any(line.startswith("--- the end of") for line in demo.lines)
