"""REFER from the far end, and what its application is told: RFC 3515 section 2.4, RFC 4488."""

from __future__ import annotations

import pytest

from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Body, Options
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.subscription.commands import AcceptSubscription, Notify
from picosip_server.sip.ua.subscription.events import SubscriptionChanged, SubscriptionRole
from picosip_server.sip.ua.subscription.header import SubscriptionState
from tests.engine.memory import Host, Simulation
from tests.sip.ua.peer import Fields, Peer
from tests.sip.ua.scene import accept, called, connect

TO = ("Refer-To", "<sip:carol@10.0.0.3?Replaces=x%3Bto-tag%3Dy%3Bfrom-tag%3Dz>")
TRYING = b"SIP/2.0 100 Trying\r\n"
NO_SUBSCRIPTION = Options(headers=(("Refer-Sub", "false"),))


def refer(
    net: Simulation, host: Host, peer: Peer, tag: str, *fields: tuple[str, str], cseq: int = 2
) -> None:
    peer.ask("REFER", host.address, to_tag=tag, cseq=cseq, fields=fields)
    net.run(0.1)


def respond(net: Simulation, host: Host, status: int, options: Options | None = None) -> None:
    name = host.of(events.IncomingRequest)[-1].name
    host.submit(
        lambda token: commands.Respond(
            token=token, name=name, status=status, options=options or Options()
        )
    )
    net.run(0.1)


def notify(host: Host, text: str, state: SubscriptionState | None = None) -> object:
    name = host.of(SubscriptionChanged)[-1].resource
    body = Body(content_type="message/sipfrag", data=text.encode())
    return host.submit(lambda token: Notify(token=token, name=name, state=state, body=body))


def answered(net: Simulation, peer: Peer) -> Request:
    """The next NOTIFY, which the peer takes."""
    request = peer.request("NOTIFY")
    peer.reply(request, 200)
    net.run(0.1)
    return request


@pytest.fixture
def tag(net: Simulation, host: Host, peer: Peer) -> str:
    """Of the host, in a call of the peer's that stands."""
    called(net, host, peer)
    return accept(net, host, peer)


@pytest.fixture
def agreed(net: Simulation, host: Host, peer: Peer, tag: str) -> str:
    """The same, after a REFER that was answered with 202 and followed by its first NOTIFY."""
    refer(net, host, peer, tag, TO)
    respond(net, host, 202)
    peer.response(202)
    answered(net, peer)
    return tag


def test_an_accepted_referral(net: Simulation, host: Host, peer: Peer, tag: str) -> None:
    """2.4.4: the stack says 100 by itself; the application reports on the subscription."""
    refer(net, host, peer, tag, TO, ("Referred-By", "<sip:bob@10.0.0.2>"))
    (asked,) = host.of(events.IncomingRequest)
    assert (asked.method, asked.call) == ("REFER", host.call())
    assert str(asked.refer_to) == TO[1]
    assert str(asked.referred_by) == "<sip:bob@10.0.0.2>"
    respond(net, host, 202)
    # 2.2.
    assert peer.response(202).headers.get("Contact") == "<sip:callee@10.0.0.1:5060>"
    first = answered(net, peer)
    assert (first.content_type, first.body) == ("message/sipfrag", TRYING)
    assert first.headers.get("Event") == "refer"
    assert first.headers.get("Subscription-State") == "active;expires=300"
    (changed,) = host.of(SubscriptionChanged)
    subscription = changed.subscription
    assert changed.request is None
    assert subscription.role is SubscriptionRole.NOTIFIER
    assert subscription.state is SubscriptionState.ACTIVE
    assert (subscription.event, changed.resource) == ("refer", subscription.name)
    assert subscription.call == host.call()
    assert subscription.incoming_request == asked.name
    assert host.core.snapshot().subscriptions == (subscription,)


def test_a_referral_by_whom_we_called(net: Simulation, host: Host, peer: Peer) -> None:
    """The NOTIFYs are of the dialog."""
    invite = connect(net, host, peer)
    peer.ask(
        "REFER",
        host.address,
        call_id=invite.call_id,
        tag="a",
        to_tag=invite.from_.tag,
        fields=[TO, ("Contact", "<sip:a@10.0.0.2>")],
    )
    net.run(0.1)
    respond(net, host, 202)
    assert peer.response(202).headers.has("Contact")
    first = answered(net, peer)
    assert (first.call_id, first.from_.tag, first.to.tag) == (invite.call_id, invite.from_.tag, "a")
    assert (first.headers.get("Event"), first.body) == ("refer", TRYING)


def test_the_application_tells_how_it_goes(
    net: Simulation, host: Host, peer: Peer, agreed: str
) -> None:
    """One NOTIFY after the other, the last of them when the application says so."""
    notify(host, "SIP/2.0 180 Ringing\r\n")
    done = notify(host, "SIP/2.0 200 OK\r\n", SubscriptionState.TERMINATED)
    net.run(0.1)
    ringing = answered(net, peer)
    assert ringing.body == b"SIP/2.0 180 Ringing\r\n"
    last = answered(net, peer)
    assert last.body == b"SIP/2.0 200 OK\r\n"
    assert last.headers.get("Subscription-State") == "terminated;reason=noresource"
    assert host.results[done] is None
    assert host.core.snapshot().subscriptions == ()
    stats = host.core.stats()
    assert (stats.active_subscriptions, stats.active_calls) == (0, 1)
    again = notify(host, "SIP/2.0 200 OK\r\n")
    assert host.failure(again).kind is FailureKind.NOT_FOUND


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


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ((("Refer-Sub", "false"), ("Require", "norefersub")), None),
        ((("Refer-Sub", "false"),), NO_SUBSCRIPTION),
        ((), NO_SUBSCRIPTION),
    ],
)
def test_no_subscription(
    net: Simulation, host: Host, peer: Peer, tag: str, fields: Fields, options: Options | None
) -> None:
    """RFC 4488 section 4: the referrer does not want one, or the application none to be."""
    refer(net, host, peer, tag, TO, *fields)
    respond(net, host, 202, options)
    assert peer.response(202).headers.get("Refer-Sub") == "false"
    assert peer.rest() == []
    assert host.of(SubscriptionChanged) == []


def test_two_are_told_apart(net: Simulation, host: Host, peer: Peer, tag: str) -> None:
    """2.4.6: the id is the CSeq number of the REFER."""
    for cseq, event in ((2, "refer"), (7, "refer;id=7")):
        refer(net, host, peer, tag, TO, cseq=cseq)
        respond(net, host, 202)
        peer.response(202)
        assert answered(net, peer).headers.get("Event") == event
    assert len(host.core.snapshot().subscriptions) == 2


def test_the_referrer_refreshes_and_leaves(
    net: Simulation, host: Host, peer: Peer, agreed: str
) -> None:
    """2.4.4, 2.4.7: by SUBSCRIBE in the dialog."""
    for cseq, expires, state in (
        (3, "600", "active;expires=600"),
        (4, "0", "terminated;reason=timeout"),
    ):
        fields = [("Event", "refer"), ("Expires", expires)]
        peer.ask("SUBSCRIBE", host.address, to_tag=agreed, cseq=cseq, fields=fields)
        net.run(0.1)
        assert peer.response(200).headers.get("Expires") == expires
        told = answered(net, peer)
        assert told.headers.get("Subscription-State") == state
        assert told.body == TRYING
    assert host.core.snapshot().subscriptions == ()
    peer.ask("SUBSCRIBE", host.address, to_tag=agreed, cseq=5, fields=[("Event", "refer")])
    net.run(0.1)
    peer.response(481)


def test_it_outlives_the_call(net: Simulation, host: Host, peer: Peer, agreed: str) -> None:
    """RFC 5057: who refers hangs up, and still wants to hear how it went."""
    peer.ask("BYE", host.address, to_tag=agreed, cseq=3)
    net.run(0.1)
    peer.response(200)
    assert host.of(events.CallEnded)
    token = notify(host, "SIP/2.0 200 OK\r\n", SubscriptionState.TERMINATED)
    net.run(0.1)
    assert answered(net, peer).body == b"SIP/2.0 200 OK\r\n"
    assert host.results[token] is None
    again = notify(host, "SIP/2.0 200 OK\r\n")
    assert host.failure(again).kind is FailureKind.NOT_FOUND


@pytest.mark.parametrize("hung_up", [False, True])
def test_a_referral_that_is_never_reported(
    net: Simulation, host: Host, peer: Peer, agreed: str, hung_up: bool
) -> None:
    """It ends by itself, also after the call."""
    if hung_up:
        peer.ask("BYE", host.address, to_tag=agreed, cseq=3)
        net.run(0.1)
        peer.response(200)
    net.run(300)
    last = answered(net, peer)
    assert last.headers.get("Subscription-State") == "terminated;reason=timeout"
    assert host.core.snapshot().subscriptions == ()


def test_a_referrer_that_is_gone(net: Simulation, host: Host, peer: Peer, tag: str) -> None:
    refer(net, host, peer, tag, TO)
    respond(net, host, 202)
    peer.response(202)
    peer.reply(peer.request("NOTIFY"), 481)
    net.run(0.1)
    assert host.of(SubscriptionChanged)[-1].subscription.state is SubscriptionState.TERMINATED


def test_what_was_answered_is_not_accepted_again(host: Host, agreed: str) -> None:
    name = host.of(SubscriptionChanged)[-1].resource
    token = host.submit(lambda token: AcceptSubscription(token=token, name=name))
    assert host.failure(token).kind is FailureKind.WRONG_STATE
