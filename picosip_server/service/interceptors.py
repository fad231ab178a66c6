"""What every RPC of the API passes: its log line, its figures, and its errors."""

from __future__ import annotations

import asyncio
import inspect
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, NoReturn, TypeAlias, TypeVar

import grpc
import structlog

from picosip_server.service import errors
from picosip_server.service.backend import RpcDone

_log = structlog.get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]
Result = TypeVar("Result")
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_OURS = "/picosip.v1."


class Observer(grpc.aio.ServerInterceptor):
    """Logs and counts each RPC, never its contents; ends it with the right status.

    ApiErrors become rich statuses; any other exception becomes INTERNAL, with an id
    that the log has beside the traceback. A client that is gone before it has been told
    everything counts as one that cancelled.

    gRPC frees an RPC as soon as the task of its handler has ended, and a use of its context
    after that ends the process by SIGSEGV: whatever a handler begins must end before it does.
    """

    def __init__(self, rpc_done: RpcDone) -> None:
        self._rpc_done = rpc_done
        self._known: dict[str, tuple[Handler, Handler]] = {}
        """Handlers by method, as they came and with this around them."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Puts itself around the handlers of this API; health and reflection go untouched."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(_OURS):
            return handler
        known = self._known.get(method)
        if known is None or known[0] is not handler:
            known = self._known[method] = (handler, self._observed(handler, method))
        return known[1]

    def _observed(self, handler: Handler, method: str) -> Handler:
        if handler.unary_unary is not None:
            make: Callable[..., Any] = grpc.unary_unary_rpc_method_handler
            behaviour: Callable[..., Any] = handler.unary_unary
        elif handler.unary_stream is not None:
            make, behaviour = grpc.unary_stream_rpc_method_handler, handler.unary_stream
        elif handler.stream_stream is not None:
            make, behaviour = grpc.stream_stream_rpc_method_handler, handler.stream_stream
        else:
            return handler
        observed: Handler = make(
            self._around(behaviour, method),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return observed

    def _around(self, behaviour: Callable[..., Any], method: str) -> Callable[..., Any]:
        async def answer(request: Any, context: Context) -> Any:
            return await self._watch(method, context, behaviour(request, context))

        async def stream(request: Any, context: Context) -> None:
            # Written here: handed to gRPC, a generator would be left to the garbage collector
            # where a write is cancelled, and would end after its RPC.
            async def write_all() -> None:
                async with aclosing(behaviour(request, context)) as responses:
                    async for response in responses:
                        await context.write(response)

            await self._watch(method, context, write_all())

        return stream if inspect.isasyncgenfunction(behaviour) else answer

    async def _watch(self, method: str, context: Context, work: Awaitable[Result]) -> Result:
        began = time.monotonic()
        peer = context.peer()
        code = grpc.StatusCode.OK
        try:
            return await work
        except errors.ApiError as error:
            code = error.code
            await _abort(context, error)
        except grpc.aio.InternalError as error:
            # A write that failed: the client is gone, and gRPC has not come to cancel us yet.
            code = grpc.StatusCode.CANCELLED
            raise asyncio.CancelledError from error
        except (asyncio.CancelledError, GeneratorExit):
            code = grpc.StatusCode.CANCELLED
            raise
        except Exception:
            code = grpc.StatusCode.INTERNAL
            error_id = secrets.token_hex(8)
            _log.exception("an RPC failed unexpectedly", method=method, error_id=error_id)
            await _abort(context, errors.internal(error_id))
        finally:
            self._rpc_done(method, code.name)
            _log.debug(
                "rpc",
                method=method,
                peer=peer,
                code=code.name,
                seconds=round(time.monotonic() - began, 6),
            )


async def _abort(context: Context, error: errors.ApiError) -> NoReturn:
    try:
        await errors.abort(context, error)
    except grpc.aio.InternalError as failed:
        # The client is gone, and nobody is left to be told.
        raise asyncio.CancelledError from failed
