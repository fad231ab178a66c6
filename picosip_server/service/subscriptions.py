"""SubscriptionService: event packages. Of the API, but not of this server yet."""

from __future__ import annotations

from typing import NoReturn

from picosip.v1 import subscription_service_pb2 as pb, subscription_service_pb2_grpc as pb_grpc
from picosip_server.service import errors


class SubscriptionService(pb_grpc.SubscriptionServiceServicer):
    """Says of each RPC that it is missing."""

    async def Subscribe(self, request: pb.SubscribeRequest, context: object) -> NoReturn:
        """Not there yet."""
        raise errors.unimplemented("SubscriptionService.Subscribe")

    async def Unsubscribe(self, request: pb.UnsubscribeRequest, context: object) -> NoReturn:
        """Not there yet."""
        raise errors.unimplemented("SubscriptionService.Unsubscribe")

    async def AcceptSubscription(
        self, request: pb.AcceptSubscriptionRequest, context: object
    ) -> NoReturn:
        """Not there yet."""
        raise errors.unimplemented("SubscriptionService.AcceptSubscription")

    async def RejectSubscription(
        self, request: pb.RejectSubscriptionRequest, context: object
    ) -> NoReturn:
        """Not there yet."""
        raise errors.unimplemented("SubscriptionService.RejectSubscription")

    async def Notify(self, request: pb.NotifyRequest, context: object) -> NoReturn:
        """Not there yet."""
        raise errors.unimplemented("SubscriptionService.Notify")

    async def Publish(self, request: pb.PublishRequest, context: object) -> NoReturn:
        """Not there yet."""
        raise errors.unimplemented("SubscriptionService.Publish")

    async def Unpublish(self, request: pb.UnpublishRequest, context: object) -> NoReturn:
        """Not there yet."""
        raise errors.unimplemented("SubscriptionService.Unpublish")
