"""SubscriptionService: event packages in both roles, and publications."""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType
from typing import TypeVar

from google.protobuf.message import Message

from picosip.v1 import subscription_service_pb2 as pb, subscription_service_pb2_grpc as pb_grpc
from picosip.v1.event_service_pb2 import CommandResult, Done
from picosip_server.service.backend import Backend
from picosip_server.service.clock import Clock
from picosip_server.service.convert import subscriptions as convert
from picosip_server.service.convert.commands import MakeCommand
from picosip_server.service.operations import Operation, plain, run
from picosip_server.sip.ua.subscription.events import PublicationSnapshot, SubscriptionSnapshot

Request = TypeVar("Request", bound=Message)
_WithSubscription = pb.SubscribeResponse | pb.AcceptSubscriptionResponse
Subscribed = TypeVar("Subscribed", bound=_WithSubscription)
Response = TypeVar("Response", bound=Message)


def _of_subscription(
    method: str,
    prepare: Callable[[Request], MakeCommand],
    response: Callable[..., Subscribed],
) -> Operation[Request, SubscriptionSnapshot, Subscribed]:
    """One that gives the subscription as it then is."""
    return Operation(
        path=f"/picosip.v1.SubscriptionService/{method}",
        prepare=plain(prepare),
        value=SubscriptionSnapshot,
        respond=lambda value, clock: response(subscription=convert.subscription(value, clock)),
        result=lambda response: CommandResult(subscription=response.subscription),
        name=lambda value: value.name,
    )


def _plain(
    method: str, prepare: Callable[[Request], MakeCommand], response: Callable[[], Response]
) -> Operation[Request, None, Response]:
    """One that has nothing to give."""
    return Operation(
        path=f"/picosip.v1.SubscriptionService/{method}",
        prepare=plain(prepare),
        value=NoneType,
        respond=lambda value, clock: response(),
        result=lambda response: CommandResult(done=Done()),
    )


def _published(value: PublicationSnapshot, clock: Clock) -> pb.PublishResponse:
    expires = value.expire_time
    return pb.PublishResponse(
        name=value.name, expire_time=None if expires is None else clock.timestamp(expires)
    )


SUBSCRIBE = _of_subscription("Subscribe", convert.subscribe, pb.SubscribeResponse)
UNSUBSCRIBE = _plain("Unsubscribe", convert.unsubscribe, pb.UnsubscribeResponse)
ACCEPT_SUBSCRIPTION = _of_subscription(
    "AcceptSubscription", convert.accept, pb.AcceptSubscriptionResponse
)
REJECT_SUBSCRIPTION = _plain("RejectSubscription", convert.reject, pb.RejectSubscriptionResponse)
NOTIFY = _plain("Notify", convert.notify, pb.NotifyResponse)
PUBLISH: Operation[pb.PublishRequest, PublicationSnapshot, pb.PublishResponse] = Operation(
    path="/picosip.v1.SubscriptionService/Publish",
    prepare=plain(convert.publish),
    value=PublicationSnapshot,
    respond=_published,
    result=lambda response: CommandResult(
        name=response.name,
        expire_time=response.expire_time if response.HasField("expire_time") else None,
    ),
    name=lambda value: value.name,
)
UNPUBLISH = _plain("Unpublish", convert.unpublish, pb.UnpublishResponse)


class SubscriptionService(pb_grpc.SubscriptionServiceServicer):
    """Each RPC checks its request and hands it to the engine."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def Subscribe(
        self, request: pb.SubscribeRequest, context: object
    ) -> pb.SubscribeResponse:
        """Subscribes, and refreshes from then on."""
        return await run(self._backend, SUBSCRIBE, request)

    async def Unsubscribe(
        self, request: pb.UnsubscribeRequest, context: object
    ) -> pb.UnsubscribeResponse:
        """Ends a subscription of ours."""
        return await run(self._backend, UNSUBSCRIBE, request)

    async def AcceptSubscription(
        self, request: pb.AcceptSubscriptionRequest, context: object
    ) -> pb.AcceptSubscriptionResponse:
        """Accepts an incoming SUBSCRIBE, and sends the first NOTIFY."""
        return await run(self._backend, ACCEPT_SUBSCRIPTION, request)

    async def RejectSubscription(
        self, request: pb.RejectSubscriptionRequest, context: object
    ) -> pb.RejectSubscriptionResponse:
        """Refuses an incoming SUBSCRIBE."""
        return await run(self._backend, REJECT_SUBSCRIPTION, request)

    async def Notify(self, request: pb.NotifyRequest, context: object) -> pb.NotifyResponse:
        """Sends a NOTIFY."""
        return await run(self._backend, NOTIFY, request)

    async def Publish(self, request: pb.PublishRequest, context: object) -> pb.PublishResponse:
        """Publishes event state, or changes it, and refreshes from then on."""
        return await run(self._backend, PUBLISH, request)

    async def Unpublish(
        self, request: pb.UnpublishRequest, context: object
    ) -> pb.UnpublishResponse:
        """Takes published state back."""
        return await run(self._backend, UNPUBLISH, request)
