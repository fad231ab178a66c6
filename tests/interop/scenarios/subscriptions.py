"""Event subscriptions in both roles, and publications."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from picosip.v1 import (
    sip_pb2,
    subscription_service_pb2 as subscription_pb,
    subscription_service_pb2_grpc as subscription_grpc,
)
from tests.interop.suite import Play, scenario
from tests.support.app import App

Subscription = subscription_pb.Subscription
ALICE = sip_pb2.Address(uri="sip:alice@127.0.0.1")


def stub(app: App) -> subscription_grpc.SubscriptionServiceStub:
    return subscription_grpc.SubscriptionServiceStub(app.channel)


def subscribe(app: App, uri: str) -> str:
    """Subscribes to a presence and gives the subscription's name."""
    request = subscription_pb.SubscribeRequest(
        from_address=ALICE, uri=uri, event="presence", accept=["application/pidf+xml"]
    )
    return stub(app).Subscribe(request, timeout=10).subscription.name


def ended(app: App, name: str) -> Subscription:
    """The subscription, once it is over."""
    event = app.wait_for(
        "subscription_changed",
        name,
        where=lambda e: e.subscription_changed.subscription.state == Subscription.STATE_TERMINATED,
    )
    return event.subscription_changed.subscription


@scenario("rfc6665-s4.1.2-subscribe-uas")
def subscription_is_accepted(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        name = subscribe(app, sipp.uri)
        notified = app.wait_for("notification_received", name).notification_received
        assert notified.subscription.state == Subscription.STATE_ACTIVE
        assert notified.body.content_type == "application/pidf+xml"
        assert notified.body.data.startswith(b"<presence/>")
        stub(app).Unsubscribe(subscription_pb.UnsubscribeRequest(name=name), timeout=10)
        ended(app, name)
        sipp.finish()


@scenario("rfc6665-s4.1.2.4-notify-before-200-uas")
def notify_comes_before_the_200(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        name = subscribe(app, sipp.uri)
        assert ended(app, name).reason == "rejected"
        sipp.finish()
    states = [
        e.subscription_changed.subscription.state for e in app.of_kind("subscription_changed")
    ]
    assert Subscription.STATE_PENDING in states


@scenario("rfc6665-s4.1.2.2-refresh-uas")
def refresh_meets_a_481(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        name = subscribe(app, sipp.uri)
        ended(app, name)
        sipp.finish()


@scenario("rfc6665-s4.2.1-subscription-uac", methods=["SUBSCRIBE"])
def subscription_of_the_far_end(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        event = app.wait_for("subscription_changed")
        name = event.resource
        assert event.subscription_changed.subscription.event == "message-summary"
        assert event.subscription_changed.request.expires == Duration(seconds=300)
        stub(app).AcceptSubscription(
            subscription_pb.AcceptSubscriptionRequest(name=name, state=Subscription.STATE_PENDING),
            timeout=10,
        )
        body = sip_pb2.Body(
            content_type="application/simple-message-summary", data=b"Messages-Waiting: yes\r\n"
        )
        stub(app).Notify(
            subscription_pb.NotifyRequest(name=name, state=Subscription.STATE_ACTIVE, body=body),
            timeout=10,
        )
        stub(app).Notify(
            subscription_pb.NotifyRequest(name=name, state=Subscription.STATE_TERMINATED),
            timeout=10,
        )
        ended(app, name)
        sipp.finish()


@scenario("rfc6665-s4.2.1.4-expiry-uac", methods=["SUBSCRIBE"])
def subscription_of_the_far_end_expires(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        name = app.wait_for("subscription_changed").resource
        stub(app).AcceptSubscription(
            subscription_pb.AcceptSubscriptionRequest(name=name), timeout=10
        )
        assert ended(app, name).reason == "timeout"
        sipp.finish()


@scenario("rfc6665-s4.2.1.1-refused-uac", methods=["SUBSCRIBE"])
def subscription_is_refused(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        name = app.wait_for("subscription_changed").resource
        stub(app).RejectSubscription(
            subscription_pb.RejectSubscriptionRequest(
                name=name, status=sip_pb2.SipStatus(code=403)
            ),
            timeout=10,
        )
        sipp.finish()


def publish(app: App, uri: str, data: bytes, name: str = "") -> str:
    """Publishes or modifies, and gives the publication's name."""
    request = subscription_pb.PublishRequest(
        name=name,
        from_address=None if name else ALICE,
        uri="" if name else uri,
        event="" if name else "presence",
        body=sip_pb2.Body(content_type="application/pidf+xml", data=data),
    )
    return stub(app).Publish(request, timeout=10).name


@scenario("rfc3903-s4.4-publish-uas")
def publication_is_modified_and_removed(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        name = publish(app, sipp.uri, b"first")
        assert publish(app, sipp.uri, b"second", name) == name
        stub(app).Unpublish(subscription_pb.UnpublishRequest(name=name), timeout=10)
        sipp.finish()


@scenario("rfc3903-s4.3-refresh-uas")
def publication_is_refreshed(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        name = publish(app, sipp.uri, b"first")
        sipp.wait_until(lambda: len(sipp.received()) == 2, "a refresh")
        stub(app).Unpublish(subscription_pb.UnpublishRequest(name=name), timeout=10)
        sipp.finish()


@scenario("rfc3903-s4.3-lost-publication-uas")
def publication_is_lost(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        name = publish(app, sipp.uri, b"first")
        sipp.wait_until(lambda: len(sipp.received()) == 3, "a new publication")
        stub(app).Unpublish(subscription_pb.UnpublishRequest(name=name), timeout=10)
        sipp.finish()
