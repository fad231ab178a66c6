"""REFER from the far end that the application accepted: RFC 3515 sections 2.4.4 to 2.4.6."""

from __future__ import annotations

import pytest

from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands as base, events
from picosip_server.sip.ua.commands import Body, Options
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.subscription import commands
from picosip_server.sip.ua.subscription.events import SubscriptionChanged, SubscriptionRole
from picosip_server.sip.ua.subscription.header import SubscriptionState
from tests.engine.memory import Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import connect

SIPFRAG = "message/sipfrag"


def refer(
    net: Simulation, host: Host, peer: Peer, invite: Request, *, cseq: int = 1, **respond: object
) -> None:
    """The peer refers the host, whose application answers 202."""
    peer.ask(
        "REFER",
        host.address,
        call_id=invite.call_id,
        cseq=cseq,
        tag="a",
        to_tag=invite.from_.tag,
        fields=[("Refer-To", "<sip:carol@10.0.0.3>"), ("Contact", "<sip:a@10.0.0.2>")],
    )
    net.run(0.1)
    name = host.of(events.IncomingRequest)[-1].name
    respond.setdefault("status", 202)
    host.submit(lambda token: base.Respond(token=token, name=name, **respond))  # type: ignore[arg-type]
    net.run(0.1)


def subscription(host: Host) -> str:
    return host.of(SubscriptionChanged)[-1].resource


def tell(host: Host, text: str, **fields: object) -> object:
    name = subscription(host)
    body = Body(content_type=SIPFRAG, data=text.encode())
    return host.submit(
        lambda token: commands.Notify(token=token, name=name, body=body, **fields)  # type: ignore[arg-type]
    )


def test_a_202_is_followed_by_100_trying(net: Simulation, host: Host, peer: Peer) -> None:
    invite = connect(net, host, peer)
    refer(net, host, peer, invite)
    # RFC 3515 section 2.2.
    assert peer.response(202).headers.has("Contact")
    notify = peer.request("NOTIFY")
    assert notify.headers.get("Event") == "refer"
    assert notify.headers.get("Subscription-State") == "active;expires=300"
    assert notify.content_type == SIPFRAG
    assert notify.body == b"SIP/2.0 100 Trying\r\n"
    assert (notify.call_id, notify.to.tag) == (invite.call_id, "a")
    peer.reply(notify, 200)
    (event,) = host.of(SubscriptionChanged)
    assert event.subscription.role is SubscriptionRole.NOTIFIER
    assert event.subscription.state is SubscriptionState.ACTIVE
    assert event.request is None
    (asked,) = host.of(events.IncomingRequest)
    assert event.subscription.call == host.call() == asked.call
    assert event.subscription.incoming_request == asked.name
    assert host.core.snapshot().subscriptions == (event.subscription,)


def test_the_application_tells_how_it_goes(net: Simulation, host: Host, peer: Peer) -> None:
    invite = connect(net, host, peer)
    refer(net, host, peer, invite)
    peer.response(202)
    peer.reply(peer.request("NOTIFY"), 200)
    tell(host, "SIP/2.0 180 Ringing\r\n")
    done = tell(host, "SIP/2.0 200 OK\r\n", state=SubscriptionState.TERMINATED)
    net.run(0.1)
    ringing = peer.request("NOTIFY")
    assert ringing.body == b"SIP/2.0 180 Ringing\r\n"
    peer.reply(ringing, 200)
    net.run(0.1)
    last = peer.request("NOTIFY")
    assert last.body == b"SIP/2.0 200 OK\r\n"
    assert last.headers.get("Subscription-State") == "terminated;reason=noresource"
    peer.reply(last, 200)
    net.run(0.1)
    assert host.results[done] is None
    assert host.core.snapshot().subscriptions == ()
    assert host.core.stats().active_calls == 1
    assert host.failure(tell(host, "SIP/2.0 200 OK\r\n")).kind is FailureKind.NOT_FOUND


def test_a_second_refer_has_an_id(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 2.4.6."""
    invite = connect(net, host, peer)
    for cseq, event in ((1, "refer"), (7, "refer;id=7")):
        refer(net, host, peer, invite, cseq=cseq)
        peer.response(202)
        notify = peer.request("NOTIFY")
        assert notify.headers.get("Event") == event
        peer.reply(notify, 200)
        net.run(0.1)
    assert len(host.core.snapshot().subscriptions) == 2


@pytest.mark.parametrize(
    "respond",
    [{"status": 603}, {"status": 202, "options": Options(headers=(("Refer-Sub", "false"),))}],
)
def test_no_subscription(
    net: Simulation, host: Host, peer: Peer, respond: dict[str, object]
) -> None:
    """A refusal, and RFC 4488: the REFER that nobody wants to hear of."""
    invite = connect(net, host, peer)
    refer(net, host, peer, invite, **respond)
    peer.response(int(str(respond["status"])))
    assert peer.rest() == []
    assert host.of(SubscriptionChanged) == []


def test_the_far_end_refreshes_and_leaves(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 2.4.4: by SUBSCRIBE in the dialog."""
    invite = connect(net, host, peer)
    refer(net, host, peer, invite)
    peer.response(202)
    peer.reply(peer.request("NOTIFY"), 200)
    net.run(0.1)
    for cseq, expires, state in (
        (2, "600", "active;expires=600"),
        (3, "0", "terminated;reason=timeout"),
    ):
        fields = [("Event", "refer"), ("Expires", expires), ("Contact", "<sip:a@10.0.0.2>")]
        peer.ask(
            "SUBSCRIBE",
            host.address,
            call_id=invite.call_id,
            cseq=cseq,
            tag="a",
            to_tag=invite.from_.tag,
            fields=fields,
        )
        net.run(0.1)
        assert peer.response(200).headers.get("Expires") == expires
        notify = peer.request("NOTIFY")
        assert notify.headers.get("Subscription-State") == state
        assert notify.body == b"SIP/2.0 100 Trying\r\n"
        peer.reply(notify, 200)
    net.run(0.1)
    assert host.core.snapshot().subscriptions == ()
    peer.within(invite, "SUBSCRIBE", cseq=4)
    net.run(0.1)
    peer.response(481)


def test_it_ends_with_time(net: Simulation, host: Host, peer: Peer) -> None:
    invite = connect(net, host, peer)
    refer(net, host, peer, invite)
    peer.response(202)
    peer.reply(peer.request("NOTIFY"), 200)
    net.run(300)
    last = peer.request("NOTIFY")
    assert last.headers.get("Subscription-State") == "terminated;reason=timeout"
    peer.reply(last, 200)


def test_what_was_answered_is_not_accepted_again(net: Simulation, host: Host, peer: Peer) -> None:
    invite = connect(net, host, peer)
    refer(net, host, peer, invite)
    peer.response(202)
    peer.reply(peer.request("NOTIFY"), 200)
    name = subscription(host)
    token = host.submit(lambda token: commands.AcceptSubscription(token=token, name=name))
    assert host.failure(token).kind is FailureKind.WRONG_STATE
