"""Subscriber and notifier against each other, over a network that loses and repeats."""

from __future__ import annotations

import pytest

from picosip_server.sip.address import Address
from picosip_server.sip.ua import commands as base, events
from picosip_server.sip.ua.commands import Body, Credentials
from picosip_server.sip.ua.subscription import commands
from picosip_server.sip.ua.subscription.events import (
    NotificationReceived,
    SubscriptionChanged,
    SubscriptionSnapshot,
)
from picosip_server.sip.ua.subscription.header import SubscriptionState
from picosip_server.sip.uri import Uri
from tests.engine.memory import Everybody, Faults, Host, Simulation
from tests.sip.ua.peer import Peer


def state(number: int) -> Body:
    """The state of the resource, of some version."""
    return Body(content_type="text/plain", data=b"state %d" % number)


def pair(net: Simulation) -> tuple[Host, Host]:
    """A watcher, and a notifier whose application accepts everybody."""
    watcher, notifier = net.host("10.0.0.1"), net.host("10.0.0.2")
    notifier.core.set_audience(Everybody(("SUBSCRIBE",)), net.now)

    def accept(event: events.Event) -> None:
        if isinstance(event, SubscriptionChanged) and event.request is not None:
            notifier.submit(
                lambda token: commands.AcceptSubscription(
                    token=token, name=event.resource, body=state(0)
                )
            )

    notifier.on_event = accept
    return watcher, notifier


def subscribe(watcher: Host, **fields: object) -> object:
    fields.setdefault("expires", 300.0)
    return watcher.submit(
        lambda token: commands.Subscribe(
            token=token,
            from_address=Address.parse("<sip:watcher@10.0.0.1>"),
            uri=Uri.parse("sip:resource@10.0.0.2"),
            event="state",
            **fields,  # type: ignore[arg-type]
        )
    )


def name(host: Host) -> str:
    return host.of(SubscriptionChanged)[0].resource


def bodies(host: Host) -> list[bytes]:
    return [each.body.data for each in host.of(NotificationReceived) if each.body is not None]


def rest(net: Simulation, *hosts: Host) -> None:
    """Nothing is left on either side."""
    net.run()
    for host in hosts:
        assert host.core.idle
        assert host.core.stats().active_subscriptions == 0


def test_from_subscribe_to_unsubscribe() -> None:
    net = Simulation()
    watcher, notifier = pair(net)
    token = subscribe(watcher)
    net.run(0.2)
    assert isinstance(watcher.results[token], SubscriptionSnapshot)
    feed = notifier.submit(
        lambda token: commands.Notify(token=token, name=name(notifier), body=state(1))
    )
    net.run(0.2)
    assert notifier.results[feed] is None
    assert bodies(watcher) == [b"state 0", b"state 1"]
    # A refresh brings the whole state again.
    net.run(300)
    assert bodies(watcher) == [b"state 0", b"state 1", b"state 1"]
    assert watcher.core.snapshot().subscriptions[0].state is SubscriptionState.ACTIVE
    assert notifier.core.snapshot().subscriptions[0].state is SubscriptionState.ACTIVE
    leave = watcher.submit(lambda token: commands.Unsubscribe(token=token, name=name(watcher)))
    net.run(0.2)
    assert watcher.results[leave] is None
    rest(net, watcher, notifier)
    for host in (watcher, notifier):
        last = host.of(SubscriptionChanged)[-1].subscription
        assert (last.state, last.reason) == (SubscriptionState.TERMINATED, "timeout")


@pytest.mark.parametrize("seed", range(8))
def test_over_a_network_that_loses_and_repeats(seed: int) -> None:
    """Every state arrives, once and in order; both ends come to rest."""
    net = Simulation(seed, Faults(loss=0.25, duplicate=0.2, jitter=0.05))
    watcher, notifier = pair(net)
    token = subscribe(watcher, expires=600.0)
    net.run(60, until=lambda: token in watcher.results and len(bodies(watcher)) == 1)
    for number in range(1, 6):
        body = state(number)
        feed = notifier.submit(
            lambda token, body=body: commands.Notify(token=token, name=name(notifier), body=body)
        )
        net.run(60, until=lambda feed=feed: feed in notifier.results)
    assert bodies(watcher) == [b"state %d" % number for number in range(6)]
    watcher.submit(lambda token: commands.Unsubscribe(token=token, name=name(watcher)))
    rest(net, watcher, notifier)


def test_a_fork_gives_two_subscriptions() -> None:
    """Two notifiers answer one SUBSCRIBE; each is refreshed, and ended, by itself."""
    net = Simulation()
    watcher, notifier = pair(net)
    subscribe(watcher)
    net.run(0.2)
    subscribe_text = next(data for _, _, to, data in net.wire if to == "10.0.0.2")
    # The other branch, as a forking proxy would have sent it.
    other = net.host("10.0.0.3")
    other.core.set_audience(Everybody(("SUBSCRIBE",)), net.now)
    other.on_event = lambda event: (
        other.submit(
            lambda token: commands.AcceptSubscription(
                token=token, name=event.resource, body=state(9)
            )
        )
        and None
        if isinstance(event, SubscriptionChanged) and event.request is not None
        else None
    )
    Peer(net, "10.0.0.9").octets(subscribe_text.replace(b"branch=", b"branch=z9hG4bKx"), "10.0.0.3")
    net.run(0.3)
    assert bodies(watcher) == [b"state 0", b"state 9"]
    assert len(watcher.core.snapshot().subscriptions) == 2
    net.run(400)
    assert len(watcher.core.snapshot().subscriptions) == 2
    for host in (watcher, notifier, other):
        host.core.end_all(lambda: None, net.now)
    rest(net, watcher, notifier, other)


def test_a_notifier_that_restarts_is_subscribed_to_again() -> None:
    """Section 4.4.2: the drain's ``deactivated`` brings the watcher back at once."""
    net = Simulation()
    watcher, notifier = pair(net)
    subscribe(watcher)
    net.run(0.2)
    first = name(notifier)
    notifier.core.end_all(lambda: None, net.now)
    net.run(0.5)
    again = notifier.core.snapshot().subscriptions
    assert [each.name != first for each in again] == [True]
    assert [each.name for each in watcher.core.snapshot().subscriptions] == [name(watcher)]
    assert bodies(watcher) == [b"state 0", b"state 0"]
    watcher.submit(lambda token: commands.Unsubscribe(token=token, name=name(watcher)))
    rest(net, watcher, notifier)


def test_a_registration_lends_its_credentials_and_routes() -> None:
    net = Simulation()
    watcher, peer = net.host("10.0.0.1"), Peer(net, "10.0.0.2")
    watcher.submit(
        lambda token: base.Register(
            token=token,
            registrar=Uri.parse("sip:10.0.0.2"),
            aor=Address.parse("<sip:watcher@10.0.0.1>"),
            credentials=(Credentials(username="watcher", password="secret"),),
        )
    )
    net.run(0.1)
    register = peer.request("REGISTER")
    peer.reply(
        register,
        200,
        fields=[
            ("Contact", f"{register.headers.get('Contact')};expires=600"),
            ("Service-Route", "<sip:10.0.0.2;lr>"),
        ],
    )
    net.run(0.1)
    subscribe(watcher)
    watcher.submit(
        lambda token: commands.Publish(
            token=token,
            from_address=Address.parse("<sip:watcher@10.0.0.1>"),
            uri=Uri.parse("sip:resource@10.0.0.2"),
            event="state",
            body=state(0),
        )
    )
    net.run(0.1)
    challenge = 'Digest realm="x", nonce="n", algorithm=MD5, qop="auth"'
    for method in ("SUBSCRIBE", "PUBLISH"):
        request = peer.request(method)
        assert request.headers.get("Route") == "<sip:10.0.0.2;lr>"
        peer.reply(request, 401, fields=[("WWW-Authenticate", challenge)])
    net.run(0.1)
    for method in ("SUBSCRIBE", "PUBLISH"):
        request = peer.request(method)
        assert 'username="watcher"' in (request.headers.get("Authorization") or "")
        peer.reply(request, 403)
    net.run(0.1)
    watcher.core.abandon_all(net.now)


def test_what_does_not_answer_is_abandoned() -> None:
    net = Simulation()
    watcher, notifier = pair(net)
    subscribe(watcher)
    net.run(0.2)
    for host in (watcher, notifier):
        host.core.end_all(lambda: None, net.now)
        host.core.abandon_all(net.now)
        host.collect()
        assert host.core.stats().active_subscriptions == 0
    rest(net, watcher, notifier)
