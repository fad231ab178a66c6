"""SubscriptionService: event packages in both roles, and publications."""

from __future__ import annotations

from types import NoneType

from picosip.v1 import subscription_service_pb2 as pb, subscription_service_pb2_grpc as pb_grpc
from picosip_server.service.backend import Backend
from picosip_server.service.convert import subscriptions as convert
from picosip_server.service.convert.commands import MakeCommand
from picosip_server.sip.ua.subscription.events import PublicationSnapshot, SubscriptionSnapshot


class SubscriptionService(pb_grpc.SubscriptionServiceServicer):
    """Each RPC checks its request and hands it to the engine."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def Subscribe(
        self, request: pb.SubscribeRequest, context: object
    ) -> pb.SubscribeResponse:
        """Subscribes, and refreshes from then on."""
        make = convert.subscribe(request)
        subscription = await self._backend.once(
            "Subscribe", request.request_id, request, lambda: self._subscription(make)
        )
        return pb.SubscribeResponse(subscription=subscription)

    async def Unsubscribe(
        self, request: pb.UnsubscribeRequest, context: object
    ) -> pb.UnsubscribeResponse:
        """Ends a subscription of ours."""
        make = convert.unsubscribe(request)
        await self._backend.once(
            "Unsubscribe", request.request_id, request, lambda: self._done(make)
        )
        return pb.UnsubscribeResponse()

    async def AcceptSubscription(
        self, request: pb.AcceptSubscriptionRequest, context: object
    ) -> pb.AcceptSubscriptionResponse:
        """Accepts an incoming SUBSCRIBE, and sends the first NOTIFY."""
        make = convert.accept(request)
        subscription = await self._backend.once(
            "AcceptSubscription", request.request_id, request, lambda: self._subscription(make)
        )
        return pb.AcceptSubscriptionResponse(subscription=subscription)

    async def RejectSubscription(
        self, request: pb.RejectSubscriptionRequest, context: object
    ) -> pb.RejectSubscriptionResponse:
        """Refuses an incoming SUBSCRIBE."""
        make = convert.reject(request)
        await self._backend.once(
            "RejectSubscription", request.request_id, request, lambda: self._done(make)
        )
        return pb.RejectSubscriptionResponse()

    async def Notify(self, request: pb.NotifyRequest, context: object) -> pb.NotifyResponse:
        """Sends a NOTIFY."""
        make = convert.notify(request)
        await self._backend.once("Notify", request.request_id, request, lambda: self._done(make))
        return pb.NotifyResponse()

    async def Publish(self, request: pb.PublishRequest, context: object) -> pb.PublishResponse:
        """Publishes event state, or changes it, and refreshes from then on."""
        make = convert.publish(request)
        return await self._backend.once(
            "Publish", request.request_id, request, lambda: self._published(make)
        )

    async def Unpublish(
        self, request: pb.UnpublishRequest, context: object
    ) -> pb.UnpublishResponse:
        """Takes published state back."""
        make = convert.unpublish(request)
        await self._backend.once("Unpublish", request.request_id, request, lambda: self._done(make))
        return pb.UnpublishResponse()

    async def _subscription(self, make: MakeCommand) -> pb.Subscription:
        snapshot = await self._backend.perform(make, SubscriptionSnapshot)
        return convert.subscription(snapshot, self._backend.clock)

    async def _published(self, make: MakeCommand) -> pb.PublishResponse:
        snapshot = await self._backend.perform(make, PublicationSnapshot)
        expires = snapshot.expire_time
        clock = self._backend.clock
        return pb.PublishResponse(
            name=snapshot.name, expire_time=None if expires is None else clock.timestamp(expires)
        )

    async def _done(self, make: MakeCommand) -> None:
        await self._backend.perform(make, NoneType)
