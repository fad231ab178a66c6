"""What reports say of the machine and of the versions."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import interpreter, machine


def test_it_can_be_written() -> None:
    said = machine.describe()
    assert json.loads(json.dumps(said)) == said
    assert said["cores"]


def test_the_version_is_that_of_the_program_which_is_measured(tmp_path: Path) -> None:
    program = tmp_path / "picosip"
    program.write_text("#!/bin/sh\necho 'picosip 9.8.7 (compiled)'\n")
    program.chmod(0o755)
    with interpreter.runs_on(tmp_path / "python"):
        assert machine.versions()["picosip"] == "9.8.7 (compiled)"
