"""Very many that end: no more at once than the far end can take."""

from __future__ import annotations

from picosip_server.engine.departures import MOST_LEAVING, PATIENCE, Departures


def test_nobody_leaves_before_it_is_open() -> None:
    departures = Departures[int]()
    assert departures.next is None
    assert list(departures.due(1.0, 10)) == []


class Far:
    """Those that leave when the test says so."""

    def __init__(self, count: int) -> None:
        self.departures = Departures[int]()
        self.all = list(range(count))
        self.departures.open(10.0, more=self.all)
        self.gone = list(self.departures.due(10.0, count))


def test_no_more_are_on_their_way_out_than_the_far_end_can_take() -> None:
    far = Far(MOST_LEAVING + 2)
    assert far.gone == far.all[:MOST_LEAVING]
    assert far.departures.next == 10.0 + PATIENCE
    # One is out: the next one may go.
    assert far.departures.left(far.gone[7])
    assert far.departures.next == 10.0
    assert list(far.departures.due(10.1, 99)) == [far.all[-2]]
    # Nothing changes by one that left before.
    assert not far.departures.left(far.gone[7])
    assert list(far.departures.due(10.2, 99)) == []


def test_nobody_waits_for_long_for_a_far_end_that_does_not_answer() -> None:
    far = Far(100 * MOST_LEAVING)
    gone, rounds = len(far.gone), 0
    while (due := far.departures.next) is not None:
        assert due == 10.0 + (rounds + 1) * PATIENCE
        rounds += 1
        gone += len(list(far.departures.due(due, len(far.all))))
        # Twice as many each time.
        assert gone == min(len(far.all), MOST_LEAVING * (2 ** (rounds + 1) - 1))
    assert gone == len(far.all)
    assert rounds == 6


def test_where_some_answer_no_more_leave_than_before() -> None:
    far = Far(4 * MOST_LEAVING)
    assert far.departures.left(far.gone[0])
    assert len(list(far.departures.due(10.0 + PATIENCE, 9999))) == MOST_LEAVING
    assert far.departures.next == 10.0 + 2 * PATIENCE


def test_who_is_named_twice_leaves_once() -> None:
    far = Far(3)
    far.departures.open(10.1, more=far.all)
    assert list(far.departures.due(10.1, 9)) == []
    assert far.departures.next is None


def test_whoever_has_ended_while_it_waited_takes_no_ones_place() -> None:
    far = Far(2 * MOST_LEAVING)
    for one in far.all[MOST_LEAVING:-1]:
        assert not far.departures.left(one)
    assert far.departures.left(far.gone[0])
    assert list(far.departures.due(10.1, 99)) == far.all[-1:]
