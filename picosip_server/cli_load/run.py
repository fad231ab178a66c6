"""Follows one load on a server to its end, and stops it when asked to."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import grpc

import picosip
from picosip.v1 import load_service_pb2 as load_pb, load_service_pb2_grpc as load_grpc
from picosip_server.cli_load.connection import CannotRun
from picosip_server.cli_load.history import History
from picosip_server.cli_load.view import View
from picosip_server.settings_file import SettingsError

Result = TypeVar("Result")

_ONE_SIGNAL = 0.1
"""Seconds within which a repeated signal is the same one."""


class Interruptions:
    """SIGINT, SIGTERM, SIGHUP: the first one asks, the second one insists."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self._insists_from = 0.0

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """While this lasts they come here."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in numbers:
            loop.add_signal_handler(number, self.came)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    async def unless_first(self, awaited: Coroutine[Any, Any, Result]) -> Result:
        """What comes of it. Raises CannotRun where the first one comes before that."""
        working = asyncio.ensure_future(awaited)
        interrupted = asyncio.ensure_future(self.first.wait())
        try:
            await asyncio.wait((working, interrupted), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            working.cancel()
            await asyncio.wait((working,))
            raise CannotRun("interrupted before the load began")
        finally:
            interrupted.cancel()

    def came(self) -> None:
        """There was one."""
        now = self._clock()
        if not self.first.is_set():
            self._insists_from = now + _ONE_SIGNAL
            self.first.set()
        elif now >= self._insists_from:
            self.second.set()


async def follow(
    channel: grpc.aio.Channel,
    request: load_pb.LoadServiceRunRequest,
    view: View,
    interruptions: Interruptions,
) -> History:
    """Runs a load until it has ended, or somebody insists on leaving it.

    A detached one is left as soon as it has begun. Raises SettingsError where the server finds
    fault with the request, CannotRun where it does not run the load for another reason.
    """
    kind = request.WhichOneof("script")
    assert kind is not None, "a request has a script"
    history = History(kind, request.progress_interval.ToNanoseconds() / 1e9)
    stub = load_grpc.LoadServiceStub(channel)
    stream = stub.Run(request)
    reading = asyncio.create_task(_read(stream, history, view, leave=request.detached))
    stopping = asyncio.create_task(_stop(stub, history, view, interruptions))
    insisting = asyncio.create_task(interruptions.second.wait())
    try:
        # Without a name nothing can be stopped: before the first report the wish waits for it.
        await asyncio.wait((reading, insisting), return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            reading.result()
    except grpc.aio.AioRpcError as error:
        raise _explained(error, history) from error
    finally:
        # The server ends what nobody follows any more, unless it is detached.
        stream.cancel()
        for task in (reading, stopping, insisting):
            task.cancel()
        await asyncio.gather(reading, stopping, insisting, return_exceptions=True)
    if history.last is None:
        raise CannotRun("the load was left before the server had reported on it")
    return history


async def _read(
    stream: grpc.aio.UnaryStreamCall[load_pb.LoadServiceRunRequest, load_pb.LoadServiceRunResponse],
    history: History,
    view: View,
    *,
    leave: bool,
) -> None:
    async for response in stream:
        history.add(response.report)
        view.update(history)
        if leave:
            return


async def _stop(
    stub: load_grpc.LoadServiceAsyncStub,
    history: History,
    view: View,
    interruptions: Interruptions,
) -> None:
    await interruptions.first.wait()
    view.note("Stopping: no new ones, and BYE for those that live. Again to leave at once.")
    await history.named.wait()
    assert history.last is not None
    try:
        await stub.Stop(load_pb.LoadServiceStopRequest(name=history.last.name, hang_up=True))
    except grpc.aio.AioRpcError as error:
        # It may have come to its end by itself meanwhile; that is in the stream then.
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            view.note(f"It could not be stopped: {picosip.errors.from_rpc_error(error)}")


def _explained(error: grpc.aio.AioRpcError, history: History) -> Exception:
    """What to raise for a stream that broke off."""
    decoded = picosip.errors.from_rpc_error(error)
    if isinstance(decoded, picosip.InvalidArgument):
        violations = [f"{one.field}: {one.description}" for one in decoded.field_violations]
        return SettingsError(*(violations or [decoded.message]))
    if history.last is not None:
        return CannotRun(f"the server stopped reporting on {history.last.name}: {decoded}")
    return CannotRun(str(decoded))
