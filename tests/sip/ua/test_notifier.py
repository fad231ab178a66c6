"""A subscription to state of ours, by a subscriber that the test plays: RFC 6665 section 4.2."""

from __future__ import annotations

import pytest

from picosip_server.sip.message import Request
from picosip_server.sip.ua.commands import Body, Options
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.subscription import commands
from picosip_server.sip.ua.subscription.events import (
    IncomingSubscribe,
    SubscriptionChanged,
    SubscriptionSnapshot,
)
from picosip_server.sip.ua.subscription.header import SubscriptionState
from tests.engine.memory import Everybody, Host, Simulation
from tests.sip.ua.peer import Peer

PIDF = Body(content_type="application/pidf+xml", data=b"<presence/>")
AWAY = Body(content_type="application/pidf+xml", data=b"<away/>")
CONTACT = ("Contact", "<sip:watcher@10.0.0.2>")
OPEN = ("Event", "presence")


@pytest.fixture
def host(net: Simulation) -> Host:
    """A user agent whose application claims SUBSCRIBE."""
    host = net.host("10.0.0.1")
    host.core.set_audience(Everybody(("SUBSCRIBE",)), net.now)
    return host


def arrive(
    net: Simulation, host: Host, peer: Peer, *fields: tuple[str, str], expires: str = "600"
) -> str:
    """The peer subscribes; gives the subscription's name."""
    peer.ask("SUBSCRIBE", host.address, fields=(OPEN, CONTACT, ("Expires", expires), *fields))
    net.run(0.1)
    return host.of(SubscriptionChanged)[-1].resource


def accept(
    net: Simulation, host: Host, peer: Peer, name: str, **fields: object
) -> tuple[Request, str]:
    """The application accepts; gives the first NOTIFY and our tag. The peer takes it."""
    fields.setdefault("body", PIDF)
    order(host, commands.AcceptSubscription, name, **fields)
    net.run(0.1)
    tag = peer.response(200).to.tag
    notify = peer.request("NOTIFY")
    peer.reply(notify, 200)
    net.run(0.1)
    return notify, tag


def order(
    host: Host, kind: type[commands.SubscriptionCommand], name: str, **fields: object
) -> object:
    """Submits a command on a subscription."""
    return host.submit(lambda token: kind(token=token, name=name, **fields))


def again(
    net: Simulation, host: Host, peer: Peer, tag: str, expires: str, cseq: int = 2, **more: str
) -> None:
    """The peer sends a SUBSCRIBE in the dialog."""
    fields = [("Event", more.get("event", "presence")), CONTACT, ("Expires", expires)]
    peer.ask("SUBSCRIBE", host.address, cseq=cseq, to_tag=tag, fields=fields)
    net.run(0.1)


def states(host: Host) -> list[tuple[str, str]]:
    return [
        (event.subscription.state.name, event.subscription.reason)
        for event in host.of(SubscriptionChanged)
    ]


def test_the_application_sees_the_subscribe(net: Simulation, host: Host, peer: Peer) -> None:
    fields = (OPEN, CONTACT, ("X-Trace", "1"))
    body = Body(content_type="text/plain", data=b"filter")
    peer.ask("SUBSCRIBE", host.address, fields=fields, body=body)
    net.run(0.1)
    (event,) = host.of(SubscriptionChanged)
    assert event.subscription.role.name == "NOTIFIER"
    assert event.subscription.state.name == "PENDING"
    assert event.subscription.event == "presence"
    assert str(event.subscription.local.uri) == "sip:callee@10.0.0.1"
    assert str(event.subscription.remote.uri) == "sip:peer@10.0.0.2"
    request = event.request
    assert isinstance(request, IncomingSubscribe)
    assert request.body == body
    assert request.expires == 3600
    assert ("X-Trace", "1") in request.headers
    assert request.respond_by == pytest.approx(net.now + 10, abs=0.2)


def test_accepting_sends_200_and_at_once_a_notify(net: Simulation, host: Host, peer: Peer) -> None:
    name = arrive(net, host, peer, ("Record-Route", "<sip:10.0.0.2;lr>"))
    token = order(host, commands.AcceptSubscription, name, body=PIDF)
    result = host.results[token]
    assert isinstance(result, SubscriptionSnapshot)
    assert result.state is SubscriptionState.ACTIVE
    net.run(0.1)
    response = peer.response(200)
    assert response.headers.get("Expires") == "600"
    assert response.headers.get("Contact") == "<sip:callee@10.0.0.1:5060>"
    assert response.headers.get("Record-Route") == "<sip:10.0.0.2;lr>"
    notify = peer.request("NOTIFY")
    assert notify.uri_text == "sip:watcher@10.0.0.2"
    assert notify.headers.get("Route") == "<sip:10.0.0.2;lr>"
    assert notify.headers.get("Event") == "presence"
    assert notify.headers.get("Subscription-State") == "active;expires=600"
    assert notify.headers.get("Contact") == "<sip:callee@10.0.0.1:5060>"
    assert (notify.from_.tag, notify.to.tag) == (response.to.tag, "peer")
    assert (notify.body, notify.content_type) == (PIDF.data, PIDF.content_type)
    peer.reply(notify, 200)


def test_pending_then_active(net: Simulation, host: Host, peer: Peer) -> None:
    name = arrive(net, host, peer)
    first, _ = accept(
        net, host, peer, name, state=SubscriptionState.PENDING, expires=60.0, body=None
    )
    assert first.headers.get("Subscription-State") == "pending;expires=60"
    assert first.body == b""
    token = order(host, commands.Notify, name, state=SubscriptionState.ACTIVE, body=PIDF)
    net.run(0.1)
    second = peer.request("NOTIFY")
    assert second.headers.get("Subscription-State") == "active;expires=60"
    assert second.body == PIDF.data
    assert token not in host.results
    peer.reply(second, 200)
    net.run(0.1)
    assert host.results[token] is None
    back = order(host, commands.Notify, name, state=SubscriptionState.PENDING)
    assert host.failure(back).kind is FailureKind.WRONG_STATE


def test_refusing(net: Simulation, host: Host, peer: Peer) -> None:
    name = arrive(net, host, peer)
    token = order(
        host,
        commands.RejectSubscription,
        name,
        status=403,
        options=Options(headers=(("X-Why", "no"),)),
    )
    net.run(0.1)
    assert host.results[token] is None
    assert peer.response(403).headers.get("X-Why") == "no"
    assert states(host)[-1] == ("TERMINATED", "rejected")
    late = order(host, commands.AcceptSubscription, name)
    assert host.failure(late).kind is FailureKind.NOT_FOUND


def test_a_silent_application_means_480(net: Simulation, host: Host, peer: Peer) -> None:
    arrive(net, host, peer)
    net.run(10)
    peer.response(100)
    peer.response(480)
    assert states(host)[-1] == ("TERMINATED", "rejected")


def test_a_command_before_the_answer(net: Simulation, host: Host, peer: Peer) -> None:
    name = arrive(net, host, peer)
    assert host.failure(order(host, commands.Notify, name)).kind is FailureKind.WRONG_STATE
    accept(net, host, peer, name)
    again = order(host, commands.AcceptSubscription, name)
    assert host.failure(again).kind is FailureKind.WRONG_STATE
    ours = order(host, commands.Unsubscribe, name)
    assert host.failure(ours).kind is FailureKind.WRONG_STATE


def test_a_refresh_is_answered_by_the_stack_with_the_whole_state(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """Section 4.2.1.4: the last body, after the 200."""
    name = arrive(net, host, peer)
    first, tag = accept(net, host, peer, name)
    order(host, commands.Notify, name, body=AWAY)
    net.run(0.1)
    peer.reply(peer.request("NOTIFY"), 200)
    again(net, host, peer, tag, "300")
    assert peer.response(200).headers.get("Expires") == "300"
    notify = peer.request("NOTIFY")
    assert notify.body == AWAY.data
    assert notify.headers.get("Subscription-State") == "active;expires=300"
    assert notify.cseq.number == first.cseq.number + 2
    peer.reply(notify, 200)
    net.run(0.1)
    assert states(host)[-1] == ("ACTIVE", "")


def test_a_refresh_is_granted_no_more_than_the_application_did(
    net: Simulation, host: Host, peer: Peer
) -> None:
    name = arrive(net, host, peer)
    _, tag = accept(net, host, peer, name, expires=120.0)
    again(net, host, peer, tag, "600")
    assert peer.response(200).headers.get("Expires") == "120"
    peer.reply(peer.request("NOTIFY"), 200)


def test_the_subscriber_leaves(net: Simulation, host: Host, peer: Peer) -> None:
    name = arrive(net, host, peer)
    _, tag = accept(net, host, peer, name)
    again(net, host, peer, tag, "0")
    assert peer.response(200).headers.get("Expires") == "0"
    last = peer.request("NOTIFY")
    assert last.headers.get("Subscription-State") == "terminated;reason=timeout"
    assert last.body == PIDF.data
    peer.reply(last, 200)
    net.run(0.1)
    assert states(host)[-1] == ("TERMINATED", "timeout")
    again(net, host, peer, tag, "600", cseq=3)
    peer.response(481)


def test_a_fetch(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 4.4.3."""
    name = arrive(net, host, peer, expires="0")
    notify, _ = accept(net, host, peer, name)
    assert notify.headers.get("Subscription-State") == "terminated;reason=timeout"
    assert notify.body == PIDF.data
    assert host.core.stats().active_subscriptions == 0


def test_time_runs_out(net: Simulation, host: Host, peer: Peer) -> None:
    name = arrive(net, host, peer, expires="60")
    accept(net, host, peer, name)
    net.run(60)
    last = peer.request("NOTIFY")
    assert last.headers.get("Subscription-State") == "terminated;reason=timeout"
    peer.reply(last, 200)
    net.run(0.1)
    assert states(host)[-1] == ("TERMINATED", "timeout")


def test_the_application_terminates(net: Simulation, host: Host, peer: Peer) -> None:
    name = arrive(net, host, peer)
    accept(net, host, peer, name)
    token = order(
        host,
        commands.Notify,
        name,
        state=SubscriptionState.TERMINATED,
        reason="probation",
        body=AWAY,
        options=Options(headers=(("X-Last", "1"),)),
    )
    net.run(0.1)
    last = peer.request("NOTIFY")
    assert last.headers.get("Subscription-State") == "terminated;reason=probation"
    assert (last.headers.get("X-Last"), last.body) == ("1", AWAY.data)
    peer.reply(last, 200)
    net.run(0.1)
    assert host.results[token] is None
    assert states(host)[-1] == ("TERMINATED", "probation")


def test_one_notify_at_a_time_in_order(net: Simulation, host: Host, peer: Peer) -> None:
    name = arrive(net, host, peer)
    accept(net, host, peer, name)
    for number in range(3):
        body = Body(content_type="text/plain", data=b"%d" % number)
        order(host, commands.Notify, name, body=body)
    net.run(0.1)
    assert len(peer.received) == 4 - 1
    for number in range(3):
        notify = peer.request("NOTIFY")
        assert notify.body == b"%d" % number
        assert peer.rest() == []
        peer.reply(notify, 200)
        net.run(0.1)


@pytest.mark.parametrize("status", [404, 481, 489])
def test_a_notify_that_is_refused_for_good_ends_it(
    net: Simulation, host: Host, peer: Peer, status: int
) -> None:
    """Section 4.2.2."""
    name = arrive(net, host, peer)
    accept(net, host, peer, name)
    first = order(host, commands.Notify, name, body=AWAY)
    second = order(host, commands.Notify, name, body=PIDF)
    net.run(0.1)
    peer.reply(peer.request("NOTIFY"), status)
    net.run(0.1)
    assert host.failure(first).status == status
    assert host.failure(second).kind is FailureKind.ENDED
    assert states(host)[-1] == ("TERMINATED", "")
    assert host.core.stats().active_subscriptions == 0


def test_a_notify_that_fails_otherwise_leaves_it(net: Simulation, host: Host, peer: Peer) -> None:
    name = arrive(net, host, peer)
    accept(net, host, peer, name)
    token = order(host, commands.Notify, name, body=AWAY)
    net.run(0.1)
    peer.reply(peer.request("NOTIFY"), 500)
    net.run(0.1)
    assert host.failure(token).status == 500
    assert states(host)[-1] == ("ACTIVE", "")


def test_a_subscriber_that_does_not_answer_is_gone(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 4.2.2: timer F."""
    name = arrive(net, host, peer)
    accept(net, host, peer, name)
    token = order(host, commands.Notify, name, body=AWAY)
    net.run(33)
    assert host.failure(token).kind is FailureKind.TIMEOUT
    assert states(host)[-1] == ("TERMINATED", "")


@pytest.mark.parametrize(
    ("settings", "fields", "status"),
    [
        ({}, (CONTACT,), 489),
        ({}, (CONTACT, ("Event", "a b")), 400),
        ({}, (OPEN,), 400),
        ({"allow_events": ("dialog", "reg")}, (OPEN, CONTACT), 489),
        ({"min_expires": 60.0}, (OPEN, CONTACT, ("Expires", "59")), 423),
        ({}, (OPEN, CONTACT, ("Require", "frobs")), None),
        ({"min_expires": 60.0}, (OPEN, CONTACT, ("Expires", "0")), None),
        ({"min_expires": 7200.0}, (OPEN, CONTACT, ("Expires", "3600")), None),
    ],
)
def test_what_the_stack_refuses_by_itself(
    net: Simulation,
    peer: Peer,
    settings: dict[str, object],
    fields: tuple[tuple[str, str], ...],
    status: int | None,
) -> None:
    """Section 4.2.1.1."""
    host = net.host("10.0.0.3", **settings)
    host.core.set_audience(Everybody(("SUBSCRIBE",)), net.now)
    peer.ask("SUBSCRIBE", host.address, fields=fields)
    net.run(0.1)
    if status is None:
        assert host.kinds() == ["SubscriptionChanged"]
        return
    response = peer.response(status)
    if status == 423:
        assert response.headers.get("Min-Expires") == "60"
    if "allow_events" in settings:
        assert response.headers.get("Allow-Events") == "dialog, reg"


def test_without_an_application_no_event_is_known(net: Simulation, peer: Peer) -> None:
    net.host("10.0.0.3")
    peer.ask("SUBSCRIBE", "10.0.0.3", fields=(OPEN, CONTACT))
    net.run(0.1)
    peer.response(489)


def test_a_refresh_that_is_too_brief(net: Simulation, peer: Peer) -> None:
    host = net.host("10.0.0.3", min_expires=60.0)
    host.core.set_audience(Everybody(("SUBSCRIBE",)), net.now)
    name = arrive(net, host, peer)
    _, tag = accept(net, host, peer, name)
    again(net, host, peer, tag, "5")
    assert peer.response(423).headers.get("Min-Expires") == "60"
    again(net, host, peer, tag, "600", cseq=3, event="dialog")
    peer.response(489)


def test_a_server_that_stops_sends_the_subscriber_elsewhere(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """Section 4.4.2."""
    name = arrive(net, host, peer)
    accept(net, host, peer, name)
    ended: list[bool] = []
    host.core.end_all(lambda: ended.append(True), net.now)
    net.run(0.1)
    last = peer.request("NOTIFY")
    assert last.headers.get("Subscription-State") == "terminated;reason=deactivated"
    peer.reply(last, 200)
    net.run(0.1)
    assert ended == [True]


def test_a_server_that_stops_refuses_what_is_undecided(
    net: Simulation, host: Host, peer: Peer
) -> None:
    arrive(net, host, peer)
    host.core.end_all(lambda: None, net.now)
    net.run(0.1)
    assert peer.response(503).headers.get("Retry-After") == "5"
