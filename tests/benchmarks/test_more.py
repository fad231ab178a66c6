"""The measurements of picoSIP alone, each in small."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import grpc
import pytest
from rich.console import Console

from benchmarks.abreast import Version, abreast
from benchmarks.contenders import ALL
from benchmarks.held import Held, measure_held
from benchmarks.latency import event_latency
from benchmarks.live import Live
from benchmarks.options import Options
from benchmarks.overload import compared, overload
from benchmarks.sipp import counted
from benchmarks.steps import Plan
from picosip.v1 import admin_service_pb2 as admin_pb


def test_messages_are_counted_by_place_and_by_name() -> None:
    text = (
        "CurrentTime;ElapsedTime;0_INVITE_Sent;4_200_Recv;4_200_Retrans;9_200_Recv;\n"
        "now;00:00:01;10;9;1;7;\n"
    )
    found = counted(text)
    assert found["200_Recv"] == 16
    assert (found["4_200_Recv"], found["9_200_Recv"]) == (9, 7)
    assert counted("") == {}


def test_calls_are_held_and_end_in_order(tmp_path: Path) -> None:
    found = measure_held(
        20, 5, 50, tmp_path, passing_seconds=0.5, patience=0, flags=["--sip-t1=0.1"]
    )
    assert [one.held for one in found.growth] == [5, 20]
    assert (found.ended, found.lost, found.left) == (20, 0, 0)


class Lingering:
    """A server that has as many transactions as a test says, one look after the other."""

    def __init__(self, *transactions: int) -> None:
        self._left = iter(transactions)
        self.process = self

    def rss(self) -> int:
        return 0

    def stats(self) -> admin_pb.GetStatsResponse:
        return admin_pb.GetStatsResponse(active_transactions=next(self._left))


@pytest.mark.parametrize("caller, settled", [((2, 1, 0, 0), True), ((2,) * 100, False)])
def test_others_are_measured_once_nothing_lingers(
    caller: tuple[int, ...], settled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    callee = Lingering(3, 0)
    with grpc.insecure_channel("127.0.0.1:1") as channel:
        held = Held(Lingering(*caller), callee, channel, 1.0)  # type: ignore[arg-type]
        assert held.settle() is settled
    # Three looks with something left, a second for each, and some rest.
    assert now == (5.0 if settled else pytest.approx(61.0))


@pytest.mark.peer("sipp")
def test_the_age_of_each_invite_is_known_at_the_application(tmp_path: Path) -> None:
    step, spread = event_latency(50, 1, tmp_path)
    assert step.succeeded == 50
    assert spread is not None
    assert spread.count == 50
    assert 0 < spread.p50 <= spread.max


@pytest.mark.peer("sipp")
def test_versions_get_the_same_calls_in_turn(tmp_path: Path) -> None:
    (contender,) = (one for one in ALL if one.name == "picosip-control-uas")
    other = tmp_path / "other"
    # A version that tells: whatever it starts has seen this folder first.
    (other / "sitecustomize.py").parent.mkdir()
    seen = tmp_path / "seen"
    (other / "sitecustomize.py").write_text(f"open({str(seen)!r}, 'a').write('x')\n")
    # And an interpreter of its own, known by its path alone.
    venv = tmp_path / "venv"
    venv.mkdir()
    used = tmp_path / "used"
    for program in ("python", "picosip"):
        real = Path(sys.executable).with_name(program)
        (venv / program).write_text(f'#!/bin/sh\necho {program} >> {used}\nexec {real} "$@"\n')
        (venv / program).chmod(0o755)
    python = venv / "python"
    plan = Plan(rate=50, calls=25)
    sides = abreast(
        contender,
        {"one": Version(), "two": Version.read(f"{python}@{other}")},
        plan,
        2,
        tmp_path / "run",
    )
    assert [(side.name, side.failed) for side in sides] == [("one", 0), ("two", 0)]
    assert (sides[0].ratio, sides[0].both) == (1.0, 1.0)
    assert min(sides[1].server, sides[1].application, sides[1].ratio) > 0
    assert seen.read_text() == "xx"
    assert used.read_text().split() == ["picosip", "python"]


@pytest.mark.parametrize(
    "text, path, python",
    [
        ("", "", None),
        ("a:b", "{here}/a:{here}/b", None),
        ("bin/python@", "", "{here}/bin/python"),
        ("bin/python@a", "{here}/a", "{here}/bin/python"),
    ],
)
def test_a_version_is_folders_and_perhaps_an_interpreter(
    text: str, path: str, python: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = Version.read(text)
    assert found.path == path.format(here=tmp_path)
    assert found.python == (Path(python.format(here=tmp_path)) if python else None)


@pytest.mark.peer("sipp")
def test_what_is_offered_is_served_refused_or_unanswered(tmp_path: Path) -> None:
    (contender,) = (one for one in ALL if one.name == "picosip-engine-uas")
    found = overload(contender, 50, 1, 0.1, tmp_path)
    assert found.calls == 50
    assert found.served + found.refused + found.unanswered + found.lost == 50
    assert found.served == 50
    assert found.lost == 0


@pytest.mark.peer("sipp")
def test_the_highest_clean_rate_is_looked_for_before_and_after(tmp_path: Path) -> None:
    (contender,) = (one for one in ALL if one.name == "picosip-engine-uas")
    options = Options(seconds=0.5, held=5, ceiling=40)
    with Live(Console(quiet=True), 2) as live:
        found = compared(contender, options, 0.5, 0.1, tmp_path, live)
    # None is too high here: it is the ceiling, and twice as many are no overload.
    assert (found.before, found.highest, found.after) == (40, 40, 40)
    assert (found.overloaded.offered, found.overloaded.served) == (80, 40)
