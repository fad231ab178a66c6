"""Memory goes back once after a crowd, and the collector is spared otherwise."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from picosip_server.engine.transport.numeric import numeric
from picosip_server.sdp import parse as sdp
from picosip_server.service import memory
from picosip_server.service.memory import Ebb, give_back
from picosip_server.sip.address import Address
from picosip_server.sip.parse import parse
from picosip_server.sip.uri import Uri
from picosip_server.sip.via import Via
from tests.engine.probe import octets


class Engine:
    """Has as many transactions and dialogs as a test says."""

    def __init__(self) -> None:
        self.size = 0
        self._ebb = Ebb(lambda: self.size, lambda: None, lambda: None)

    def see(self, *sizes: int) -> int:
        """Looks at each of these; gives how often a crowd had gone."""
        gone = 0
        for self.size in sizes:
            gone += self._ebb.look()
        return gone


def test_after_a_crowd_memory_goes_back_once() -> None:
    engine = Engine()
    assert engine.see(80_000, 3_000) == 0, "still going"
    assert engine.see(3_000) == 1
    assert engine.see(3_000, 2_000, 0) == 0
    assert engine.see(80_000, 3_000, 3_000) == 1, "the next crowd"


def test_nothing_is_waited_for_once_all_have_gone() -> None:
    assert Engine().see(80_000, 0) == 1


def test_what_few_had_is_kept() -> None:
    assert Engine().see(9_000, 0, 0) == 0


def test_nothing_is_searched_while_many_are_there() -> None:
    engine = Engine()
    assert engine.see(80_000, 40_000, 40_000) == 0
    assert engine.see(20_000, 20_000) == 1


def test_a_crowd_that_goes_one_by_one_is_noticed() -> None:
    assert Engine().see(*range(30_000, -1, -10)) == 1


async def test_tables_are_made_small_before_memory_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "_LOOK_EVERY", 0.0)
    monkeypatch.setattr(memory, "_TURNS", 0.0)
    sizes = iter((80_000, 0))
    seen: list[str] = []
    done = asyncio.Event()

    def back() -> None:
        seen.append("back")
        done.set()

    ebb = Ebb(lambda: next(sizes, 0), lambda: seen.append("compact"), back)
    watching = asyncio.create_task(ebb.watch())
    await asyncio.wait_for(done.wait(), 10.0)
    watching.cancel()
    assert seen == ["compact", "back"]


# In a process of its own: here there is room enough among what other tests left.
KEPT = """
from picosip_server.service import memory

def resident():
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096

crowd = [tuple(range(1 + number % 19)) for number in range(600_000)]
# Of those that are freed first thousands are kept, and with each the megabyte it lies in.
del crowd[::17]
crowd.clear()
kept = resident()
memory.give_back()
print(kept - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much is resident")
def test_what_the_interpreter_keeps_for_use_again_goes_back() -> None:
    done = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 20_000_000


DESCRIPTION = b"v=0\r\no=- 1 1 IN IP4 x\r\ns=-\r\nt=0 0\r\na=rtpmap:0 PCMU/8000\r\n"
OPTIONS = octets("OPTIONS", "Subject: never said before")


def test_what_was_remembered_to_save_time_is_forgotten() -> None:
    def read() -> list[object]:
        return [
            Uri.parse("sip:a@example.com"),
            Address.parse("<sip:b@example.com>").uri,
            Via.parse("SIP/2.0/UDP far.example;branch=z9hG4bKa").host,
            numeric("192.0.2.1"),
            sdp.parse(DESCRIPTION).attributes[0],
            parse(OPTIONS).headers.first("subject"),
        ]

    before = read()
    assert all(one is other for one, other in zip(before, read(), strict=True))
    give_back()
    after = read()
    assert not any(one is other for one, other in zip(before, after, strict=True))
    assert after[:-1] == before[:-1]
