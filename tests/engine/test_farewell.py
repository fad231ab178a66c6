"""The end of very many calls: no more at once than the far ends can follow."""

from __future__ import annotations

import pytest

from picosip_server.engine.departures import MOST_LEAVING, PATIENCE
from picosip_server.sip.ua import commands, events
from tests.engine.memory import Faults, Host, Simulation

COUNT = MOST_LEAVING + 150


class Crowd:
    """Calls that stand between two servers, and the end of the one that placed them."""

    def __init__(self) -> None:
        self.simulation = Simulation()
        self.near, self.far = self.simulation.host("10.0.0.1"), self.simulation.host("10.0.0.2")
        self.far.on_event = self._answer
        for _ in range(COUNT):
            self.near.invite("sip:piet@10.0.0.2")
        self.simulation.run(5.0)
        assert len(self.confirmed(self.near)) == COUNT
        # A way on which BYEs are answered before they are said again (T1).
        self.simulation.faults = Faults(delay=0.2)
        self.ended: list[float] = []
        self.start = self.simulation.now

    def _answer(self, event: events.Event) -> None:
        if isinstance(event, events.CallReceived):
            self.far.answer(event.resource)

    def confirmed(self, host: Host) -> list[events.CallConfirmed]:
        return host.of(events.CallConfirmed)

    def end_all(self) -> None:
        self.near.core.end_all(lambda: self.ended.append(self.simulation.now), self.start)

    def byes(self) -> list[float]:
        """When each of ours was sent, in seconds from the beginning of the end."""
        return [
            at - self.start
            for at, sender, _, data in self.simulation.wire
            if data[:3] == b"BYE" and sender == self.near.address
        ]


def test_so_many_leave_that_the_far_ends_can_follow() -> None:
    crowd = Crowd()
    crowd.end_all()
    crowd.simulation.run(0.39)
    assert len(crowd.byes()) == MOST_LEAVING
    crowd.simulation.run(until=lambda: bool(crowd.ended))
    assert len(crowd.byes()) == COUNT
    assert crowd.byes()[MOST_LEAVING] == pytest.approx(0.4, abs=0.01)
    assert len(crowd.far.of(events.CallEnded)) == COUNT
    crowd.simulation.run()
    assert len(crowd.ended) == 1
    assert crowd.near.core.idle and crowd.far.core.idle


def test_far_ends_that_do_not_answer_hold_nobody_up_for_long() -> None:
    crowd = Crowd()
    del crowd.simulation.hosts["10.0.0.2"]
    crowd.end_all()
    crowd.simulation.run(PATIENCE + 0.5)
    named = {data.split(b"Call-ID: ")[1].split()[0] for *_, data in crowd.simulation.wire[-5000:]}
    assert len(named) >= COUNT
    crowd.simulation.run(until=lambda: bool(crowd.ended))
    # Timer F.
    assert crowd.ended[0] - crowd.start == pytest.approx(PATIENCE + 32.0, abs=0.5)


def test_whoever_has_ended_meanwhile_is_not_ended_again() -> None:
    crowd = Crowd()
    crowd.end_all()
    # The far end hangs up too, which comes while the last ones still wait.
    for event in crowd.confirmed(crowd.far):
        crowd.far.on_call(commands.Hangup, event.resource)
    crowd.simulation.run(until=lambda: bool(crowd.ended))
    assert crowd.ended[0] - crowd.start < PATIENCE
    assert len(crowd.byes()) == MOST_LEAVING
