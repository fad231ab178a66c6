"""Every command of the Control stream, between two real servers."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from picosip.v1 import (
    call_service_pb2 as call_pb,
    event_service_pb2 as pb,
    registration_service_pb2 as registration_pb,
    request_service_pb2 as request_pb,
    sip_pb2,
    subscription_service_pb2 as subscription_pb,
)
from picosip_server.service.commands import COMMANDS
from tests.service.controlling import FIELDS, Stream, controlling
from tests.service.sides import ALICE, Side, audio, invite

OPEN = sip_pb2.Body(content_type="application/pidf+xml", data=b"<open/>")
OK = sip_pb2.SipStatus(code=200)


class End:
    """One side's stream, and which commands went over it."""

    def __init__(self, stream: Stream, used: set[str]) -> None:
        self._stream = stream
        self._used = used

    async def begin(self, request: Message, *, brief: bool = False) -> None:
        self._used.add(FIELDS[request.DESCRIPTOR.full_name])
        await self._stream.do(request, brief=brief)

    async def end(self) -> pb.CommandResult:
        result = await self._stream.result()
        assert not result.HasField("error"), result
        return result

    async def do(self, request: Message, *, brief: bool = False) -> pb.CommandResult:
        await self.begin(request, brief=brief)
        return await self.end()

    async def hear(self, kind: str) -> Any:
        """The next event of a kind; others pass."""
        while True:
            event = await self._stream.event()
            if event.HasField(kind):  # type: ignore[arg-type]
                return getattr(event, kind)

    async def respond(self, status: int = 200, **headers: str) -> pb.IncomingRequest:
        """Answers the next request."""
        request: pb.IncomingRequest = await self.hear("incoming_request")
        await self.do(
            request_pb.RespondRequest(
                name=request.name,
                status=sip_pb2.SipStatus(code=status),
                options=sip_pb2.MessageOptions(
                    headers=[
                        sip_pb2.Header(name=name.replace("_", "-"), value=value)
                        for name, value in headers.items()
                    ]
                ),
            )
        )
        return request


def test_each_command_has_its_operation() -> None:
    assert set(COMMANDS) == set(FIELDS.values())


async def test_each_command_once(near: Side, far: Side) -> None:
    used: set[str] = set()
    claims = pb.EventFilter(handle_methods=["*"])
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(controlling(side.client, filter=claims))
            for side in (near, far)
        ]
        ours, theirs = (End(stream, used) for stream in streams)
        await registering(ours, theirs, far)
        await calling(ours, theirs, far)
        await refusing(ours, theirs, far)
        await asking(ours, theirs, far)
        await subscribing(ours, theirs, far)
        await publishing(ours, theirs, far)
    assert used == set(COMMANDS)


async def test_commands_on_one_call_are_done_in_their_order(near: Side, far: Side) -> None:
    async with controlling(near.client) as ours, controlling(far.client) as theirs:
        await ours.do(invite(far.address("bob"), offer=audio(4000)))
        name = (await theirs.event()).resource
        codes = [180, 182, 183, 181, 180]
        await theirs.do(
            *(call_pb.ProgressRequest(name=name, status={"code": code}) for code in codes),
            call_pb.AnswerRequest(name=name, description=audio(5000)),
            call_pb.HangupRequest(name=name),
            call_pb.GetCallRequest(name=name),
        )
        results = await theirs.results(8)
        # The BYE has not been answered by then.
        assert results[8].call.state == call_pb.Call.STATE_TERMINATING
        seen: list[int] = []
        while not (event := await ours.event()).HasField("call_ended"):
            if event.HasField("call_progressed"):
                seen.append(event.call_progressed.status.code)
        assert seen == codes
        assert event.call_ended.termination.cause == call_pb.Termination.CAUSE_REMOTE_HANGUP


async def registering(ours: End, theirs: End, far: Side) -> None:
    await ours.begin(
        registration_pb.RegisterRequest(
            registrar_uri=f"sip:{far.udp}", aor=ALICE, expires=Duration(seconds=60)
        )
    )
    await theirs.respond(Expires="60")
    registration = (await ours.end()).registration
    assert registration.state == registration_pb.Registration.STATE_ACTIVE
    name = registration.name
    known = await ours.do(registration_pb.GetRegistrationRequest(name=name))
    assert known.registration == registration
    listed = await ours.do(registration_pb.ListRegistrationsRequest())
    assert list(listed.registrations.registrations) == [registration]
    await ours.begin(registration_pb.UnregisterRequest(name=name), brief=True)
    await theirs.respond()
    assert (await ours.end()).name == name


async def calling(ours: End, theirs: End, far: Side) -> None:
    placed = await ours.do(invite(far.address("bob"), offer=audio(4000)), brief=True)
    there = (await theirs.hear("call_received")).call.name
    ringing = await theirs.do(call_pb.ProgressRequest(name=there))
    assert ringing.call.state == call_pb.Call.STATE_EARLY
    policy = call_pb.CallPolicy(offers=call_pb.CallPolicy.OFFERS_ACCEPT)
    answer = call_pb.AnswerRequest(name=there, description=audio(5000), policy=policy)
    assert (await theirs.do(answer)).call.state == call_pb.Call.STATE_CONFIRMED
    name = placed.name
    await ours.hear("call_confirmed")
    call = (await ours.do(call_pb.GetCallRequest(name=name))).call
    assert call.state == call_pb.Call.STATE_CONFIRMED
    assert list((await ours.do(call_pb.ListCallsRequest())).calls.calls) == [call]
    changed = (await ours.do(call_pb.ModifyRequest(name=name, offer=audio(4002)))).call
    assert changed.local_description.sdp.media[0].port == 4002
    assert (await ours.do(call_pb.HoldRequest(name=name))).call.local_hold
    assert not (await ours.do(call_pb.ResumeRequest(name=name))).call.local_hold
    assert (await ours.do(call_pb.SendDtmfRequest(name=name, digits="1"))).HasField("done")
    assert (await theirs.hear("dtmf_received")).digit == "1"
    await ours.begin(call_pb.TransferRequest(name=name, uri="sip:carol@example.com"))
    assert (await theirs.respond(202)).method == "REFER"
    assert (await ours.end()).name.startswith(f"{name}/transfers/")
    ended = await ours.do(call_pb.HangupRequest(name=name))
    assert ended.call.state == call_pb.Call.STATE_TERMINATED


async def refusing(ours: End, theirs: End, far: Side) -> None:
    for answer in (
        lambda name: call_pb.RejectRequest(name=name, status={"code": 486}),
        lambda name: call_pb.RedirectRequest(name=name, contacts=[{"uri": "sip:x@example.com"}]),
    ):
        await ours.do(invite(far.address("bob"), offer=audio(4000)), brief=True)
        there = (await theirs.hear("call_received")).call.name
        refused = (await theirs.do(answer(there))).call
        assert refused.state == call_pb.Call.STATE_TERMINATED


async def asking(ours: End, theirs: End, far: Side) -> None:
    bob = far.address("bob")
    await ours.begin(request_pb.PingRequest(uri=bob.uri))
    await theirs.respond(486)
    assert (await ours.end()).response.status.code == 486
    text = sip_pb2.Body(content_type="text/plain", data=b"hello")
    await ours.begin(request_pb.SendMessageRequest(from_address=ALICE, to_address=bob, body=text))
    assert (await theirs.respond(202)).body == text
    assert (await ours.end()).response.status.code == 202
    await ours.begin(request_pb.TransactRequest(method="PARTY", from_address=ALICE, to_address=bob))
    assert (await theirs.respond(299, X_Why="lunch")).method == "PARTY"
    response = (await ours.end()).response
    assert response.status.code == 299
    assert sip_pb2.Header(name="X-Why", value="lunch") in response.headers


async def subscribing(ours: End, theirs: End, far: Side) -> None:
    wanted = subscription_pb.SubscribeRequest(
        from_address=ALICE,
        uri=far.address("bob").uri,
        event="presence",
        expires=Duration(seconds=300),
    )
    await ours.begin(wanted)
    there = (await theirs.hear("subscription_changed")).subscription.name
    taken = await theirs.do(subscription_pb.AcceptSubscriptionRequest(name=there, body=OPEN))
    assert taken.subscription.state == subscription_pb.Subscription.STATE_ACTIVE
    here = (await ours.end()).subscription.name
    notified = await theirs.do(subscription_pb.NotifyRequest(name=there, body=OPEN))
    assert notified.HasField("done")
    assert (await ours.do(subscription_pb.UnsubscribeRequest(name=here))).HasField("done")
    # It has ended there too, before the next one comes.
    while (await theirs.hear("subscription_changed")).subscription.state != (
        subscription_pb.Subscription.STATE_TERMINATED
    ):
        continue
    await ours.begin(wanted)
    there = (await theirs.hear("subscription_changed")).subscription.name
    await theirs.do(subscription_pb.RejectSubscriptionRequest(name=there, status={"code": 489}))
    refused = await ours._stream.result()
    assert refused.error.message


async def publishing(ours: End, theirs: End, far: Side) -> None:
    await ours.begin(
        subscription_pb.PublishRequest(
            from_address=ALICE, uri=far.address("alice").uri, event="presence", body=OPEN
        )
    )
    await theirs.respond(SIP_ETag="e1", Expires="600")
    made = await ours.end()
    assert made.name.startswith("publications/")
    assert made.HasField("expire_time")
    await ours.begin(subscription_pb.UnpublishRequest(name=made.name))
    await theirs.respond(SIP_ETag="e2", Expires="0")
    assert (await ours.end()).HasField("done")
