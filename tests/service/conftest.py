"""A running server for each test that wants one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.service.scripted_engine import ScriptedEngine
from tests.service.serving import Client, Served, serve
from tests.service.sides import Side, start


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


@pytest.fixture
async def near() -> AsyncIterator[Side]:
    side = await start(node="near")
    yield side
    await side.client.channel.close()
    await side.server.stop()


@pytest.fixture
async def far() -> AsyncIterator[Side]:
    side = await start(node="farend")
    yield side
    await side.client.channel.close()
    await side.server.stop()
