"""Steps, with SIPp on both sides: it takes no part in what is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.contenders import ALL
from benchmarks.contenders.base import Answering, Pair, Running
from benchmarks.measure import explain
from benchmarks.options import Options
from benchmarks.process import Process
from benchmarks.steps import Plan, Step, run_step

PLAN = Plan(rate=100, calls=50)


def step(**changed: object) -> Step:
    values: dict[str, object] = {
        "plan": PLAN,
        "succeeded": 50,
        "failed": 0,
        "resent": 0,
        "elapsed": 0.5,
        "setup": None,
        "cpu": Pair(server=0.1, application=0.05),
        "sipp_cpu": 0.01,
        "memory": Pair(),
        **changed,
    }
    return Step(**values)  # type: ignore[arg-type]


def test_a_step_is_clean_when_all_went_well_in_time() -> None:
    assert step().clean
    assert step().cpu_per_call == Pair(server=2.0, application=1.0)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"succeeded": 49, "failed": 1}, "1 of 50 calls failed"),
        ({"succeeded": 49, "failed": 1, "why": "No\nreason"}, "1 of 50 calls failed: No"),
        ({"resent": 3}, "3 retransmissions"),
        ({"elapsed": 1.0}, "it took 1.0 s instead of 0.5 s"),
        ({"stopped": True, "resent": 2}, "retransmissions (2 when it was stopped)"),
        ({"stopped": True}, "calls failed"),
    ],
)
def test_why_a_step_is_not_clean(changed: dict[str, object], why: str) -> None:
    assert not step(**changed).clean
    assert explain(step(**changed)) == why


def test_options_of_a_quick_run_are_shorter() -> None:
    quick, full = Options.quick(), Options()
    assert quick.seconds < full.seconds
    assert quick.rounds < full.rounds


@pytest.mark.peer("sipp")
@pytest.mark.parametrize("name", ["sipp-uas", "sipp-uac"])
def test_calls_are_counted_on_either_side(name: str, tmp_path: Path) -> None:
    (contender,) = (one for one in ALL if one.name == name)
    with contender.start(tmp_path / "contender") as running:
        done = run_step(running, PLAN, tmp_path)
    assert (done.succeeded, done.failed, done.stopped) == (50, 0, False)
    assert done.setup is not None
    assert done.setup.count == 50
    assert done.cpu.server > 0
    assert done.sipp_cpu > 0


class Nobody(Answering):
    """Has a port where nobody answers."""

    port = 9

    def processes(self) -> tuple[Process | None, Process | None]:
        return None, None


@pytest.mark.peer("sipp")
def test_a_step_is_stopped_once_it_is_seen_not_to_be_clean(tmp_path: Path) -> None:
    running: Running = Nobody()
    done = run_step(running, Plan(rate=10, calls=1000), tmp_path, until_dirty=True)
    assert done.stopped
    assert done.resent > 0
    assert done.elapsed < 20
