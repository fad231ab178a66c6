"""Event packages and publications between two real servers, all driven over gRPC."""

from __future__ import annotations

import uuid
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from picosip.v1 import (
    admin_service_pb2 as admin_pb,
    call_service_pb2 as call_pb,
    error_details_pb2 as details_pb,
    event_service_pb2 as event_pb,
    request_service_pb2 as request_pb,
    sip_pb2 as pb,
    subscription_service_pb2 as subscription_pb,
)
from tests.service.serving import Client, Ear, details, refusal
from tests.service.sides import ALICE, Side, audio, invite

Code = grpc.StatusCode
Subscription = subscription_pb.Subscription
CLAIM = {"filter": event_pb.EventFilter(handle_methods=["SUBSCRIBE", "PUBLISH"])}
OPEN = pb.Body(content_type="application/pidf+xml", data=b"<open/>")
CLOSED = pb.Body(content_type="application/pidf+xml", data=b"<closed/>")


def watching(far: Side, **fields: Any) -> subscription_pb.SubscribeRequest:
    fields.setdefault("expires", Duration(seconds=300))
    return subscription_pb.SubscribeRequest(
        from_address=ALICE, uri=far.address("bob").uri, event="presence;id=1", **fields
    )


async def accepted(near: Side, far: Side, watcher: Ear, notifier: Ear) -> tuple[str, str]:
    """A subscription that stands; gives its names on both sides."""
    subscribing = near.client.subscriptions.Subscribe(watching(far))
    received = await notifier.next()
    name = received.subscription_changed.subscription.name
    await far.client.subscriptions.AcceptSubscription(
        subscription_pb.AcceptSubscriptionRequest(name=name, body=OPEN)
    )
    ours = (await subscribing).subscription.name
    while (await watcher.next()).WhichOneof("kind") != "notification_received":
        continue
    await notifier.next()
    return ours, name


async def test_a_subscription_from_both_ends(near: Side, far: Side) -> None:
    request = watching(
        far,
        accept=["application/pidf+xml"],
        body=pb.Body(content_type="text/plain", data=b"filter"),
        labels={"n": "1"},
        options=pb.MessageOptions(headers=[pb.Header(name="X-Trace", value="1")]),
    )
    async with near.client.listening() as watcher, far.client.listening(**CLAIM) as notifier:
        subscribing = near.client.subscriptions.Subscribe(request)
        event = await notifier.next()
        changed = event.subscription_changed
        there = changed.subscription
        assert event.resource == there.name
        assert there.name.startswith("subscriptions/")
        assert (there.role, there.state) == (
            Subscription.ROLE_NOTIFIER,
            Subscription.STATE_PENDING,
        )
        assert there.event == "presence;id=1"
        assert there.remote.uri == ALICE.uri
        assert changed.request.body == pb.Body(content_type="text/plain", data=b"filter")
        assert changed.request.expires.seconds == 300
        assert changed.request.HasField("respond_by")
        headers = {header.name: header.value for header in changed.request.headers}
        assert headers["Accept"] == "application/pidf+xml"
        assert headers["X-Trace"] == "1"

        taken = await far.client.subscriptions.AcceptSubscription(
            subscription_pb.AcceptSubscriptionRequest(
                name=there.name,
                state=Subscription.STATE_PENDING,
                expires=Duration(seconds=200),
            )
        )
        assert taken.subscription.state == Subscription.STATE_PENDING
        here = (await subscribing).subscription
        assert (here.role, here.event) == (Subscription.ROLE_SUBSCRIBER, "presence;id=1")
        assert here.labels == {"n": "1"}

        await far.client.subscriptions.Notify(
            subscription_pb.NotifyRequest(
                name=there.name, state=Subscription.STATE_ACTIVE, body=OPEN
            )
        )
        seen = [await watcher.next() for _ in range(5)]
        notes = [
            each.notification_received for each in seen if each.HasField("notification_received")
        ]
        assert [note.body for note in notes] == [pb.Body(), OPEN]
        assert notes[1].subscription.state == Subscription.STATE_ACTIVE
        assert {each.resource for each in seen} == {here.name}
        assert all(each.labels == {"n": "1"} for each in seen)

        for side, name in ((near, here.name), (far, there.name)):
            stats = await side.client.admin.GetStats(admin_pb.GetStatsRequest())
            assert stats.active_subscriptions == 1
            async with side.client.listening(include_snapshot=True) as late:
                snapshot = (await late.next()).snapshot.subscription
                assert (snapshot.name, snapshot.state) == (name, Subscription.STATE_ACTIVE)

        await near.client.subscriptions.Unsubscribe(
            subscription_pb.UnsubscribeRequest(name=here.name)
        )
        assert await watcher.kinds(2) == ["notification_received", "subscription_changed"]
        error = await refusal(
            near.client.subscriptions.Unsubscribe(
                subscription_pb.UnsubscribeRequest(name=here.name)
            )
        )
        assert error.code() is Code.NOT_FOUND


async def test_the_notifier_terminates(near: Side, far: Side) -> None:
    async with near.client.listening() as watcher, far.client.listening(**CLAIM) as notifier:
        _, name = await accepted(near, far, watcher, notifier)
        await far.client.subscriptions.Notify(
            subscription_pb.NotifyRequest(
                name=name, state=Subscription.STATE_TERMINATED, reason="rejected", body=CLOSED
            )
        )
        last = (await watcher.next()).notification_received
        assert last.body == CLOSED
        ended = (await watcher.next()).subscription_changed.subscription
        assert (ended.state, ended.reason) == (Subscription.STATE_TERMINATED, "rejected")


async def test_the_state_is_fetched_once(near: Side, far: Side) -> None:
    async with near.client.listening() as watcher, far.client.listening(**CLAIM) as notifier:
        subscribing = near.client.subscriptions.Subscribe(watching(far, expires=Duration()))
        name = (await notifier.next()).resource
        await far.client.subscriptions.AcceptSubscription(
            subscription_pb.AcceptSubscriptionRequest(name=name, body=OPEN)
        )
        await subscribing
        seen = [await watcher.next() for _ in range(2)]
        while seen[-1].subscription_changed.subscription.state != Subscription.STATE_TERMINATED:
            seen.append(await watcher.next())
        notes = [each for each in seen if each.HasField("notification_received")]
        assert [note.notification_received.body for note in notes] == [OPEN]


async def test_a_refusal_reaches_the_subscriber(near: Side, far: Side) -> None:
    async with far.client.listening(**CLAIM) as notifier:
        subscribing = near.client.subscriptions.Subscribe(watching(far))
        name = (await notifier.next()).resource
        await far.client.subscriptions.RejectSubscription(
            subscription_pb.RejectSubscriptionRequest(
                name=name, status=pb.SipStatus(code=403, reason="Not you")
            )
        )
        error = await refusal(subscribing)
        assert error.code() is Code.PERMISSION_DENIED
        failure = next(one for one in details(error) if isinstance(one, details_pb.SipFailure))
        assert (failure.status.code, failure.status.reason) == (403, "Not you")


async def test_without_a_claim_there_is_no_such_event(near: Side, far: Side) -> None:
    async with far.client.listening():
        error = await refusal(near.client.subscriptions.Subscribe(watching(far)))
        assert error.code() is Code.INVALID_ARGUMENT
        assert details(error)[0].reason == "BAD_EVENT"
        assert (
            await far.client.admin.GetStats(admin_pb.GetStatsRequest())
        ).active_subscriptions == 0


async def test_only_who_claims_subscribe_is_asked(near: Side, far: Side) -> None:
    other = {"filter": event_pb.EventFilter(handle_methods=["MESSAGE"])}
    async with (
        far.client.listening(**other) as bystander,
        far.client.listening(**CLAIM) as notifier,
        near.client.listening() as watcher,
    ):
        await accepted(near, far, watcher, notifier)
        # It sees the subscription live, but not the question.
        first = (await bystander.next()).subscription_changed
        assert first.subscription.state == Subscription.STATE_ACTIVE
        assert not first.HasField("request")


async def test_a_publication_from_both_ends(near: Side, far: Side) -> None:
    """The far end's application is the compositor: it answers each PUBLISH by hand."""

    async def taken(compositor: Ear, etag: str) -> event_pb.IncomingRequest:
        request = (await compositor.next()).incoming_request
        answer = request_pb.RespondRequest(name=request.name, status=pb.SipStatus(code=200))
        for name, value in (("SIP-ETag", etag), ("Expires", "600")):
            answer.options.headers.add(name=name, value=value)
        await far.client.requests.Respond(answer)
        return request

    def header(request: event_pb.IncomingRequest, name: str) -> str | None:
        return next((each.value for each in request.headers if each.name == name), None)

    publications = near.client.subscriptions
    async with far.client.listening(**CLAIM) as compositor:
        publishing = publications.Publish(
            subscription_pb.PublishRequest(
                from_address=ALICE, uri=far.address("alice").uri, event="presence", body=OPEN
            )
        )
        first = await taken(compositor, "e1")
        assert (first.method, first.body) == ("PUBLISH", OPEN)
        assert header(first, "Expires") == "3600"
        assert header(first, "SIP-If-Match") is None
        made = await publishing
        assert made.name.startswith("publications/")
        assert made.HasField("expire_time")

        changing = publications.Publish(subscription_pb.PublishRequest(name=made.name, body=CLOSED))
        second = await taken(compositor, "e2")
        assert (header(second, "SIP-If-Match"), second.body) == ("e1", CLOSED)
        assert (await changing).name == made.name

        leaving = publications.Unpublish(subscription_pb.UnpublishRequest(name=made.name))
        last = await taken(compositor, "e3")
        assert (header(last, "SIP-If-Match"), header(last, "Expires")) == ("e2", "0")
        assert not last.HasField("body")
        await leaving
        error = await refusal(
            publications.Unpublish(subscription_pb.UnpublishRequest(name=made.name))
        )
        assert error.code() is Code.NOT_FOUND


async def test_the_implicit_subscription_of_a_refer(near: Side, far: Side) -> None:
    """Respond 202: the stack sends 100 Trying, and Notify tells the rest."""
    async with near.client.listening() as boss, far.client.listening() as clerk:
        placed = (
            await near.client.calls.Invite(invite(far.address("bob"), offer=audio(4000)))
        ).call
        received = (await clerk.next()).resource
        await far.client.calls.Answer(call_pb.AnswerRequest(name=received, description=audio(5000)))
        transferring = near.client.calls.Transfer(
            call_pb.TransferRequest(name=placed.name, uri="sip:carol@example.com")
        )
        event = await clerk.next()
        while not event.HasField("incoming_request"):
            event = await clerk.next()
        assert event.incoming_request.method == "REFER"
        await far.client.requests.Respond(
            request_pb.RespondRequest(
                name=event.incoming_request.name, status=pb.SipStatus(code=202)
            )
        )
        transfer = (await transferring).transfer
        there = (await clerk.next()).subscription_changed.subscription
        assert (there.role, there.state, there.event) == (
            Subscription.ROLE_NOTIFIER,
            Subscription.STATE_ACTIVE,
            "refer",
        )
        assert (there.call, there.incoming_request) == (received, event.incoming_request.name)
        body = pb.Body(content_type="message/sipfrag", data=b"SIP/2.0 200 OK\r\n")
        await far.client.subscriptions.Notify(
            subscription_pb.NotifyRequest(
                name=there.name, state=Subscription.STATE_TERMINATED, body=body
            )
        )
        told = []
        while not told or not told[-1].done:
            event = await boss.next()
            if event.HasField("transfer_progressed"):
                told.append(event.transfer_progressed)
        assert [(each.transfer, each.status.code) for each in told] == [
            (transfer, 100),
            (transfer, 200),
        ]


async def test_a_refer_outside_a_call(near: Side, far: Side) -> None:
    """The 202 brings a subscription about, which names the request that it came of."""
    claim = event_pb.EventFilter(handle_methods=["REFER"])
    async with far.client.listening(filter=claim) as clerk:
        referring = near.client.requests.Transact(
            request_pb.TransactRequest(
                method="REFER",
                uri=far.address("bob").uri,
                from_address=ALICE,
                to_address=far.address("bob"),
                options=pb.MessageOptions(
                    headers=[pb.Header(name="Refer-To", value="<sip:carol@example.com>")]
                ),
            )
        )
        asked = (await clerk.next()).incoming_request
        assert (asked.method, asked.call) == ("REFER", "")
        assert asked.refer_to.uri == "sip:carol@example.com"
        await far.client.requests.Respond(
            request_pb.RespondRequest(name=asked.name, status=pb.SipStatus(code=202))
        )
        assert (await referring).response.status.code == 202
        there = (await clerk.next()).subscription_changed.subscription
        assert (there.role, there.state, there.event) == (
            Subscription.ROLE_NOTIFIER,
            Subscription.STATE_ACTIVE,
            "refer",
        )
        assert (there.call, there.incoming_request) == ("", asked.name)
        # Who refers by Transact keeps no dialog: the NOTIFY got 481, and that was all.
        gone = (await clerk.next()).subscription_changed.subscription
        assert (gone.name, gone.state) == (there.name, Subscription.STATE_TERMINATED)


async def test_a_retry_subscribes_once(near: Side, far: Side) -> None:
    async with far.client.listening(**CLAIM) as notifier:
        request = watching(far, request_id=str(uuid.uuid4()))
        first = near.client.subscriptions.Subscribe(request)
        second = near.client.subscriptions.Subscribe(request)
        name = (await notifier.next()).resource
        accept = subscription_pb.AcceptSubscriptionRequest(
            name=name, body=OPEN, request_id=str(uuid.uuid4())
        )
        taken = await far.client.subscriptions.AcceptSubscription(accept)
        again = await far.client.subscriptions.AcceptSubscription(accept)
        assert taken == again
        assert (await first).subscription.name == (await second).subscription.name
        stats = await near.client.admin.GetStats(admin_pb.GetStatsRequest())
        assert stats.active_subscriptions == 1


@pytest.mark.parametrize(
    ("rpc", "request_", "field"),
    [
        ("Subscribe", subscription_pb.SubscribeRequest(), "from_address.uri"),
        (
            "Subscribe",
            subscription_pb.SubscribeRequest(from_address=ALICE, uri="sip:b@x", event="a b"),
            "event",
        ),
        (
            "Subscribe",
            subscription_pb.SubscribeRequest(
                from_address=ALICE, uri="sip:b@x", event="a", accept=["xml"]
            ),
            "accept[0]",
        ),
        (
            "Subscribe",
            subscription_pb.SubscribeRequest(
                from_address=ALICE,
                uri="sip:b@x",
                event="a",
                options=pb.MessageOptions(headers=[pb.Header(name="o", value="b")]),
            ),
            "options.headers[0].name",
        ),
        ("Unsubscribe", subscription_pb.UnsubscribeRequest(name="calls/1"), "name"),
        (
            "AcceptSubscription",
            subscription_pb.AcceptSubscriptionRequest(
                name="subscriptions/1", state=Subscription.STATE_TERMINATED
            ),
            "state",
        ),
        (
            "RejectSubscription",
            subscription_pb.RejectSubscriptionRequest(
                name="subscriptions/1", status=pb.SipStatus(code=200)
            ),
            "status.code",
        ),
        (
            "Notify",
            subscription_pb.NotifyRequest(name="subscriptions/1", reason="giveup"),
            "reason",
        ),
        (
            "Publish",
            subscription_pb.PublishRequest(from_address=ALICE, uri="sip:b@x", event="a"),
            "body",
        ),
        (
            "Publish",
            subscription_pb.PublishRequest(name="publications/1", event="presence"),
            "event",
        ),
        (
            "Publish",
            subscription_pb.PublishRequest(name="publications/1", expires=Duration()),
            "expires",
        ),
        ("Unpublish", subscription_pb.UnpublishRequest(), "name"),
    ],
)
async def test_bad_requests_name_the_field(near: Side, rpc: str, request_: Any, field: str) -> None:
    client: Client = near.client
    error = await refusal(getattr(client.subscriptions, rpc)(request_))
    assert error.code() is Code.INVALID_ARGUMENT
    assert details(error)[0].metadata["field"] == field
