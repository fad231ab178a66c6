"""What reports say of the machine and of the versions."""

from __future__ import annotations

import json

import pytest

from benchmarks import machine
from picosip_server.sip import parse


def test_it_can_be_written() -> None:
    said = machine.describe()
    assert json.loads(json.dumps(said)) == said
    assert said["cores"]


@pytest.mark.parametrize(
    ("file", "form"), [("parse.py", "pure"), ("parse.cpython-311-x86_64-linux-gnu.so", "compiled")]
)
def test_the_form_that_was_measured_stands_beside_its_version(
    monkeypatch: pytest.MonkeyPatch, file: str, form: str
) -> None:
    monkeypatch.setattr("picosip_server.form.EXTENSION_SUFFIXES", [".so"])
    monkeypatch.setattr(parse, "__file__", file)
    assert machine.versions()["picosip"].endswith(f" ({form})")
