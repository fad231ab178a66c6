"""Nonce counts: what is accepted once is not accepted twice."""

from __future__ import annotations

from hypothesis import given, strategies as st

from picosip_server.sip.auth import nonce
from picosip_server.sip.auth.nonce import Nonce
from picosip_server.sip.auth.replay import ReplayGuard


def _nonce(second: int, salt: bytes = b"") -> Nonce:
    found = nonce.read(b"k", nonce.make(b"k", realm="r", now=float(second), salt=salt), realm="r")
    assert found is not None and found.issued == second * 1_000_000
    return found


def _guard(lifetime: float = 1e9, max_nonces: int = 10) -> ReplayGuard:
    return ReplayGuard(lifetime=lifetime, max_nonces=max_nonces)


def _use(guard: ReplayGuard, of: Nonce, *counts: int) -> list[bool]:
    return [guard.use(of, count, now=0.0) for count in counts]


def test_counts_come_once_each() -> None:
    guard, one = _guard(), _nonce(1)
    assert _use(guard, one, 1, 1, 2, 2, 1, 3) == [True, False, True, False, False, True]
    assert _use(guard, _nonce(1, b"other"), 1) == [True]


def test_order_may_change_within_64() -> None:
    guard, one = _guard(), _nonce(1)
    assert _use(guard, one, 100, 37, 36, 37, 99) == [True, True, False, False, True]


def test_jump_ahead_by_less_and_by_more_than_the_window() -> None:
    guard, one = _guard(), _nonce(1)
    assert _use(guard, one, 1, 64, 1, 2) == [True, True, False, True]
    assert _use(guard, one, 128, 64, 65) == [True, False, True]
    assert _use(guard, one, 0xFFFFFFFF, 128, 0xFFFFFFFE) == [True, False, True]


@given(st.lists(st.integers(0, 200)))
def test_no_count_is_ever_accepted_twice(counts: list[int]) -> None:
    guard, one = _guard(), _nonce(1)
    accepted: list[int] = []
    for count in counts:
        expected = count not in accepted and (not accepted or count > max(accepted) - 64)
        assert guard.use(one, count, now=0.0) is expected
        if expected:
            accepted.append(count)


def test_full_table_forgets_the_oldest_and_refuses_its_age() -> None:
    guard = _guard(max_nonces=2)
    old, middle, new, newest = (_nonce(second) for second in (1, 2, 3, 4))
    assert [guard.use(each, 1, now=5.0) for each in (middle, old, new)] == [True] * 3
    assert len(guard) == 2
    assert not guard.use(old, 2, now=5.0)
    assert not guard.use(_nonce(1, b"never used"), 1, now=5.0)
    assert guard.use(middle, 2, now=5.0)
    assert guard.use(newest, 1, now=5.0)
    assert not guard.use(middle, 3, now=5.0)
    assert len(guard) == 2


def test_nonce_older_than_all_in_a_full_table_is_good_once() -> None:
    guard = _guard(max_nonces=1)
    assert guard.use(_nonce(2), 1, now=5.0)
    assert guard.use(_nonce(1), 1, now=5.0)
    assert not guard.use(_nonce(1), 1, now=5.0)
    assert guard.use(_nonce(2), 2, now=5.0)


def test_expired_nonces_are_forgotten_and_stay_refused_if_the_clock_goes_back() -> None:
    guard = _guard(lifetime=10.0)
    assert guard.use(_nonce(1), 1, now=1.0)
    assert guard.use(_nonce(20), 1, now=20.0)
    assert len(guard) == 1
    assert not guard.use(_nonce(1), 1, now=1.0)


def test_already_expired_nonce_leaves_nothing_behind() -> None:
    guard = _guard(lifetime=10.0)
    assert guard.use(_nonce(1), 1, now=100.0)
    assert len(guard) == 0
