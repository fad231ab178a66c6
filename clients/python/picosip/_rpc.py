"""One RPC as a value: how its request is made from arguments, what its response gives.

The sync and the asyncio client make their methods from the same values, so that arguments,
defaults and documentation exist once.
"""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar

from google.protobuf.message import Message

P = ParamSpec("P")
Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Result = TypeVar("Result", covariant=True)


@dataclass(frozen=True, slots=True)
class Rpc(Generic[P, Request, Response, Result]):
    """A unary RPC."""

    path: str
    """``/package.Service/Method``"""
    build: Callable[P, Request]
    """Makes the request; its signature and docstring become those of the client's method."""
    response: type[Response]
    take: Callable[[Response], Result]
    """What the method returns of the response."""

    def request(self, *args: P.args, **kwargs: P.kwargs) -> Request:
        """The request, with a ``request_id`` of its own where it has that field.

        It is the same in every attempt to send it, so that the server does the thing once.
        """
        request = self.build(*args, **kwargs)
        if "request_id" in request.DESCRIPTOR.fields_by_name:
            _identify(request)
        return request


def unary(
    path: str, response: type[Response], take: Callable[[Response], Result]
) -> Callable[[Callable[P, Request]], Rpc[P, Request, Response, Result]]:
    """Makes an Rpc of the function that builds its request."""

    def make(build: Callable[P, Request]) -> Rpc[P, Request, Response, Result]:
        return Rpc(path, build, response, take)

    return make


def _identify(request: Any) -> None:
    request.request_id = request.request_id or str(uuid.uuid4())


def turn_page(request: Any, response: Any) -> bool:
    """Makes a List request ask for the page after ``response``; False if there is none."""
    request.page_token = response.next_page_token
    return bool(request.page_token)


def describe(method: Callable[..., Any], rpc: Rpc[..., Any, Any, Any]) -> None:
    """Gives a client's method the name, docstring and parameters of the builder."""
    method.__name__ = rpc.build.__name__
    method.__qualname__ = f"Client.{rpc.build.__name__}"
    method.__doc__ = rpc.build.__doc__
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    built = inspect.signature(rpc.build)
    method.__signature__ = built.replace(  # type: ignore[attr-defined]
        parameters=[own, *built.parameters.values()], return_annotation=inspect.Signature.empty
    )
