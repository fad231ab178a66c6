"""Engine values for tests: calls, registrations, messages, events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from picosip_server.sip.address import Address
from picosip_server.sip.headers import Headers
from picosip_server.sip.message import Request, Response
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.events import (
    CallCreated,
    CallEnded,
    CallReceived,
    Event,
    IncomingRequest,
)
from picosip_server.sip.ua.snapshots import (
    CallDirection,
    CallSnapshot,
    CallState,
    Cause,
    RegistrationSnapshot,
    RegistrationState,
    Termination,
)

ALICE = Address.parse('"Alice" <sip:alice@example.com>;tag=a1')
BOB = Address.parse("<sip:bob@example.com>")
SDP = Body(
    content_type="application/sdp",
    data=b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n",
)


def call(name: str = "calls/one", **changes: Any) -> CallSnapshot:
    """An outgoing call."""
    made = CallSnapshot(
        name=name,
        state=CallState.CALLING,
        direction=CallDirection.OUTGOING,
        from_address=ALICE,
        to_address=BOB,
        request_uri="sip:bob@example.com",
        sip_call_id=f"id-of-{name}",
        local_tag="a1",
        create_time=1000.0,
    )
    return replace(made, **changes)


def registration(name: str = "registrations/one", **changes: Any) -> RegistrationSnapshot:
    """An active registration."""
    made = RegistrationSnapshot(
        name=name,
        state=RegistrationState.ACTIVE,
        registrar="sip:example.com",
        aor=BOB,
        expires=3600.0,
        last_status=200,
        last_reason="OK",
    )
    return replace(made, **changes)


def created(name: str = "calls/one", **more: Any) -> CallCreated:
    """The first event of an outgoing call."""
    labels = more.pop("labels", {})
    return CallCreated(
        resource=name, at=1000.0, labels=labels, call=call(name, labels=labels), token=0, **more
    )


def received(name: str = "calls/in", **more: Any) -> CallReceived:
    """The first event of an incoming call."""
    snapshot = call(name, state=CallState.INCOMING, direction=CallDirection.INCOMING)
    return CallReceived(
        resource=name, at=1000.0, call=snapshot, offer=SDP, answer_by=1180.0, **more
    )


def ended(name: str = "calls/one", cause: Cause = Cause.LOCAL_HANGUP, **more: Any) -> CallEnded:
    """The last event of a call."""
    termination = Termination(cause=cause)
    return CallEnded(
        resource=name,
        at=1010.0,
        termination=termination,
        sip_call_id=call(name).sip_call_id,
        **more,
    )


def incoming_request(name: str = "requests/one", **more: Any) -> IncomingRequest:
    """A REGISTER outside dialogs, with credentials."""
    fields: dict[str, Any] = {
        "resource": name,
        "at": 1000.0,
        "name": name,
        "method": "REGISTER",
        "from_address": ALICE,
        "to_address": BOB,
        "headers": (("Authorization", 'Digest username="alice", response="5ec2e7"'),),
        "body": None,
        "offer": None,
        "respond_by": 1010.0,
        **more,
    }
    return IncomingRequest(**fields)


def numbered(count: int) -> list[Event]:
    """The first events of so many calls: calls/0, calls/1..."""
    return [created(f"calls/{index}") for index in range(count)]


def request(method: str = "INVITE", **more: str) -> Request:
    """A request with the headers that every message has, and ``more``."""
    headers = Headers(
        (
            ("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1"),
            ("From", str(ALICE)),
            ("To", str(BOB)),
            ("Call-ID", "c1"),
            ("CSeq", f"1 {method}"),
            *((name.replace("_", "-"), value) for name, value in more.items()),
        )
    )
    return Request(method, "sip:bob@example.com", headers)


def response(status: int = 200, reason: str = "OK", method: str = "OPTIONS") -> Response:
    """A response."""
    return Response(status, reason, request(method).headers)
