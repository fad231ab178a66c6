"""The end of a drain: as long as far ends answer, it goes on."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from picosip_server.engine.stats import EngineStats
from picosip_server.service import drain
from picosip_server.service.drain import Drain


class Engine:
    """Has so many calls left, one look after the other; the last figure stays."""

    def __init__(self, *calls: int) -> None:
        self._calls = list(calls)
        self.abandoned_at: int | None = None
        self.ended = asyncio.Event()

    def refuse_new_work(self) -> None:
        """It would."""

    def stats(self) -> EngineStats:
        calls = self._calls.pop(0) if len(self._calls) > 1 else self._calls[0]
        if not calls:
            self.ended.set()
        return EngineStats(active_calls=calls)

    def abandon_all(self) -> None:
        self.abandoned_at = self._calls[0]
        self.ended.set()


async def drained(engine: Engine) -> None:
    """A drain without grace, to its end."""

    async def nothing() -> None:
        return None

    def ignored(*args: object) -> None:
        return None

    async def end_all_calls() -> None:
        await engine.ended.wait()

    backend = SimpleNamespace(
        bridge=SimpleNamespace(engine=engine, snapshot=nothing, end_all_calls=end_all_calls),
        clock=SimpleNamespace(now=asyncio.get_running_loop().time),
        log=SimpleNamespace(append_draining=ignored, wake=ignored),
        streams=SimpleNamespace(end_all=ignored),
    )
    others = SimpleNamespace(end_all=ignored, drain=ignored)
    one = Drain(cast(Any, backend), cast(Any, others), cast(Any, others), nothing)
    await one.begin(0.0)
    await asyncio.wait_for(one.wait(), 10.0)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "_ENDING_TAKES", 0.01)


async def test_very_many_calls_have_the_time_that_they_take() -> None:
    # The first two looks are those before the end begins.
    engine = Engine(900, 900, 700, 500, 300, 100, 0)
    await drained(engine)
    assert engine.abandoned_at is None


async def test_what_does_not_answer_is_abandoned_once_nothing_moves() -> None:
    engine = Engine(900, 900, 700, 500, 500)
    await drained(engine)
    assert engine.abandoned_at == 500
