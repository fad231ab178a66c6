"""A real gRPC server in this process that says what a test tells it to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from picosip.v1 import (
    admin_service_pb2_grpc as admin_grpc,
    call_service_pb2_grpc as call_grpc,
    event_service_pb2 as event_pb,
    event_service_pb2_grpc as event_grpc,
    load_service_pb2_grpc as load_grpc,
    registration_service_pb2_grpc as registration_grpc,
    request_service_pb2_grpc as request_grpc,
)

Unary = Callable[[Any, grpc.ServicerContext], Message]
Act = Callable[[Any, grpc.ServicerContext], Iterator[Message]]

_STREAMS = ("Control", "Events", "Run", "Trace")
_SERVICES: dict[str, tuple[type, Callable[[Any, Any], None]]] = {
    "CallService": (call_grpc.CallServiceServicer, call_grpc.add_CallServiceServicer_to_server),
    "RegistrationService": (
        registration_grpc.RegistrationServiceServicer,
        registration_grpc.add_RegistrationServiceServicer_to_server,
    ),
    "RequestService": (
        request_grpc.RequestServiceServicer,
        request_grpc.add_RequestServiceServicer_to_server,
    ),
    "LoadService": (load_grpc.LoadServiceServicer, load_grpc.add_LoadServiceServicer_to_server),
    "AdminService": (
        admin_grpc.AdminServiceServicer,
        admin_grpc.add_AdminServiceServicer_to_server,
    ),
    "EventService": (
        event_grpc.EventServiceServicer,
        event_grpc.add_EventServiceServicer_to_server,
    ),
}


class Script:
    """What the server is to say, and what it was asked. It outlives the server."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Unary | Message]] = {}
        """Method name to the answers it gives, one after another; the last one stays."""
        self.streams: dict[str, list[Act]] = {}
        """Method name to what it does with each stream, one after another."""
        self.requests: list[Any] = []
        """All requests, in order."""
        self.metadata: list[dict[str, str | bytes]] = []
        """The metadata of each."""
        self._lock = threading.Lock()

    def _next(self, script: dict[str, list[Any]], method: str, request: Message) -> Any:
        with self._lock:
            self.requests.append(request)
            todo = script[method]
            return todo.pop(0) if len(todo) > 1 else todo[0]

    def unary(self, method: str) -> Callable[..., Message]:
        """The handler of a unary method."""

        def handle(request: Message, context: grpc.ServicerContext) -> Message:
            self.metadata.append(dict(context.invocation_metadata()))
            answer = self._next(self.answers, method, request)
            return answer if isinstance(answer, Message) else answer(request, context)

        return handle

    def stream(self, method: str) -> Callable[..., Iterator[Message]]:
        """The handler of a streaming method."""

        def handle(request: Message, context: grpc.ServicerContext) -> Iterator[Message]:
            self.metadata.append(dict(context.invocation_metadata()))
            act: Act = self._next(self.streams, method, request)
            return act(request, context)

        return handle


class ScriptedServer:
    """Serves a script; a context manager that stops it at once, as a kill would."""

    def __init__(self, script: Script, address: str = "127.0.0.1:0") -> None:
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        for base, add in _SERVICES.values():
            handlers = {
                name: script.stream(name) if name in _STREAMS else script.unary(name)
                for name in vars(base)
                if name[0].isupper()
            }
            methods = {name: staticmethod(handler) for name, handler in handlers.items()}
            add(type(f"Scripted{base.__name__}", (base,), methods)(), self._server)
        port = self._server.add_insecure_port(address)
        self.target = address if address.startswith("unix:") else f"127.0.0.1:{port}"
        self._server.start()

    def stop(self) -> None:
        """Drops all connections."""
        self._server.stop(None).wait()

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def abort(code: grpc.StatusCode, message: str = "", *details: Message) -> Unary:
    """An answer that fails, with rich details."""

    def answer(request: Any, context: grpc.ServicerContext) -> Message:
        fail(context, code, message, *details)
        raise AssertionError("abort does not return")

    return answer


def fail(
    context: grpc.ServicerContext, code: grpc.StatusCode, message: str = "", *details: Message
) -> None:
    """Ends an RPC with rich details."""
    packed = []
    for detail in details:
        packed.append(Packed())
        packed[-1].Pack(detail)
    status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message=message, details=packed)
    context.abort_with_status(rpc_status.to_status(status))


def cursor(revision: int, incarnation: str = "one") -> event_pb.Cursor:
    """A place in the log."""
    return event_pb.Cursor(incarnation=incarnation, revision=revision)


def response(
    reached: event_pb.Cursor, revisions: Iterable[int] = (), snapshots: Iterable[str] = ()
) -> event_pb.EventsResponse:
    """A response with snapshots of calls of these names, then events of these revisions."""
    events = [
        event_pb.Event(
            revision=reached.revision, resource=name, snapshot=event_pb.ResourceSnapshot()
        )
        for name in snapshots
    ]
    events += [
        event_pb.Event(
            revision=revision, resource=f"calls/{revision}", call_ended=event_pb.CallEnded()
        )
        for revision in revisions
    ]
    return event_pb.EventsResponse(cursor=reached, events=events)


def until_gone(context: grpc.ServicerContext) -> None:
    """Waits until the client or the server ends the stream."""
    gone = threading.Event()
    if context.add_callback(gone.set):
        gone.wait()


def plays(*responses: Message) -> Act:
    """A stream that sends these and then stays open."""

    def act(request: Any, context: grpc.ServicerContext) -> Iterator[Message]:
        yield from responses
        until_gone(context)

    return act


def ends(*responses: Message) -> Act:
    """A stream that sends these and then ends in order."""

    def act(request: Any, context: grpc.ServicerContext) -> Iterator[Message]:
        yield from responses

    return act


def breaks(code: grpc.StatusCode, *responses: Message, details: Iterable[Message] = ()) -> Act:
    """A stream that sends these and then fails."""

    def act(request: Any, context: grpc.ServicerContext) -> Iterator[Message]:
        yield from responses
        fail(context, code, "broken", *details)

    return act
