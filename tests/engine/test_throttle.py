"""What part of new work is refused: a queue in virtual time, and the controller before it."""

from __future__ import annotations

from collections import deque

import pytest

from picosip_server.engine.guard.overload import BURST, CALM, HOPELESS, UPDATE, Throttle

TARGET = 0.2
CALL = 0.001
REFUSAL = 0.0001
"""Seconds of work."""


def offered(
    ratio: float, seconds: float, *, target: float = TARGET, settled: float = 3.0
) -> tuple[float, float, float]:
    """So many times what can be done: the part of the time that went into calls, the longest that
    one of them waited, and the longest once all had settled."""
    throttle = Throttle(target)
    waiting: deque[float] = deque()
    now = came = busy = longest = later = 0.0
    lot = 0.0
    while now < seconds:
        while came <= now:
            waiting.append(came)
            came += CALL / ratio
        if not waiting:
            now = came
            continue
        waited = now - waiting.popleft()
        throttle.observe(waited, now)
        # Spread evenly, as hashes are.
        lot = (lot + 0.618034) % 1.0
        if lot < throttle.part:
            now += REFUSAL
            continue
        longest = max(longest, waited)
        if now > settled:
            later = max(later, waited)
        now += CALL
        busy += CALL
    return busy / seconds, longest, later


@pytest.mark.parametrize("ratio", [1.2, 1.5, 2.0, 4.0])
def test_as_much_is_taken_as_can_be_done(ratio: float) -> None:
    goodput, longest, later = offered(ratio, 20.0)
    # So much is left by what it takes to refuse the others.
    best = 1.0 - (ratio - 1.0) * REFUSAL / (CALL - REFUSAL)
    assert goodput == pytest.approx(best, rel=0.02)
    assert longest < HOPELESS * TARGET + 0.05
    # Then nobody waits for so long that he repeats his request (T1).
    assert later < 1.5 * TARGET < 0.5


def test_what_can_be_done_is_not_refused() -> None:
    throttle = Throttle(TARGET)
    for step in range(1000):
        throttle.observe(0.19, step * 0.05)
        assert throttle.part == 0.0


def test_a_burst_passes_by_itself() -> None:
    throttle = Throttle(TARGET)
    now = 10.0
    for delay in (0.0, 0.79, 0.6, 0.4, 0.21, 0.19, 0.1, 0.0):
        throttle.observe(delay, now)
        assert throttle.part == 0.0, delay
        now += BURST / 5


def test_a_delay_that_stays_counts() -> None:
    throttle = Throttle(TARGET)
    throttle.observe(0.22, 10.0)
    throttle.observe(0.22, 10.0 + BURST - 0.01)
    assert throttle.part == 0.0
    throttle.observe(0.22, 10.0 + BURST + 2 * UPDATE)
    assert 0.3 < throttle.part < 0.6


def test_who_was_behind_a_moment_ago_waits_no_more_for_a_burst_to_pass() -> None:
    throttle = Throttle(TARGET)
    throttle.observe(HOPELESS * TARGET, 10.0)
    for now, delay, refuses in [
        (10.1, 0.0, False),
        (11.0, 0.25, True),
        (12.0, 0.0, False),
        # It was calm for so long that a burst may pass again.
        (12.0 + CALM, 0.0, False),
        (12.1 + CALM, 0.25, False),
    ]:
        throttle.observe(delay, now)
        assert (throttle.part > 0.0) is refuses, now


def test_a_hopeless_delay_counts_at_once() -> None:
    throttle = Throttle(TARGET)
    throttle.observe(HOPELESS * TARGET, 10.0)
    assert throttle.part > 0.8
    throttle.observe(0.0, 10.0 + 2 * UPDATE)
    assert throttle.part == 0.0


def test_the_longest_since_the_last_update_counts() -> None:
    throttle = Throttle(TARGET)
    throttle.observe(HOPELESS * TARGET, 10.0)
    throttle.observe(0.0, 10.0 + 2 * UPDATE)
    throttle.observe(0.5, 10.0 + 2.5 * UPDATE)
    assert throttle.part == 0.0
    throttle.observe(0.0, 10.0 + 4 * UPDATE)
    assert throttle.part > 0.3


@pytest.mark.parametrize("target", [0.05, 1.0, 5.0])
def test_other_delays_are_kept_to_as_well(target: float) -> None:
    for ratio in (1.5, 3.0):
        goodput, _, later = offered(ratio, 40.0, target=target, settled=20.0)
        assert goodput > 0.97 * (1.0 - (ratio - 1.0) * REFUSAL / (CALL - REFUSAL))
        assert later < 1.5 * target


def test_delays_that_come_and_go_below_what_is_allowed_refuse_nobody() -> None:
    throttle = Throttle(TARGET)
    throttle.observe(1.0, 10.0)
    assert throttle.part > 0.0
    now = 10.0
    while now < 20.0:
        now += 0.5
        throttle.observe(0.001, now)
        # The turn after a pause of the collector, or of the machine.
        throttle.observe(0.09, now + 0.1)
        assert throttle.part == 0.0, now
    throttle.observe(0.25, now + 1.0)
    assert throttle.part == 0.0


def test_it_can_be_off() -> None:
    throttle = Throttle(0.0)
    throttle.observe(1000.0, 10.0)
    assert throttle.part == 0.0
