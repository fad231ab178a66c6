"""Memory goes back once after a crowd, and the collector is spared otherwise."""

from __future__ import annotations

import pytest

from picosip_server.service import memory
from picosip_server.service.memory import Ebb

BASE = 500_000


class Interpreter:
    """Has as many blocks as a test says."""

    def __init__(self) -> None:
        self.blocks = BASE
        self.times = 0

    def give_back(self) -> None:
        self.times += 1


@pytest.fixture
def interpreter() -> Interpreter:
    return Interpreter()


@pytest.fixture
def ebb(interpreter: Interpreter) -> Ebb:
    return Ebb(lambda: interpreter.blocks, interpreter.give_back)


def see(ebb: Ebb, interpreter: Interpreter, *blocks: int) -> int:
    """Looks at each of these; gives how often memory went back."""
    before = interpreter.times
    for more in blocks:
        interpreter.blocks = BASE + more
        ebb.look()
    return interpreter.times - before


def test_after_a_crowd_memory_goes_back_once(ebb: Ebb, interpreter: Interpreter) -> None:
    assert see(ebb, interpreter, 8_000_000, 300_000) == 0, "still going"
    assert see(ebb, interpreter, 290_000) == 1
    assert see(ebb, interpreter, 290_000, 280_000, 0) == 0
    assert see(ebb, interpreter, 8_000_000, 300_000, 300_000) == 1, "the next crowd"


def test_what_few_had_is_kept(ebb: Ebb, interpreter: Interpreter) -> None:
    assert see(ebb, interpreter, 900_000, 0, 0) == 0


def test_nothing_is_searched_while_many_are_there(ebb: Ebb, interpreter: Interpreter) -> None:
    assert see(ebb, interpreter, 8_000_000, 4_000_000, 4_000_000) == 0
    assert see(ebb, interpreter, 2_000_000, 2_000_000) == 1


def test_a_crowd_that_goes_one_by_one_is_noticed(ebb: Ebb, interpreter: Interpreter) -> None:
    slowly = range(3_000_000, 100_000, -10_000)
    assert see(ebb, interpreter, *slowly) == 1


def test_what_the_interpreter_keeps_for_use_again_goes_back() -> None:
    # Of those that are freed first it keeps thousands, and with each the megabyte it lies in.
    crowd = [tuple(range(1 + number % 19)) for number in range(600_000)]
    del crowd[::17]
    crowd.clear()
    kept = resident()
    memory.give_back()
    assert kept - resident() > 20_000_000


def resident() -> int:
    """Octets; skips where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * 4096
    except FileNotFoundError:
        pytest.skip("only Linux tells how much is resident")
