"""A real server with a scripted engine, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.service.scripted_engine import ScriptedEngine
from tests.service.serving import Served, serve

Result = TypeVar("Result")


class Server:
    """A context manager that stops it."""

    def __init__(self, **settings: object) -> None:
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.served: Served

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Has something done on the server's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    @property
    def target(self) -> str:
        return self.served.addresses.grpc[0]

    @property
    def engine(self) -> ScriptedEngine:
        return self.served.engine

    def __enter__(self) -> Server:
        self._thread.start()
        self.served = self.do(serve(**self._settings))
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self.served.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
