"""A REFER outside a call, and its implicit subscription: RFC 3515, 4488, 6665, 7647."""

from __future__ import annotations

import pytest

from picosip_server.sip.message import Request, Response
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.subscription.commands import Notify
from picosip_server.sip.ua.subscription.events import (
    SubscriptionChanged,
    SubscriptionRole,
    SubscriptionSnapshot,
)
from picosip_server.sip.ua.subscription.header import SubscriptionState
from tests.engine.memory import Everybody, Host, Simulation
from tests.sip.ua.peer import Fields, Peer

TO = ("Refer-To", "<sip:carol@10.0.0.3>")
CONTACT = ("Contact", "<sip:peer@10.0.0.2>")
TRYING = b"SIP/2.0 100 Trying\r\n"


@pytest.fixture(autouse=True)
def claimed(net: Simulation, host: Host) -> None:
    """The application claims REFER."""
    host.core.set_audience(Everybody(("REFER",)), net.now)


def refer(net: Simulation, host: Host, peer: Peer, *fields: tuple[str, str]) -> None:
    peer.ask("REFER", host.address, fields=fields or (TO, CONTACT))
    net.run(0.1)


def respond(net: Simulation, host: Host, status: int) -> str:
    """The application's answer to the last request; gives the request's name."""
    name = host.of(events.IncomingRequest)[-1].name
    token = host.submit(lambda token: commands.Respond(token=token, name=name, status=status))
    net.run(0.1)
    assert host.results[token] is None
    return name


def subscription(host: Host) -> SubscriptionSnapshot:
    return host.of(SubscriptionChanged)[-1].subscription


def tell(host: Host, text: str, **fields: object) -> object:
    name = subscription(host).name
    body = Body(content_type="message/sipfrag", data=text.encode())
    return host.submit(
        lambda token: Notify(token=token, name=name, body=body, **fields)  # type: ignore[arg-type]
    )


def taken(net: Simulation, peer: Peer) -> Request:
    """The next NOTIFY, which the peer takes."""
    notify = peer.request("NOTIFY")
    peer.reply(notify, 200)
    net.run(0.1)
    return notify


def accepted(net: Simulation, host: Host, peer: Peer, *fields: tuple[str, str]) -> Response:
    """A REFER that the application answered with 202, and its first NOTIFY taken."""
    refer(net, host, peer, *fields)
    respond(net, host, 202)
    response = peer.response(202)
    taken(net, peer)
    return response


def inside(
    net: Simulation,
    host: Host,
    peer: Peer,
    response: Response,
    method: str,
    *,
    cseq: int = 2,
    fields: Fields = (),
) -> None:
    peer.ask(method, host.address, to_tag=response.to.tag, cseq=cseq, fields=fields)
    net.run(0.1)


def test_a_202_makes_a_dialog_and_a_subscription(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 3515 section 2.4.4, RFC 6665 section 4.2.1.1."""
    route = ("Record-Route", "<sip:10.0.0.2;lr>")
    refer(net, host, peer, TO, CONTACT, route)
    (asked,) = host.of(events.IncomingRequest)
    assert (asked.method, asked.call, asked.resource) == ("REFER", "", asked.name)
    assert str(asked.refer_to) == TO[1]
    assert peer.rest() == []
    name = respond(net, host, 202)
    response = peer.response(202)
    assert response.headers.get("Contact") == "<sip:callee@10.0.0.1:5060>"
    assert response.headers.get("Record-Route") == route[1]
    assert not response.headers.has("Refer-Sub")
    notify = peer.request("NOTIFY")
    assert (notify.call_id, notify.to.tag) == ("one@peer", "peer")
    assert notify.from_.tag == response.to.tag != ""
    assert notify.uri_text == "sip:peer@10.0.0.2"
    assert notify.headers.get("Route") == route[1]
    assert notify.headers.get("Event") == "refer"
    assert notify.headers.get("Subscription-State") == "active;expires=300"
    assert notify.content_type == "message/sipfrag"
    assert notify.body == TRYING
    peer.reply(notify, 200)
    now = subscription(host)
    assert now.role is SubscriptionRole.NOTIFIER
    assert now.state is SubscriptionState.ACTIVE
    assert (now.call, now.incoming_request) == ("", name)
    assert (str(now.remote), str(now.local)) == ("<sip:peer@10.0.0.2>", "<sip:callee@10.0.0.1>")
    assert host.core.snapshot().subscriptions == (now,)


def test_the_application_reports(net: Simulation, host: Host, peer: Peer) -> None:
    accepted(net, host, peer)
    tell(host, "SIP/2.0 180 Ringing\r\n")
    net.run(0.1)
    assert taken(net, peer).body == b"SIP/2.0 180 Ringing\r\n"
    token = tell(host, "SIP/2.0 200 OK\r\n", state=SubscriptionState.TERMINATED)
    net.run(0.1)
    last = taken(net, peer)
    assert last.body == b"SIP/2.0 200 OK\r\n"
    assert last.headers.get("Subscription-State") == "terminated;reason=noresource"
    assert host.results[token] is None
    assert subscription(host).state is SubscriptionState.TERMINATED
    assert host.core.snapshot().subscriptions == ()


def test_nobody_reports_for_five_minutes(net: Simulation, host: Host, peer: Peer) -> None:
    accepted(net, host, peer)
    net.run(300)
    assert taken(net, peer).headers.get("Subscription-State") == "terminated;reason=timeout"
    assert host.core.snapshot().subscriptions == ()


@pytest.mark.parametrize(
    ("expires", "state"), [("600", "active;expires=600"), ("0", "terminated;reason=timeout")]
)
def test_the_referrer_refreshes_and_leaves(
    net: Simulation, host: Host, peer: Peer, expires: str, state: str
) -> None:
    """RFC 3515 section 2.4.4: by SUBSCRIBE in the dialog."""
    response = accepted(net, host, peer)
    fields = [("Event", "refer"), ("Expires", expires), CONTACT]
    inside(net, host, peer, response, "SUBSCRIBE", fields=fields)
    assert peer.response(200).headers.get("Expires") == expires
    notify = taken(net, peer)
    assert (notify.headers.get("Subscription-State"), notify.body) == (state, TRYING)


@pytest.mark.parametrize(
    ("method", "event", "status"),
    [("SUBSCRIBE", "presence", 489), ("REFER", "", 405), ("BYE", "", 481), ("OPTIONS", "", 200)],
)
def test_what_else_comes_in_the_dialog(
    net: Simulation, host: Host, peer: Peer, method: str, event: str, status: int
) -> None:
    """RFC 6665 section 4.5.2, RFC 7647 section 4: the dialog is for this alone."""
    response = accepted(net, host, peer)
    inside(net, host, peer, response, method, fields=[("Event", event), TO, CONTACT])
    peer.response(status)
    assert len(host.core.snapshot().subscriptions) == 1


def test_a_referrer_without_wish_to_hear(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 4488 section 4: neither subscription nor dialog."""
    fields = [TO, CONTACT, ("Refer-Sub", "false"), ("Require", "norefersub")]
    refer(net, host, peer, *fields)
    respond(net, host, 202)
    response = peer.response(202)
    assert response.headers.get("Refer-Sub") == "false"
    assert response.headers.has("Contact")
    assert peer.rest() == []
    assert host.of(SubscriptionChanged) == []
    inside(net, host, peer, response, "SUBSCRIBE", fields=[("Event", "refer"), CONTACT])
    peer.response(481)


def test_a_refusal(net: Simulation, host: Host, peer: Peer) -> None:
    refer(net, host, peer)
    respond(net, host, 603)
    response = peer.response(603)
    assert not response.headers.has("Contact")
    assert peer.rest() == []
    assert host.of(SubscriptionChanged) == []


def test_a_silent_application(net: Simulation, host: Host, peer: Peer) -> None:
    refer(net, host, peer)
    net.run(10)
    # RFC 4320 section 4.1, then 480.
    assert peer.lines() == ["100 REFER 1", "480 REFER 1"]
    (closed,) = host.of(events.IncomingRequestClosed)
    (asked,) = host.of(events.IncomingRequest)
    assert (closed.resource, closed.name, closed.status) == (asked.name, asked.name, 480)


@pytest.mark.parametrize(
    "fields",
    [(CONTACT,), (TO, TO, CONTACT), (TO,), (("Refer-To", "<"), CONTACT)],
    ids=["no Refer-To", "two", "no Contact", "unreadable"],
)
def test_a_faulty_refer(
    net: Simulation, host: Host, peer: Peer, fields: tuple[tuple[str, str], ...]
) -> None:
    """Sections 2.2 and 2.4.2."""
    refer(net, host, peer, *fields)
    peer.response(400)
    assert host.of(events.IncomingRequest) == []


def test_an_application_that_claims_no_refer(net: Simulation, host: Host, peer: Peer) -> None:
    host.core.set_audience(Everybody(), net.now)
    refer(net, host, peer)
    assert "REFER" not in (peer.response(405).headers.get("Allow") or "")


def test_a_referrer_that_is_gone(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 6665 section 4.2.2: a NOTIFY refused with 481 ends the subscription."""
    refer(net, host, peer)
    respond(net, host, 202)
    peer.response(202)
    peer.reply(peer.request("NOTIFY"), 481)
    net.run(0.1)
    assert subscription(host).state is SubscriptionState.TERMINATED


@pytest.mark.parametrize("answered", [False, True])
def test_a_server_that_stops(net: Simulation, host: Host, peer: Peer, answered: bool) -> None:
    refer(net, host, peer)
    if answered:
        respond(net, host, 202)
        peer.response(202)
        taken(net, peer)
    ended: list[bool] = []
    host.core.end_all(lambda: ended.append(True), net.now)
    net.run(0.1)
    if answered:
        last = taken(net, peer)
        assert last.headers.get("Subscription-State") == "terminated;reason=noresource"
    else:
        peer.response(503)
    assert ended == [True]


@pytest.mark.parametrize("answered", [False, True])
def test_a_server_that_goes_at_once(
    net: Simulation, host: Host, peer: Peer, answered: bool
) -> None:
    refer(net, host, peer)
    if answered:
        respond(net, host, 202)
    host.core.abandon_all(net.now)
    host.collect()
    assert host.core.snapshot().subscriptions == ()
    assert host.core.stats().active_subscriptions == 0
    ended: list[bool] = []
    host.core.end_all(lambda: ended.append(True), net.now)
    assert ended == [True]
