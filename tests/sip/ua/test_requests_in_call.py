"""Requests of the far end inside a call that the application may answer: RFC 3261 12.2.2."""

from __future__ import annotations

import pytest

from picosip_server.engine.audience import Nobody
from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Body, ModifyMethod, Options, Policy
from picosip_server.sip.ua.inspect import ALLOW
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import CallState
from tests.engine.memory import Host, Simulation
from tests.sip.ua.peer import Fields, Peer
from tests.sip.ua.scene import accept, called, connect, ended, snapshot

HELLO = Body(content_type="text/plain", data=b"hello")
RELAY = "application/dtmf-relay"


def within(
    peer: Peer,
    invite: Request,
    method: str,
    cseq: int,
    fields: Fields = (),
    body: Body | None = None,
) -> None:
    """A request inside the dialog that the peer's answer to ``invite`` made."""
    peer.ask(
        method,
        invite.via.host,
        call_id=invite.call_id,
        cseq=cseq,
        tag="a",
        to_tag=invite.from_.tag,
        fields=fields,
        body=body,
    )


NEEDED = {"REFER": [("Refer-To", "<sip:third@h>")]}
"""Without these a request is refused."""


def respond(host: Host, status: int, **fields: object) -> object:
    name = host.of(events.IncomingRequest)[-1].name
    return host.submit(
        lambda token: commands.Respond(token=token, name=name, status=status, **fields)  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("method", ["INFO", "MESSAGE", "FROBNICATE"])
def test_the_application_answers(net: Simulation, host: Host, peer: Peer, method: str) -> None:
    """The request comes whole, and the answer goes as it was given."""
    invite = connect(net, host, peer, labels={"a": "b"})
    fields = [("X-One", "1"), ("P-Asserted-Identity", "<sip:p@q>"), *NEEDED.get(method, [])]
    within(peer, invite, method, 7, fields, HELLO)
    net.run(0.1)
    (event,) = host.of(events.IncomingRequest)
    assert (event.resource, event.call, event.method) == (host.call(), host.call(), method)
    assert (event.labels, event.body, event.offer) == ({"a": "b"}, HELLO, None)
    assert ("X-One", "1") in event.headers
    assert ("P-Asserted-Identity", "<sip:p@q>") in event.headers
    assert event.respond_by == event.at + 10.0
    assert peer.rest() == []
    token = respond(host, 299, reason="Quite", body=HELLO, options=Options(headers=(("X-A", "b"),)))
    net.run(0.1)
    answer = peer.response(299)
    assert (answer.reason, answer.headers.get("X-A"), answer.body) == ("Quite", "b", b"hello")
    assert host.results[token] is None
    assert host.failure(respond(host, 200)).kind is FailureKind.NOT_FOUND
    assert snapshot(host).state is CallState.CONFIRMED


@pytest.mark.parametrize("targets", [[], ["<sip:a@h>", "<sip:b@h>"], ["<sip:a@h>, <sip:b@h>"]])
def test_a_refer_names_one_target(
    net: Simulation, host: Host, peer: Peer, targets: list[str]
) -> None:
    """RFC 3515 section 2.4.2: 400 by the stack."""
    invite = connect(net, host, peer)
    within(peer, invite, "REFER", 7, [("Refer-To", each) for each in targets])
    net.run(0.1)
    assert peer.response(400).headers.has("Warning")
    assert host.of(events.IncomingRequest) == []


@pytest.mark.parametrize(
    ("method", "status"), [("INFO", 200), ("MESSAGE", 480), ("FROBNICATE", 501)]
)
@pytest.mark.parametrize("heard", [True, False])
def test_what_the_stack_says_when_nobody_answers(
    net: Simulation, host: Host, peer: Peer, method: str, status: int, heard: bool
) -> None:
    """By the deadline of the call's policy; RFC 4320: with a 100 before, where that is late."""
    invite = connect(net, host, peer, policy=Policy(respond_timeout=5.0))
    if not heard:
        host.core.set_audience(Nobody(), net.now)
    within(peer, invite, method, 7, NEEDED.get(method, []), HELLO)
    net.run(4.9)
    peer.response(100)
    assert peer.rest() == []
    net.run(0.2)
    answer = peer.response(status)
    assert answer.headers.get("Allow") == (ALLOW if status == 501 else None)
    (closed,) = host.of(events.IncomingRequestClosed)
    assert (closed.name, closed.status) == (host.of(events.IncomingRequest)[0].name, status)
    assert closed.resource == host.call()


def test_the_call_ends_first(net: Simulation, host: Host, peer: Peer) -> None:
    """15.1.2: what still waits gets 487."""
    invite = connect(net, host, peer)
    within(peer, invite, "MESSAGE", 7, body=HELLO)
    within(peer, invite, "BYE", 8)
    net.run(0.1)
    assert peer.rest() == ["200 BYE 8", "487 MESSAGE 7"]
    assert host.kinds()[-2:] == ["IncomingRequestClosed", "CallEnded"]
    (closed,) = host.of(events.IncomingRequestClosed)
    assert closed.status == 487
    assert ended(host)


def test_a_callee_is_asked_too_even_before_it_answers(
    net: Simulation, host: Host, peer: Peer
) -> None:
    called(net, host, peer)
    host.on_call(commands.Progress, host.call())
    net.run(0.1)
    tag = peer.response(180).to.tag
    peer.ask("INFO", host.address, cseq=2, to_tag=tag)
    net.run(0.1)
    (event,) = host.of(events.IncomingRequest)
    assert event.call == host.call()
    respond(host, 200)
    net.run(0.1)
    peer.response(200)
    accept(net, host, peer)


def test_what_it_requires_is_judged_before(net: Simulation, host: Host, peer: Peer) -> None:
    """8.2.2.3."""
    invite = connect(net, host, peer)
    within(peer, invite, "INFO", 7, [("Require", "nonsense")])
    net.run(0.1)
    assert peer.response(420).headers.get("Unsupported") == "nonsense"
    assert host.of(events.IncomingRequest) == []


def test_a_late_100_echoes_the_timestamp(net: Simulation, host: Host, peer: Peer) -> None:
    """8.2.6.1, RFC 4320 section 4.1."""
    invite = connect(net, host, peer)
    within(peer, invite, "INFO", 7, [("Timestamp", "54.2")])
    net.run(4)
    assert peer.response(100).headers.get("Timestamp") == "54.2 3.500"


# RFC 6086: INFO packages.


def test_a_package_that_was_not_asked_for(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 6086 section 4.2.2: 469, with what is taken."""
    recv = (("Recv-Info", "foo, bar;q=1"), ("Recv-Info", "baz"))
    invite = connect(net, host, peer, options=Options(headers=recv))
    within(peer, invite, "INFO", 7, [("Info-Package", "nope")])
    net.run(0.1)
    assert peer.response(469).headers.get("Recv-Info") == "foo, bar;q=1, baz"
    for cseq, package in enumerate(("foo", "bar;x=y", "baz"), 8):
        within(peer, invite, "INFO", cseq, [("Info-Package", package)], HELLO)
        net.run(0.1)
        assert host.of(events.IncomingRequest)[-1].method == "INFO"
        respond(host, 200)
        net.run(0.1)
        peer.response(200)


def test_without_recv_info_no_package_is_taken(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 6086 section 5.2.2: an empty Recv-Info says that there is none."""
    called(net, host, peer)
    tag = accept(net, host, peer)
    peer.ask("INFO", host.address, cseq=2, to_tag=tag, fields=[("Info-Package", "foo")])
    net.run(0.1)
    assert peer.response(469).headers.get_all("Recv-Info") == [""]


def test_a_callee_asks_for_packages_in_its_answer(net: Simulation, host: Host, peer: Peer) -> None:
    called(net, host, peer)
    tag = accept(net, host, peer, options=Options(headers=(("Recv-Info", "foo"),)))
    peer.ask("INFO", host.address, cseq=2, to_tag=tag, fields=[("Info-Package", "foo")])
    net.run(0.1)
    assert len(host.of(events.IncomingRequest)) == 1
    respond(host, 200)


@pytest.mark.parametrize(("status", "taken"), [(200, "new"), (488, "old")])
def test_a_change_of_the_packages_that_are_taken(
    net: Simulation, host: Host, peer: Peer, status: int, taken: str
) -> None:
    """RFC 6086 sections 5.2.2 and 5.2.4: a refused one is rolled back."""
    invite = connect(net, host, peer, options=Options(headers=(("Recv-Info", "old"),)))
    change = Options(headers=(("Recv-Info", "new"),))
    host.on_call(commands.Modify, host.call(), method=ModifyMethod.UPDATE, options=change)
    net.run(0.1)
    update = peer.request("UPDATE")
    within(peer, invite, "INFO", 7, [("Info-Package", "old")])
    net.run(0.1)
    # It was taken back as soon as the other end could know.
    assert peer.response(469).headers.get("Recv-Info") == "new"
    peer.reply(update, status)
    within(peer, invite, "INFO", 8, [("Info-Package", "neither")])
    net.run(0.1)
    assert peer.response(469).headers.get("Recv-Info") == taken


# Digits.


@pytest.mark.parametrize(
    ("kind", "data", "digit", "duration"),
    [
        (RELAY, b"Signal=5\r\nDuration=160\r\n", "5", 0.16),
        ("Application/DTMF-Relay", b"Signal=#\r\n", "#", None),
        ("application/dtmf", b"9", "9", None),
    ],
)
def test_a_digit(
    net: Simulation, host: Host, peer: Peer, kind: str, data: bytes, digit: str, duration: float
) -> None:
    """Taken by the stack itself."""
    invite = connect(net, host, peer)
    within(peer, invite, "INFO", 7, body=Body(content_type=kind, data=data))
    net.run(0.1)
    peer.response(200)
    (event,) = host.of(events.DtmfReceived)
    assert (event.resource, event.digit, event.duration) == (host.call(), digit, duration)
    assert isinstance(event.message, Request)
    assert host.of(events.IncomingRequest) == []


def test_a_body_that_is_no_digit(net: Simulation, host: Host, peer: Peer) -> None:
    """21.4.1."""
    invite = connect(net, host, peer)
    within(peer, invite, "INFO", 7, body=Body(content_type=RELAY, data=b"Signal=55\r\n"))
    net.run(0.1)
    assert "DTMF" in (peer.response(400).headers.get("Warning") or "")
    assert host.of(events.DtmfReceived) == []
