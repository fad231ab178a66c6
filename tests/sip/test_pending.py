"""Requests that wait for Respond: the offer in one, the 100, and what the stack says itself."""

from __future__ import annotations

import pytest

from picosip_server.sip.message import Request, Response
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.incoming_request import IncomingRequestUser
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.pending import Pendings
from picosip_server.sip.ua.user import TransactionUser
from tests.sip.agent import TCP, UDP, Driver, Numbered
from tests.sip.machines import request

SDP = Body(content_type="application/sdp", data=b"v=0\r\n")


class Bench:
    """A user that hands requests to its application."""

    def __init__(self) -> None:
        self.user = TransactionUser("calls/1", Context(identity=Numbered()), {"a": "b"})
        self.pendings = Pendings(self.user)
        self.drive = Driver(self.user)
        self.answers: list[tuple[int, Body | None]] = []

    def hand_over(self, message: Request, offer: Body | None = None) -> str:
        name = self.pendings.hand_over(
            self.user.serve(message, UDP, 0),
            0,
            default=(500, "Silence"),
            respond_by=8.0,
            on_answer=lambda response, body, now: self.answers.append((response.status, body)),
            call="calls/1",
            offer=offer,
        )
        self.drive.run(self.user.flush())
        return name

    def respond(self, name: str, status: int, body: Body | None = None) -> Failure | None:
        command = commands.Respond(token="t", name=name, status=status, body=body)
        failure = self.pendings.respond(command, 1.0)
        self.drive.run(self.user.flush())
        return failure

    @property
    def statuses(self) -> list[int]:
        return [
            each.message.status for each in self.drive.sent if isinstance(each.message, Response)
        ]


@pytest.mark.parametrize("status", [200, 202, 299])
def test_a_2xx_must_answer_the_offer(status: int) -> None:
    """RFC 3264 section 5; the request still waits after the mistake."""
    bench = Bench()
    name = bench.hand_over(request("PRACK"), offer=SDP)
    failure = bench.respond(name, status)
    assert failure == Failure(
        kind=FailureKind.INVALID,
        detail="the request carries an offer: a 2xx must answer it",
        field="description",
    )
    assert bench.answers == []
    assert bench.respond(name, status, SDP) is None
    assert bench.answers == [(status, SDP)]
    assert bench.statuses == [status]


def test_a_refusal_needs_no_answer() -> None:
    """RFC 3262 section 5: 488 refuses the offer."""
    bench = Bench()
    assert bench.respond(bench.hand_over(request("PRACK"), offer=SDP), 488) is None
    assert bench.answers == [(488, None)]


def test_an_unknown_name_is_not_found() -> None:
    bench = Bench()
    failure = bench.respond("requests/none", 200)
    assert failure is not None
    assert failure.kind is FailureKind.NOT_FOUND


def test_the_event_names_the_call() -> None:
    bench = Bench()
    message = request("INFO", ("Contact", "<sip:a@b"))
    name = bench.hand_over(message, offer=SDP)
    (event,) = bench.drive.events
    assert event == events.IncomingRequest(
        resource="calls/1",
        at=0,
        labels={"a": "b"},
        message=message,
        name=name,
        call="calls/1",
        method="INFO",
        from_address=message.from_,
        to_address=message.to,
        headers=tuple(message.headers),
        body=None,
        offer=SDP,
        respond_by=8.0,
        # Contacts that cannot be read are none.
        contacts=(),
    )


def test_the_end_of_the_dialog_answers_what_still_waits() -> None:
    """12.2.2; each is told to the application."""
    bench = Bench()
    names = [bench.hand_over(request("INFO")), bench.hand_over(request("MESSAGE"))]
    bench.pendings.close_all(487, "", 2.0)
    bench.drive.run(bench.user.flush())
    assert bench.statuses == [487, 487]
    assert bench.answers == [(487, None), (487, None)]
    assert bench.drive.events[2:] == [
        events.IncomingRequestClosed(
            resource="calls/1",
            at=2.0,
            labels={"a": "b"},
            name=name,
            status=487,
            reason="Request Terminated",
        )
        for name in names
    ]
    # 17.2.2: only the transactions linger.
    assert bench.user.deadline() == 34.0


def test_its_alarms_are_told_from_others() -> None:
    """RFC 4320 section 4.1: 100 after 3.5 s; then the default."""
    bench = Bench()
    name = bench.hand_over(request("INFO"))
    assert bench.pendings.alarm("refresh", 1.0) is False
    assert bench.user.deadline() == 3.5
    assert bench.pendings.alarm(f"pending trying {name}", 3.5) is True
    assert bench.pendings.alarm(f"pending {name}", 8.0) is True
    bench.drive.run(bench.user.flush())
    assert bench.statuses == [100, 500]
    assert isinstance(bench.drive.sent[-1].message, Response)
    assert bench.drive.sent[-1].message.reason == "Silence"


def test_a_single_request_is_over_once_it_is_answered() -> None:
    user = IncomingRequestUser(Context(identity=Numbered()))
    drive = Driver(user)
    drive.run(user.hand_over(request("MESSAGE"), TCP, 0))
    assert (user.name, user.over) == ("requests/2", False)
    for name, token in (("requests/9", "wrong"), ("requests/2", "right")):
        drive.run(user.command(commands.Respond(token=token, name=name, status=200), 1.0))
    assert drive.failure("wrong").kind is FailureKind.NOT_FOUND
    assert drive.results["right"] is None
    assert user.finished
    assert drive.bound == set()
    assert [each.message.to.tag for each in drive.sent] == ["tag1"]
