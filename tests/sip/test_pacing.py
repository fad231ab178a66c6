"""How registrations of one engine keep out of each other's way."""

from __future__ import annotations

from picosip_server.sip.ua.registration.pacing import FEW, Pacing

WINDOW = (400.0, 900.0)


def test_turns_are_given_in_order() -> None:
    pacing = Pacing(4.0)
    assert [pacing.turn(10.0) for _ in range(3)] == [10.0, 10.25, 10.5]
    assert pacing.turn(10.6) == 10.75
    # What was not used is not saved up.
    assert [pacing.turn(100.0) for _ in range(2)] == [100.0, 100.25]


def test_without_a_rate_everybody_goes_at_once() -> None:
    pacing = Pacing()
    assert [pacing.turn(1.0) for _ in range(3)] == [1.0] * 3


def test_a_few_refresh_when_they_would_by_themselves() -> None:
    pacing = Pacing()
    assert [pacing.plan(850.0, WINDOW, 0.5) for _ in range(FEW + 1)] == [850.0] * (FEW + 1)


def test_a_crowd_spreads_over_the_whole_window() -> None:
    pacing = Pacing()
    times = [pacing.plan(850.0, WINDOW, number % 10 / 10) for number in range(500)]
    for moment in range(400, 850, 50):
        assert 20 <= sum(moment <= at < moment + 50 for at in times) <= 80


def test_what_is_done_makes_room() -> None:
    pacing = Pacing()
    for _ in range(FEW + 1):
        planned = pacing.plan(850.0, WINDOW, 0.5)
    assert pacing.plan(850.0, WINDOW, 0.5) != 850.0
    pacing.done(planned)
    assert pacing.plan(850.0, WINDOW, 0.5) == 850.0
