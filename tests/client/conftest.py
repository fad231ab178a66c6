"""The tests of this folder run against both clients, through one face."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import picosip
from picosip import aio
from tests.client.scripted import Script, ScriptedServer

Connect = Callable[..., Any]


class Blocking:
    """An asyncio client, or a stream of it, that is used as if it were the sync one."""

    def __init__(self, runner: asyncio.Runner, wrapped: Any) -> None:
        self._runner = runner
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._wrapped, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._runner.run(self._resolve(found(*args, **kwargs)))

        return call

    async def _resolve(self, value: Any) -> Any:
        if hasattr(value, "__await__"):
            value = await value
        if hasattr(value, "__anext__") or isinstance(value, aio.Client):
            return Blocking(self._runner, value)
        return value

    def __iter__(self) -> Blocking:
        return self

    def __next__(self) -> Any:
        try:
            return self._runner.run(self._step())
        except StopAsyncIteration:
            raise StopIteration from None

    async def _step(self) -> Any:
        return await self._wrapped.__anext__()


@pytest.fixture
def script() -> Script:
    """What the server says."""
    return Script()


@pytest.fixture
def server(script: Script) -> Iterator[ScriptedServer]:
    """A server that follows the script."""
    with ScriptedServer(script) as server:
        yield server


def connecting(
    stack: ExitStack, kind: str, sync: type[picosip.Client], asynchronous: type[aio.Client]
) -> Connect:
    """Makes clients of one of these classes, which are closed with the stack."""

    def connect(target: str, **arguments: Any) -> Any:
        if kind == "sync":
            return stack.enter_context(sync(target, **arguments))
        runner = stack.enter_context(asyncio.Runner())

        async def make() -> aio.Client:
            return asynchronous(target, **arguments)

        client = Blocking(runner, runner.run(make()))
        stack.callback(client.close)
        return client

    return connect


@pytest.fixture(params=["sync", "aio"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes a client of a target, with the arguments of ``picosip.Client``."""
    with ExitStack() as stack:
        yield connecting(stack, request.param, picosip.Client, aio.Client)
