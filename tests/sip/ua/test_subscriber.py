"""A subscription of ours against a notifier that the test plays: RFC 6665 section 4.1."""

from __future__ import annotations

import pytest

from picosip_server.sip.address import Address
from picosip_server.sip.message import Request
from picosip_server.sip.ua.commands import Body, Credentials, Options
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.subscription import commands
from picosip_server.sip.ua.subscription.events import (
    NotificationReceived,
    SubscriptionChanged,
    SubscriptionSnapshot,
)
from picosip_server.sip.uri import Uri
from tests.engine.memory import Host, Simulation
from tests.sip.ua.peer import Peer

PIDF = Body(content_type="application/pidf+xml", data=b"<presence/>")
OPEN = ("Event", "presence")


def subscribe(host: Host, **fields: object) -> object:
    """Subscribes to the peer's presence."""
    fields.setdefault("event", "presence")
    fields.setdefault("expires", 600.0)
    return host.submit(
        lambda token: commands.Subscribe(
            token=token,
            from_address=Address.parse(f"<sip:watcher@{host.address}>"),
            uri=Uri.parse("sip:callee@10.0.0.2"),
            **fields,  # type: ignore[arg-type]
        )
    )


def notify(
    peer: Peer,
    request: Request,
    state: str = "active;expires=600",
    *,
    cseq: int = 1,
    tag: str = "a",
    event: str = "presence",
    body: Body | None = None,
    fields: tuple[tuple[str, str], ...] = (),
) -> None:
    """The peer sends a NOTIFY in the dialog ``tag`` that a SUBSCRIBE makes."""
    contact = ("Contact", f"<sip:{tag}@10.0.0.2>")
    peer.ask(
        "NOTIFY",
        request.via.host,
        call_id=request.call_id,
        cseq=cseq,
        tag=tag,
        to_tag=request.from_.tag,
        fields=(("Event", event), ("Subscription-State", state), contact, *fields),
        body=body,
    )


def states(host: Host) -> list[tuple[str, str]]:
    """State and reason of each change that the application heard of."""
    return [
        (event.subscription.state.name, event.subscription.reason)
        for event in host.of(SubscriptionChanged)
    ]


def established(net: Simulation, host: Host, peer: Peer, **fields: object) -> Request:
    """An active subscription; gives its SUBSCRIBE."""
    subscribe(host, **fields)
    net.run(0.1)
    request = peer.request("SUBSCRIBE")
    peer.reply(request, 200, tag="a", fields=[("Expires", "600")])
    notify(peer, request, body=PIDF)
    net.run(0.1)
    peer.response(200)
    return request


def next_request(net: Simulation, peer: Peer, within: float = 700) -> Request:
    """Waits for the next SUBSCRIBE, and no longer: unanswered it would be repeated."""
    seen = len(peer.received)
    net.run(within, until=lambda: len(peer.received) > seen)
    return peer.request("SUBSCRIBE")


def name(host: Host) -> str:
    """The name of the first subscription."""
    return host.of(SubscriptionChanged)[0].resource


def test_a_subscribe_carries_what_the_application_asked_for(
    net: Simulation, host: Host, peer: Peer
) -> None:
    subscribe(
        host,
        event="presence;id=7",
        accept=("application/pidf+xml", "text/plain"),
        body=Body(content_type="text/plain", data=b"filter"),
        options=Options(headers=(("X-Trace", "1"),)),
    )
    net.run(0.1)
    request = peer.request("SUBSCRIBE")
    assert request.uri_text == "sip:callee@10.0.0.2"
    assert request.headers.get("Event") == "presence;id=7"
    assert request.headers.get("Expires") == "600"
    assert request.headers.get("Accept") == "application/pidf+xml, text/plain"
    assert request.headers.get("Contact") == "<sip:watcher@10.0.0.1:5060>"
    assert "NOTIFY" in (request.headers.get("Allow") or "")
    assert request.headers.get("X-Trace") == "1"
    assert request.body == b"filter"
    peer.reply(request, 489)


def test_a_2xx_and_a_notify_make_an_active_subscription(
    net: Simulation, host: Host, peer: Peer
) -> None:
    token = subscribe(host)
    net.run(0.1)
    request = peer.request("SUBSCRIBE")
    peer.reply(request, 200, tag="a", fields=[("Expires", "300")])
    net.run(0.1)
    made = host.results[token]
    assert isinstance(made, SubscriptionSnapshot)
    assert made.state.name == "PENDING"
    notify(peer, request, "active;expires=250", body=PIDF)
    net.run(0.1)
    peer.response(200)
    (event,) = host.of(NotificationReceived)
    assert event.resource == made.name
    assert event.body == PIDF
    assert event.subscription.expire_time == pytest.approx(net.now + 250, abs=0.2)
    assert host.kinds() == ["SubscriptionChanged", "SubscriptionChanged", "NotificationReceived"]
    assert states(host) == [("PENDING", ""), ("ACTIVE", "")]


def test_a_notify_may_come_before_the_2xx(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 4.4.1: the NOTIFY makes the dialog, with its own route set and Contact."""
    token = subscribe(host)
    net.run(0.1)
    request = peer.request("SUBSCRIBE")
    notify(peer, request, fields=(("Record-Route", "<sip:10.0.0.2;lr>"),))
    net.run(0.1)
    peer.response(200)
    assert states(host) == [("ACTIVE", "")]
    peer.reply(request, 200, tag="a", fields=[("Expires", "100")])
    net.run(0.1)
    result = host.results[token]
    assert isinstance(result, SubscriptionSnapshot)
    assert result.state.name == "ACTIVE"
    refresh = next_request(net, peer)
    assert refresh.to.tag == "a"
    assert refresh.uri_text == "sip:a@10.0.0.2"
    assert refresh.headers.get_all("Route") == ["<sip:10.0.0.2;lr>"]
    peer.reply(refresh, 481)


def test_a_refusal_is_the_outcome_of_subscribe(net: Simulation, host: Host, peer: Peer) -> None:
    token = subscribe(host)
    net.run(0.1)
    peer.reply(peer.request("SUBSCRIBE"), 489, fields=[("Allow-Events", "dialog")])
    net.run(0.1)
    failure = host.failure(token)
    assert (failure.kind, failure.status) == (FailureKind.REFUSED, 489)
    assert ("Allow-Events", "dialog") in failure.headers
    assert host.events == []


def test_without_a_notify_timer_n_ends_the_subscription(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """Section 4.1.2.4: 64 T1 from the SUBSCRIBE; a later NOTIFY gets 481."""
    subscribe(host)
    net.run(0.1)
    request = peer.request("SUBSCRIBE")
    peer.reply(request, 200, tag="a")
    net.run(32)
    assert states(host)[0] == ("PENDING", "")
    notify(peer, request, tag="late")
    net.run(0.1)
    peer.response(481)


def test_each_fork_is_a_subscription_of_its_own(net: Simulation, host: Host, peer: Peer) -> None:
    request = established(net, host, peer)
    notify(peer, request, "pending;expires=600", tag="b")
    net.run(0.1)
    peer.response(200)
    names = list(dict.fromkeys(event.resource for event in host.of(SubscriptionChanged)))
    assert len(names) == 2
    assert host.core.stats().active_subscriptions == 2
    token = host.submit(lambda token: commands.Unsubscribe(token=token, name=names[1]))
    net.run(0.1)
    leaving = peer.request("SUBSCRIBE")
    assert (leaving.to.tag, leaving.headers.get("Expires")) == ("b", "0")
    peer.reply(leaving, 200)
    notify(peer, request, "terminated;reason=timeout", tag="b", cseq=2)
    net.run(0.1)
    peer.response(200)
    assert host.results[token] is None
    assert host.core.stats().active_subscriptions == 1
    net.run(32)
    peer.rest()
    notify(peer, request, tag="c")
    net.run(0.1)
    peer.response(481)


def test_a_notify_for_another_event_gets_481(net: Simulation, host: Host, peer: Peer) -> None:
    subscribe(host, event="presence;id=1")
    net.run(0.1)
    request = peer.request("SUBSCRIBE")
    peer.reply(request, 200, tag="a")
    notify(peer, request, event="presence")
    net.run(0.1)
    peer.response(481)
    notify(peer, request, event="presence;id=1", cseq=2)
    net.run(0.1)
    peer.response(200)


def test_a_notify_without_state_gets_400(net: Simulation, host: Host, peer: Peer) -> None:
    request = established(net, host, peer)
    peer.ask(
        "NOTIFY",
        host.address,
        call_id=request.call_id,
        cseq=2,
        tag="a",
        to_tag=request.from_.tag,
        fields=[OPEN],
    )
    net.run(0.1)
    peer.response(400)


def test_the_subscription_is_refreshed_in_its_dialog(
    net: Simulation, host: Host, peer: Peer
) -> None:
    request = established(net, host, peer)
    began = net.now
    refresh = next_request(net, peer)
    at = peer.received[-1][0]
    assert 0.79 * 600 <= at - began <= 0.91 * 600
    assert (refresh.call_id, refresh.to.tag) == (request.call_id, "a")
    assert refresh.cseq.number == request.cseq.number + 1
    assert refresh.headers.get("Expires") == "600"
    peer.reply(refresh, 200, fields=[("Expires", "600")])
    notify(peer, request, cseq=2)
    net.run(0.1)
    peer.response(200)
    assert states(host)[-1] == ("ACTIVE", "")
    snapshot = host.of(SubscriptionChanged)[-1].subscription
    assert snapshot.expire_time is not None
    assert snapshot.expire_time > began + 1000


@pytest.mark.parametrize("status", [404, 481, 489, 604])
def test_a_refresh_that_is_refused_for_good_ends_it(
    net: Simulation, host: Host, peer: Peer, status: int
) -> None:
    """Section 4.1.2.2."""
    established(net, host, peer)
    peer.reply(next_request(net, peer), status)
    net.run(0.1)
    assert states(host)[-1] == ("TERMINATED", "")
    assert host.core.stats().active_subscriptions == 0


def test_a_refresh_that_fails_otherwise_is_tried_again(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """Section 4.1.2.2: the subscription stays valid while it lasts."""
    request = established(net, host, peer)
    peer.reply(next_request(net, peer), 500, fields=[("Retry-After", "2")])
    again = next_request(net, peer)
    assert again.to.tag == "a"
    peer.reply(again, 200, fields=[("Expires", "600")])
    notify(peer, request, cseq=2)
    net.run(0.1)
    assert states(host)[-1] == ("ACTIVE", "")


def test_423_lengthens_the_interval(net: Simulation, host: Host, peer: Peer) -> None:
    token = subscribe(host, expires=5.0)
    net.run(0.1)
    peer.reply(peer.request("SUBSCRIBE"), 423, fields=[("Min-Expires", "60")])
    net.run(0.1)
    longer = peer.request("SUBSCRIBE")
    assert longer.headers.get("Expires") == "60"
    peer.reply(longer, 423, fields=[("Min-Expires", "60")])
    net.run(0.1)
    assert host.failure(token).status == 423


def test_a_refresh_that_is_too_short_asks_for_longer(
    net: Simulation, host: Host, peer: Peer
) -> None:
    established(net, host, peer)
    peer.reply(next_request(net, peer), 423, fields=[("Min-Expires", "900")])
    net.run(0.1)
    longer = peer.request("SUBSCRIBE")
    assert (longer.to.tag, longer.headers.get("Expires")) == ("a", "900")
    peer.reply(longer, 481)


def test_unsubscribe_waits_for_the_last_notify(net: Simulation, host: Host, peer: Peer) -> None:
    request = established(net, host, peer)
    token = host.submit(lambda token: commands.Unsubscribe(token=token, name=name(host)))
    net.run(0.1)
    leaving = peer.request("SUBSCRIBE")
    assert leaving.headers.get("Expires") == "0"
    peer.reply(leaving, 200)
    net.run(1)
    assert token not in host.results
    notify(peer, request, "terminated;reason=timeout", cseq=2, body=PIDF)
    net.run(0.1)
    peer.response(200)
    assert host.results[token] is None
    assert host.of(NotificationReceived)[-1].body == PIDF
    assert host.kinds()[-1] == "SubscriptionChanged"
    assert states(host)[-1] == ("TERMINATED", "timeout")


def test_unsubscribe_without_a_last_notify_ends_with_timer_n(
    net: Simulation, host: Host, peer: Peer
) -> None:
    established(net, host, peer)
    token = host.submit(lambda token: commands.Unsubscribe(token=token, name=name(host)))
    net.run(0.1)
    peer.reply(peer.request("SUBSCRIBE"), 200)
    net.run(33)
    assert host.failure(token).kind is FailureKind.TIMEOUT
    assert states(host)[-1] == ("TERMINATED", "timeout")


def test_unsubscribe_while_the_first_notify_is_awaited(
    net: Simulation, host: Host, peer: Peer
) -> None:
    subscribe(host)
    net.run(0.1)
    request = peer.request("SUBSCRIBE")
    peer.reply(request, 200, tag="a")
    net.run(0.1)
    token = host.submit(lambda token: commands.Unsubscribe(token=token, name=name(host)))
    notify(peer, request)
    net.run(0.1)
    peer.response(200)
    leaving = peer.request("SUBSCRIBE")
    assert leaving.headers.get("Expires") == "0"
    peer.reply(leaving, 481)
    net.run(0.1)
    assert host.results[token] is None
    assert host.core.stats().active_subscriptions == 0


def test_a_fetch_ends_with_its_notify(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 4.4.3."""
    token = subscribe(host, expires=0.0)
    net.run(0.1)
    request = peer.request("SUBSCRIBE")
    assert request.headers.get("Expires") == "0"
    peer.reply(request, 200, tag="a", fields=[("Expires", "0")])
    notify(peer, request, "terminated;reason=timeout", body=PIDF)
    net.run(0.1)
    peer.response(200)
    assert isinstance(host.results[token], SubscriptionSnapshot)
    assert host.of(NotificationReceived)[-1].body == PIDF
    assert states(host)[-1] == ("TERMINATED", "timeout")
    net.run(60)
    assert peer.rest() == []


@pytest.mark.parametrize(
    ("status", "least", "most"),
    [
        ("terminated;reason=deactivated", 0.0, 0.2),
        ("terminated;reason=timeout", 0.0, 0.2),
        ("terminated;reason=probation;retry-after=200", 200.0, 200.3),
        ("terminated;reason=giveup", 30.0, 60.3),
        ("terminated", 30.0, 60.3),
        ("terminated;reason=probation", 30.0, 60.3),
    ],
)
def test_a_notifier_that_ends_it_may_have_it_begun_again(
    net: Simulation, host: Host, peer: Peer, status: str, least: float, most: float
) -> None:
    """Section 4.1.3, under the same name, with a new Call-ID and tag (section 4.1.2.2)."""
    request = established(net, host, peer)
    net.run(5)
    ended = net.now
    notify(peer, request, status, cseq=2)
    net.run(0.1)
    peer.response(200)
    again = next_request(net, peer) if least else peer.request("SUBSCRIBE")
    at = peer.received[-1][0]
    assert least <= at - ended <= most
    assert not again.to.tag
    assert again.call_id != request.call_id
    assert again.from_.tag != request.from_.tag
    peer.reply(again, 200, tag="b", fields=[("Expires", "600")])
    notify(peer, again, tag="b")
    net.run(0.1)
    peer.response(200)
    assert {event.resource for event in host.of(SubscriptionChanged)} == {name(host)}
    assert [state for state, _ in states(host)][-3:] == ["PENDING", "PENDING", "ACTIVE"]


@pytest.mark.parametrize("reason", ["rejected", "noresource", "invariant"])
def test_a_notifier_that_ends_it_for_good(
    net: Simulation, host: Host, peer: Peer, reason: str
) -> None:
    """Section 4.1.3: not to be tried again."""
    request = established(net, host, peer)
    notify(peer, request, f"terminated;reason={reason};retry-after=5", cseq=2)
    net.run(100)
    peer.response(200)
    assert states(host)[-1] == ("TERMINATED", reason)
    assert peer.rest() == []


def test_it_is_renewed_where_nobody_answers_a_refresh(
    net: Simulation, host: Host, peer: Peer
) -> None:
    established(net, host, peer)
    host.unreachable.add("10.0.0.2")
    net.run(620)
    assert states(host)[-1] == ("PENDING", "timeout")
    host.unreachable.clear()
    again = next_request(net, peer)
    assert not again.to.tag
    peer.reply(again, 403)
    net.run(0.1)
    assert states(host)[-1] == ("TERMINATED", "timeout")


def test_subscribe_answers_digest_challenges(net: Simulation, host: Host, peer: Peer) -> None:
    subscribe(host, credentials=(Credentials(username="watcher", password="secret"),))
    net.run(0.1)
    first = peer.request("SUBSCRIBE")
    challenge = 'Digest realm="x", nonce="n", algorithm=MD5, qop="auth"'
    peer.reply(first, 401, fields=[("WWW-Authenticate", challenge)])
    net.run(0.1)
    second = peer.request("SUBSCRIBE")
    assert 'username="watcher"' in (second.headers.get("Authorization") or "")
    peer.reply(second, 200, tag="a", fields=[("Expires", "600")])
    notify(peer, second)
    net.run(0.1)
    peer.response(200)
    refresh = next_request(net, peer)
    assert 'username="watcher"' in (refresh.headers.get("Authorization") or "")
    assert refresh.cseq.number == second.cseq.number + 1
    peer.reply(refresh, 481)


def test_a_command_for_notifiers_does_not_fit(net: Simulation, host: Host, peer: Peer) -> None:
    established(net, host, peer)
    token = host.submit(lambda token: commands.Notify(token=token, name=name(host)))
    assert host.failure(token).kind is FailureKind.WRONG_STATE
    token = host.submit(lambda token: commands.Unsubscribe(token=token, name="subscriptions/none"))
    assert host.failure(token).kind is FailureKind.NOT_FOUND


def test_other_requests_in_the_dialog(net: Simulation, host: Host, peer: Peer) -> None:
    request = established(net, host, peer)
    for cseq, (method, status) in enumerate(
        [("OPTIONS", 200), ("BYE", 481), ("REGISTER", 405), ("FANCY", 501)], start=2
    ):
        peer.within(request, method, cseq=cseq)
        net.run(0.1)
        peer.response(status)
    assert states(host)[-1] == ("ACTIVE", "")


def test_a_notify_of_nobodys_subscription_gets_481(net: Simulation, host: Host, peer: Peer) -> None:
    peer.ask("NOTIFY", host.address, fields=[OPEN, ("Subscription-State", "active")])
    peer.ask("NOTIFY", host.address, cseq=2, to_tag="none", fields=[OPEN])
    net.run(0.1)
    peer.response(481)
    peer.response(481)


def test_a_server_that_stops_unsubscribes(net: Simulation, host: Host, peer: Peer) -> None:
    request = established(net, host, peer)
    ended: list[bool] = []
    host.core.end_all(lambda: ended.append(True), net.now)
    net.run(0.1)
    leaving = peer.request("SUBSCRIBE")
    assert leaving.headers.get("Expires") == "0"
    peer.reply(leaving, 200)
    notify(peer, request, "terminated", cseq=2)
    net.run(0.1)
    assert ended == [True]
