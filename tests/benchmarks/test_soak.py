"""What a long run is judged by, and what troubles it."""

from __future__ import annotations

import itertools

import pytest

from benchmarks.malformed import datagrams
from benchmarks.soak import Soaked, SoakPlan

PLAN = SoakPlan(seconds=100, rate=10)
MEBI = 2.0**20


def seen(**changed: object) -> Soaked:
    values: dict[str, object] = {
        "plan": PLAN,
        "calls": 1000,
        "succeeded": 999,
        # Caches fill in the first half.
        "rss": [(float(s), (60 + min(s, 50)) * MEBI) for s in range(100)],
        "before": {"calls": 0, "files": 12},
        "after": {"calls": 0, "files": 12},
        **changed,
    }
    return Soaked(**values)  # type: ignore[arg-type]


def test_a_run_after_which_all_is_as_before_has_no_fault() -> None:
    assert seen().growth == pytest.approx(0.0)
    assert seen().faults() == []
    assert seen(after={"calls": 0, "files": 11}).faults() == []


def test_what_is_left_is_named() -> None:
    assert seen(after={"calls": 2, "files": 13}).faults() == [
        "2 calls are left (0 at the start)",
        "13 files are left (12 at the start)",
    ]


def test_memory_that_keeps_growing_is_a_fault() -> None:
    growing = seen(rss=[(float(s), (60 + s) * MEBI) for s in range(100)])
    assert growing.growth == pytest.approx(MEBI)
    assert growing.faults() == ["memory grew by 50.0 MiB in the second half"]


def test_calls_that_fail_are_a_fault_where_they_are_many() -> None:
    assert seen(succeeded=900, causes={"UnexpectedMessage": 100}).faults() == [
        "only 900 of 1000 calls succeeded: {'UnexpectedMessage': 100}"
    ]


def test_malformed_messages_are_the_same_again_for_the_same_seed() -> None:
    first, again = (list(itertools.islice(datagrams(5060, 7), 50)) for _ in range(2))
    assert first == again
    assert first != list(itertools.islice(datagrams(5060, 8), 50))
    assert len(set(first)) == 50
