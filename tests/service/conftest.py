"""A running server for each test that wants one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.service.scripted_engine import ScriptedEngine
from tests.service.serving import Client, Served, serve


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    running = await serve()
    yield running
    await running.stop()


@pytest.fixture
def client(served: Served) -> Client:
    return served.client


@pytest.fixture
def engine(served: Served) -> ScriptedEngine:
    return served.engine
