"""What an RPC does, as a value: the same for the unary RPC and for the Control stream.

An operation checks and converts its request, has the engine do it, once for each
request_id, and tells the outcome to a plain function; no task is needed for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Generic, Protocol, TypeVar

import structlog
from google.protobuf.message import Message

from picosip.v1.event_service_pb2 import CommandResult
from picosip_server.engine.snapshot import Snapshot
from picosip_server.service import errors
from picosip_server.service.backend import Backend
from picosip_server.service.bridge import OnCreated
from picosip_server.service.clock import Clock
from picosip_server.service.convert.commands import MakeCommand
from picosip_server.service.errors import ApiError
from picosip_server.service.idempotency import Done, Outcome
from picosip_server.sip.ua.outputs import Failure

_log = structlog.get_logger(__name__)

Request = TypeVar("Request", bound=Message)
Value = TypeVar("Value")
Response = TypeVar("Response", bound=Message)


_Request = TypeVar("_Request", contravariant=True)
Prepare = Callable[[Request, str], MakeCommand]
"""Checks a request and makes a command of it; the text is this server's own host."""


class _Describing(Protocol[_Request]):
    def __call__(self, request: _Request, /, *, host: str) -> MakeCommand: ...


def plain(prepare: Callable[[Request], MakeCommand]) -> Prepare[Request]:
    """For a request that holds no session description."""
    return lambda request, host: prepare(request)


def describing(prepare: _Describing[Request]) -> Prepare[Request]:
    """For a request that may hold one, whose origin names this server where it names nobody."""
    return lambda request, host: prepare(request, host=host)


@cache
def _method(path: str, by_name: bool) -> str:
    """What a request_id was used for, for people."""
    method = path.rpartition("/")[2]
    return f"{method} by name" if by_name else method


class Begins(Protocol):
    """An operation of any kind."""

    @property
    def path(self) -> str:
        """``/package.Service/Method``"""

    @property
    def result(self) -> Callable[[Any], CommandResult]:
        """What a response is on a Control stream, all but its command_id."""

    def begin(
        self,
        backend: Backend,
        request: Any,
        done: Done,
        *,
        brief: bool = False,
        on_created: OnCreated | None = None,
    ) -> None:
        """Has it done, and ``done`` told the outcome, at once or later.

        That is a response of the unary RPC; with ``brief`` it may be a CommandResult that
        only names the resource. ``on_created`` is told the name of the call that it makes.
        Raises ApiError where something is wrong with the request.
        """


# Not a dataclass: one with parameters is none that mypyc can compile.
class Operation(Generic[Request, Value, Response]):
    """One that the engine does."""

    __slots__ = ("name", "path", "prepare", "repeatable", "respond", "result", "value")

    def __init__(
        self,
        *,
        path: str,
        prepare: Prepare[Request],
        value: type[Value],
        respond: Callable[[Value, Clock], Response],
        result: Callable[[Response], CommandResult],
        name: Callable[[Value], str] | None = None,
        repeatable: bool = True,
    ) -> None:
        self.path = path
        self.prepare = prepare
        self.value = value
        """What the engine completes the command with."""
        self.respond = respond
        """May raise ApiError: some outcomes are successes of the engine, but not of the RPC."""
        self.result = result
        self.name = name
        """Gives the name of the resource, where a resource is what comes back."""
        self.repeatable = repeatable
        """Changes something: the request has a request_id."""

    def begin(
        self,
        backend: Backend,
        request: Request,
        done: Done,
        *,
        brief: bool = False,
        on_created: OnCreated | None = None,
    ) -> None:
        """See ``Begins``."""
        make = self.prepare(request, backend.host)
        name = self.name if brief else None
        if self.repeatable:
            request_id: str = request.request_id  # type: ignore[attr-defined]
            if request_id:
                # What comes back is part of what was asked for.
                method = _method(self.path, name is not None)
                if not backend.idempotency.join(method, request_id, request, done):
                    return
                done = partial(backend.idempotency.settle, request_id)
        try:
            backend.bridge.submit(
                make,
                partial(self._answered, backend.clock, name, done),
                on_created,
                brief=name is not None,
            )
        except Exception as error:
            done(error)

    def _answered(
        self, clock: Clock, name: Callable[[Value], str] | None, done: Done, value: object
    ) -> None:
        outcome: Outcome
        try:
            if isinstance(value, Failure):
                outcome = errors.from_failure(value)
            elif name is not None and isinstance(value, str):
                outcome = CommandResult(name=value)
            elif not isinstance(value, self.value):
                raise TypeError(f"the engine completed {self.path} with {type(value).__name__}")
            elif name is not None:
                outcome = CommandResult(name=name(value))
            else:
                outcome = self.respond(value, clock)
        except Exception as error:
            # Whoever waits is told; nobody is to wait for ever.
            outcome = error
        done(outcome)


class Listing(Generic[Request, Response]):
    """One that looks at all that lives."""

    __slots__ = ("path", "prepare", "result")

    def __init__(
        self,
        *,
        path: str,
        prepare: Callable[[Request], Callable[[Snapshot, Clock], Response]],
        result: Callable[[Response], CommandResult],
    ) -> None:
        self.path = path
        self.prepare = prepare
        """Checks a request, and gives what makes its response."""
        self.result = result

    def begin(
        self,
        backend: Backend,
        request: Request,
        done: Done,
        *,
        brief: bool = False,
        on_created: OnCreated | None = None,
    ) -> None:
        """See ``Begins``."""
        respond = self.prepare(request)

        def answered(value: object) -> None:
            outcome: Outcome
            try:
                if isinstance(value, Failure):
                    outcome = errors.from_failure(value)
                else:
                    assert isinstance(value, Snapshot)
                    outcome = respond(value, backend.clock)
            except Exception as error:
                outcome = error
            done(outcome)

        backend.bridge.submit_snapshot(answered)


async def run(
    backend: Backend,
    operation: Operation[Request, Any, Response] | Listing[Request, Response],
    request: Request,
    on_created: OnCreated | None = None,
) -> Response:
    """The response of a unary RPC. Raises ApiError; cancelling this undoes nothing."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def done(outcome: Outcome) -> None:
        if future.done():
            if isinstance(outcome, Exception) and not isinstance(outcome, ApiError):
                _log.error("an RPC that has gone failed", method=operation.path, exc_info=outcome)
        elif isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    operation.begin(backend, request, done, on_created=on_created)
    response: Response = await future
    return response
