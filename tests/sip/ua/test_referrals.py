"""REFER from the far end, and what its application is told: RFC 3515 section 2.4, RFC 4488."""

from __future__ import annotations

import pytest

from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.subscription.commands import Notify
from picosip_server.sip.ua.subscription.events import SubscriptionChanged, SubscriptionRole
from picosip_server.sip.ua.subscription.header import SubscriptionState
from tests.engine.memory import Host, Simulation
from tests.sip.ua.peer import Fields, Peer
from tests.sip.ua.scene import accept, called

TO = ("Refer-To", "<sip:carol@10.0.0.3?Replaces=x%3Bto-tag%3Dy%3Bfrom-tag%3Dz>")


def refer(
    net: Simulation, host: Host, peer: Peer, tag: str, *fields: tuple[str, str], cseq: int = 2
) -> None:
    peer.ask("REFER", host.address, to_tag=tag, cseq=cseq, fields=fields)
    net.run(0.1)


def respond(net: Simulation, host: Host, status: int) -> None:
    name = host.of(events.IncomingRequest)[-1].name
    host.submit(lambda token: commands.Respond(token=token, name=name, status=status))
    net.run(0.1)


def notify(host: Host, text: str, state: SubscriptionState | None = None) -> object:
    name = host.of(SubscriptionChanged)[-1].resource
    body = Body(content_type="message/sipfrag", data=text.encode())
    return host.submit(lambda token: Notify(token=token, name=name, state=state, body=body))


def answered(peer: Peer) -> Request:
    """The next NOTIFY, which the peer takes."""
    request = peer.request("NOTIFY")
    peer.reply(request, 200)
    return request


@pytest.fixture
def tag(net: Simulation, host: Host, peer: Peer) -> str:
    """Of the host, in a call of the peer's that stands."""
    called(net, host, peer)
    return accept(net, host, peer)


def test_an_accepted_referral(net: Simulation, host: Host, peer: Peer, tag: str) -> None:
    """2.4.4: the stack says 100 by itself; the application reports on the subscription."""
    refer(net, host, peer, tag, TO, ("Referred-By", "<sip:bob@10.0.0.2>"))
    (asked,) = host.of(events.IncomingRequest)
    assert (asked.method, asked.call) == ("REFER", host.call())
    assert str(asked.refer_to) == TO[1]
    assert str(asked.referred_by) == "<sip:bob@10.0.0.2>"
    respond(net, host, 202)
    accepted = peer.response(202)
    assert accepted.headers.get("Contact") == "<sip:callee@10.0.0.1:5060>"
    first = answered(peer)
    assert first.body == b"SIP/2.0 100 Trying\r\n"
    assert first.headers.get("Event") == "refer"
    assert first.headers.get("Subscription-State") == "active;expires=300"
    (changed,) = host.of(SubscriptionChanged)
    subscription = changed.subscription
    assert subscription.role is SubscriptionRole.NOTIFIER
    assert subscription.state is SubscriptionState.ACTIVE
    assert (subscription.event, changed.resource) == ("refer", subscription.name)
    notify(host, "SIP/2.0 180 Ringing\r\n")
    net.run(0.1)
    assert answered(peer).body == b"SIP/2.0 180 Ringing\r\n"
    token = notify(host, "SIP/2.0 200 OK\r\n", SubscriptionState.TERMINATED)
    net.run(0.1)
    last = answered(peer)
    assert last.headers.get("Subscription-State") == "terminated;reason=noresource"
    net.run(0.1)
    assert host.results[token] is None
    assert host.core.stats().active_subscriptions == 0


@pytest.mark.parametrize("status", [603, 488])
def test_a_refused_referral(net: Simulation, host: Host, peer: Peer, tag: str, status: int) -> None:
    refer(net, host, peer, tag, TO)
    respond(net, host, status)
    peer.response(status)
    assert peer.rest() == []
    assert host.of(SubscriptionChanged) == []


def test_nobody_says_anything(net: Simulation, host: Host, peer: Peer, tag: str) -> None:
    refer(net, host, peer, tag, TO)
    net.run(host.core.context.respond_timeout + 0.1)
    assert "603 REFER 2" in peer.rest()


@pytest.mark.parametrize("fields", [(), (TO, TO), (("Refer-To", "<sip:>"),)])
def test_one_target_exactly(
    net: Simulation, host: Host, peer: Peer, tag: str, fields: Fields
) -> None:
    """2.4.2."""
    refer(net, host, peer, tag, *fields)
    peer.response(400)
    assert host.of(events.IncomingRequest) == []


def test_without_a_subscription(net: Simulation, host: Host, peer: Peer, tag: str) -> None:
    """RFC 4488 section 4."""
    refer(net, host, peer, tag, TO, ("Refer-Sub", "false"), ("Require", "norefersub"))
    respond(net, host, 202)
    assert peer.response(202).headers.get("Refer-Sub") == "false"
    assert peer.rest() == []


def test_two_are_told_apart(net: Simulation, host: Host, peer: Peer, tag: str) -> None:
    """2.4.6: the id is the CSeq number of the REFER."""
    for cseq in (2, 3):
        refer(net, host, peer, tag, TO, cseq=cseq)
        respond(net, host, 202)
        peer.response(202)
        expected = "refer" if cseq == 2 else "refer;id=3"
        assert answered(peer).headers.get("Event") == expected


def test_the_referrer_unsubscribes(net: Simulation, host: Host, peer: Peer, tag: str) -> None:
    """2.4.7: a SUBSCRIBE with Expires 0."""
    refer(net, host, peer, tag, TO)
    respond(net, host, 202)
    peer.response(202)
    answered(peer)
    fields = [("Event", "refer"), ("Expires", "0")]
    peer.ask("SUBSCRIBE", host.address, to_tag=tag, cseq=3, fields=fields)
    net.run(0.1)
    peer.response(200)
    last = answered(peer)
    assert last.headers.get("Subscription-State") == "terminated;reason=timeout"
    peer.ask("SUBSCRIBE", host.address, to_tag=tag, cseq=4, fields=fields)
    net.run(0.1)
    peer.response(481)


def test_it_outlives_the_call(net: Simulation, host: Host, peer: Peer, tag: str) -> None:
    """RFC 5057: who refers hangs up, and still wants to hear how it went."""
    refer(net, host, peer, tag, TO)
    respond(net, host, 202)
    peer.response(202)
    answered(peer)
    peer.ask("BYE", host.address, to_tag=tag, cseq=3)
    net.run(0.1)
    peer.response(200)
    assert host.of(events.CallEnded)
    token = notify(host, "SIP/2.0 200 OK\r\n", SubscriptionState.TERMINATED)
    net.run(0.1)
    assert answered(peer).body == b"SIP/2.0 200 OK\r\n"
    net.run(0.1)
    assert host.results[token] is None
    again = notify(host, "SIP/2.0 200 OK\r\n")
    assert host.failure(again).kind is FailureKind.NOT_FOUND


def test_a_referral_that_is_never_reported(
    net: Simulation, host: Host, peer: Peer, tag: str
) -> None:
    """It ends by itself, also after the call."""
    refer(net, host, peer, tag, TO)
    respond(net, host, 202)
    peer.response(202)
    answered(peer)
    peer.ask("BYE", host.address, to_tag=tag, cseq=3)
    net.run(300.2)
    peer.response(200)
    last = answered(peer)
    assert last.headers.get("Subscription-State") == "terminated;reason=timeout"


def test_a_referrer_that_is_gone(net: Simulation, host: Host, peer: Peer, tag: str) -> None:
    refer(net, host, peer, tag, TO)
    respond(net, host, 202)
    peer.response(202)
    peer.reply(peer.request("NOTIFY"), 481)
    net.run(0.1)
    assert host.of(SubscriptionChanged)[-1].subscription.state is SubscriptionState.TERMINATED
