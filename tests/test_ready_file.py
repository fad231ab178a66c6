"""The ready file: whole or not there, and removed by its owner only."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from picosip_server.ready_file import remove_ready_file, write_ready_file


def test_its_content(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    write_ready_file(path, ["127.0.0.1:50051", "unix:/x"], ["udp:127.0.0.1:5060"], None)
    assert json.loads(path.read_text()) == {
        "grpc": ["127.0.0.1:50051", "unix:/x"],
        "sip": ["udp:127.0.0.1:5060"],
        "metrics": None,
        "pid": os.getpid(),
    }
    assert [entry.name for entry in tmp_path.iterdir()] == ["ready.json"]


def test_a_reader_never_sees_half_of_it(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    write_ready_file(path, ["a:1"], [], None)
    with path.open() as reader:
        write_ready_file(path, ["b:2"] * 1000, [], "m:3")
        assert json.load(reader)["grpc"] == ["a:1"]
    assert json.loads(path.read_text())["metrics"] == "m:3"


def test_removed_if_it_is_ours(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    write_ready_file(path, [], [], None)
    remove_ready_file(path)
    assert not path.exists()
    remove_ready_file(path)


@pytest.mark.parametrize("content", ['{"pid": 1}', "[]", "half of {"])
def test_left_if_it_is_another_ones(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ready.json"
    path.write_text(content)
    remove_ready_file(path)
    assert path.read_text() == content


def test_nothing_is_left_behind_where_it_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    path.mkdir()
    with pytest.raises(OSError):
        write_ready_file(path, [], [], None)
    assert [entry.name for entry in tmp_path.iterdir()] == ["ready.json"]
