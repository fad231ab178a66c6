"""An INVITE that takes the place of a call: RFC 3891 section 3."""

from __future__ import annotations

import pytest

from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.snapshots import Cause
from tests.engine.memory import SDP, Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import PEER, accept, called, connect

NEW = "new@other"


def replace(net: Simulation, host: Host, peer: Peer, value: str, *more: tuple[str, str]) -> None:
    """An INVITE of the peer, under another Call-ID, with this Replaces."""
    peer.ask(
        "INVITE",
        host.address,
        call_id=NEW,
        tag="new",
        fields=[("Replaces", value), *more],
        body=SDP,
    )
    net.run(0.1)


def ends(host: Host) -> list[Cause]:
    return [event.termination.cause for event in host.of(events.CallEnded)]


def test_a_standing_call_is_replaced(net: Simulation, host: Host, peer: Peer) -> None:
    """Once the new call is answered, the old one ends with BYE."""
    invite = connect(net, host, peer)
    old = host.call()
    replace(net, host, peer, f"{invite.call_id};to-tag={invite.from_.tag};from-tag=a")
    peer.response(100)
    (received,) = host.of(events.CallReceived)
    assert received.replaces == old
    assert ends(host) == []
    host.answer(received.resource)
    net.run(0.1)
    assert peer.rest() == ["200 INVITE 1", "BYE 2"]
    (bye,) = [m for _, m, _ in peer.received if getattr(m, "method", "") == "BYE"]
    peer.reply(bye, 200)
    net.run(0.1)
    assert ends(host) == [Cause.TRANSFERRED]


def test_a_refused_successor_replaces_nothing(net: Simulation, host: Host, peer: Peer) -> None:
    invite = connect(net, host, peer)
    replace(net, host, peer, f"{invite.call_id};to-tag={invite.from_.tag};from-tag=a")
    peer.response(100)
    (received,) = host.of(events.CallReceived)
    host.on_call(commands.Reject, received.resource)
    net.run(0.1)
    assert peer.rest() == ["603 INVITE 1"]


def test_an_early_call_of_ours_is_replaced(net: Simulation, host: Host, peer: Peer) -> None:
    """Its INVITE is cancelled."""
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 180, tag="a")
    net.run(0.1)
    value = f"{invite.call_id};to-tag={invite.from_.tag};from-tag=a;early-only"
    replace(net, host, peer, value)
    peer.response(100)
    host.answer(host.of(events.CallReceived)[0].resource)
    net.run(0.1)
    assert peer.rest() == ["200 INVITE 1", "CANCEL 1"]
    peer.reply(invite, 487, tag="a", contact=False)
    net.run(0.1)
    assert ends(host) == [Cause.TRANSFERRED]


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("{id};to-tag={ours};from-tag=b", 481),
        ("{id};to-tag=x;from-tag=a", 481),
        ("other;to-tag={ours};from-tag=a", 481),
        ("{id};to-tag=a;from-tag={ours}", 481),
        ("{id};to-tag={ours};from-tag=a;early-only", 486),
        ("{id};to-tag={ours}", 400),
        ("{id};to-tag={ours};from-tag=a, {id};to-tag={ours};from-tag=a", 400),
    ],
)
def test_matched_exactly(net: Simulation, host: Host, peer: Peer, value: str, status: int) -> None:
    """Section 3; nobody hears of an INVITE that matches nothing."""
    invite = connect(net, host, peer)
    replace(net, host, peer, value.format(id=invite.call_id, ours=invite.from_.tag))
    peer.response(status)
    assert host.of(events.CallReceived) == []


def test_join_is_not_taken(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 3911: the extension is not understood; beside Replaces it is a contradiction."""
    invite = connect(net, host, peer)
    value = f"{invite.call_id};to-tag={invite.from_.tag};from-tag=a"
    replace(net, host, peer, value, ("Join", value))
    peer.response(400)
    peer.ask("INVITE", host.address, fields=[("Require", "join"), ("Join", value)], body=SDP)
    net.run(0.1)
    assert peer.response(420).headers.get("Unsupported") == "join"


def test_an_early_call_to_us_is_not_replaced(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 3: 481 where we are the callee of an early dialog."""
    called(net, host, peer)
    host.on_call(commands.Progress, host.call())
    net.run(0.1)
    tag = peer.response(180).to.tag
    replace(net, host, peer, f"one@peer;to-tag={tag};from-tag=peer")
    peer.response(481)


def test_a_call_that_is_ending_is_not_replaced(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 3: 603."""
    called(net, host, peer)
    tag = accept(net, host, peer)
    host.hangup(host.call())
    net.run(0.1)
    bye = peer.request("BYE")
    replace(net, host, peer, f"one@peer;to-tag={tag};from-tag=peer")
    peer.response(603)
    peer.reply(bye, 200)
