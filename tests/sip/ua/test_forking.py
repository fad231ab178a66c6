"""Several answers to one INVITE: RFC 3261 sections 12.1, 13.2.2.4 and 16.7."""

from __future__ import annotations

from picosip_server.sip.message import Request
from picosip_server.sip.ua import events
from picosip_server.sip.ua.commands import ForkedAnswers, Policy
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import CallState, Cause
from tests.engine.memory import ANSWER, SDP, Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import OTHER, PEER, RELIABLE, ended, result, snapshot

KEEP_ALL = Policy(forked_answers=ForkedAnswers.KEEP_ALL)


def both_answer(net: Simulation, host: Host, peer: Peer, **fields: object) -> Request:
    """Two 2xx come in, under the tags ``a`` and ``b``; both get their ACK."""
    host.invite(PEER, **fields)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 200, tag="a", body=ANSWER)
    net.run(0.1)
    assert peer.request("ACK").to.tag == "a"
    peer.reply(invite, 200, tag="b", body=OTHER)
    net.run(0.1)
    assert peer.request("ACK").to.tag == "b"
    return invite


def tags(host: Host) -> list[str]:
    return [dialog.remote_tag for dialog in snapshot(host).dialogs]


def test_each_fork_that_rings_is_a_dialog(net: Simulation, host: Host, peer: Peer) -> None:
    """12.1, 13.2.2.4: the first 2xx ends the early dialogs of the others."""
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    for tag in ("a", "b", "a"):
        peer.reply(invite, 180, tag=tag)
        net.run(0.1)
    assert tags(host) == ["a", "b"]
    peer.reply(invite, 200, tag="b", body=ANSWER)
    net.run(0.1)
    assert tags(host) == ["b"]
    assert host.kinds() == [
        "CallCreated",
        "CallProgressed",
        "CallForked",
        "CallProgressed",
        "CallProgressed",
        "CallAnswered",
        "CallConfirmed",
    ]
    (forked,) = host.of(events.CallForked)
    assert (forked.dialog.remote_tag, forked.dialog.early) == ("b", True)


def test_a_second_2xx_is_acknowledged_and_ended(net: Simulation, host: Host, peer: Peer) -> None:
    """13.2.2.4; the call goes on with the first."""
    invite = both_answer(net, host, peer)
    bye = peer.request("BYE")
    assert (bye.to.tag, bye.uri_text) == ("b", "sip:b@10.0.0.2")
    peer.reply(bye, 200)
    peer.reply(invite, 200, tag="b", body=OTHER)
    net.run(0.1)
    # The repeated 2xx gets its ACK once more, and no other BYE.
    assert peer.rest() == ["ACK 1"]
    assert snapshot(host).state is CallState.CONFIRMED
    assert tags(host) == ["a"]
    assert snapshot(host).remote_description == ANSWER
    assert host.kinds() == ["CallCreated", "CallAnswered", "CallConfirmed"]


def test_a_second_2xx_after_the_call_has_ended(net: Simulation, host: Host, peer: Peer) -> None:
    """13.2.2.4: until 64*T1 after the first."""
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 200, tag="a", body=ANSWER)
    net.run(0.1)
    host.hangup(host.call())
    net.run(0.1)
    assert peer.request("ACK").to.tag == "a"
    peer.reply(peer.request("BYE"), 200)
    net.run(0.1)
    assert ended(host).cause is Cause.LOCAL_HANGUP
    peer.reply(invite, 200, tag="b", body=OTHER)
    net.run(0.1)
    assert peer.request("ACK").to.tag == "b"
    bye = peer.request("BYE")
    assert bye.to.tag == "b"
    peer.reply(bye, 200)


def test_the_cseq_goes_on_from_the_early_dialog(net: Simulation, host: Host, peer: Peer) -> None:
    """12.2.1.1: in each dialog CSeq only rises, also where another one answered first."""
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 183, tag="b", fields=RELIABLE)
    net.run(0.1)
    prack = peer.request("PRACK")
    assert prack.cseq.number == 2
    peer.reply(prack, 200)
    peer.reply(invite, 200, tag="a", body=ANSWER)
    peer.reply(invite, 200, tag="b", body=OTHER)
    net.run(0.1)
    assert peer.rest() == ["ACK 1", "ACK 1", "BYE 3"]


def test_keep_all_keeps_them(net: Simulation, host: Host, peer: Peer) -> None:
    """13.2.2.4: whether to keep several dialogs is the application's choice."""
    both_answer(net, host, peer, policy=KEEP_ALL)
    assert peer.rest() == []
    assert tags(host) == ["a", "b"]
    assert host.kinds() == [
        "CallCreated",
        "CallAnswered",
        "CallConfirmed",
        "CallForked",
        "CallAnswered",
    ]
    token = host.hangup(host.call())
    net.run(0.1)
    byes = [peer.request("BYE"), peer.request("BYE")]
    assert [bye.to.tag for bye in byes] == ["a", "b"]
    peer.reply(byes[0], 200)
    net.run(0.1)
    assert token not in host.results
    peer.reply(byes[1], 200)
    net.run(0.1)
    assert result(host, token).state is CallState.TERMINATED


def test_hangup_with_remote_tag_ends_one_dialog(net: Simulation, host: Host, peer: Peer) -> None:
    invite = both_answer(net, host, peer, policy=KEEP_ALL)
    token = host.hangup(host.call(), remote_tag="a")
    net.run(0.1)
    bye = peer.request("BYE")
    assert bye.to.tag == "a"
    # What is ending cannot be ended again.
    again = host.hangup(host.call(), remote_tag="a")
    assert host.failure(again).kind is FailureKind.WRONG_STATE
    peer.reply(invite, 200, tag="a", body=ANSWER)
    net.run(0.1)
    assert peer.rest() == ["ACK 1"]
    peer.reply(bye, 200)
    net.run(0.1)
    assert result(host, token).state is CallState.CONFIRMED
    assert tags(host) == ["b"]
    # The last one is the call itself.
    last = host.hangup(host.call(), remote_tag="b")
    net.run(0.1)
    peer.reply(peer.request("BYE"), 200)
    net.run(0.1)
    assert result(host, last).state is CallState.TERMINATED
    assert ended(host).cause is Cause.LOCAL_HANGUP


def test_hangup_of_one_dialog_that_the_far_end_does_not_know(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """RFC 5057: 481 ends that dialog all the same."""
    both_answer(net, host, peer, policy=KEEP_ALL)
    token = host.hangup(host.call(), remote_tag="b")
    net.run(0.1)
    peer.reply(peer.request("BYE"), 481)
    net.run(0.1)
    failure = host.failure(token)
    assert (failure.kind, failure.status) == (FailureKind.REFUSED, 481)
    assert tags(host) == ["a"]


def test_both_dialogs_hung_up_one_after_the_other(net: Simulation, host: Host, peer: Peer) -> None:
    """The second hangup ends the call, even while the first BYE awaits its answer."""
    both_answer(net, host, peer, policy=KEEP_ALL)
    host.hangup(host.call(), remote_tag="a")
    host.hangup(host.call(), remote_tag="b")
    net.run(0.1)
    for _ in range(2):
        peer.reply(peer.request("BYE"), 200)
    net.run(0.1)
    assert ended(host).cause is Cause.LOCAL_HANGUP


def test_the_far_end_ends_one_dialog_and_then_the_other(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """15.1.2."""
    invite = both_answer(net, host, peer, policy=KEEP_ALL)
    peer.within(invite, "BYE", tag="a")
    net.run(0.1)
    peer.response(200)
    assert tags(host) == ["b"]
    # 12.2.2: that dialog is no more; its 2xx that is still on its way makes no new one.
    peer.within(invite, "OPTIONS", tag="a", cseq=2)
    peer.reply(invite, 200, tag="a", body=ANSWER)
    net.run(0.1)
    assert peer.rest() == ["481 OPTIONS 2", "ACK 1"]
    assert tags(host) == ["b"]
    peer.within(invite, "BYE", tag="b")
    net.run(0.1)
    peer.response(200)
    assert ended(host).cause is Cause.REMOTE_HANGUP


def test_a_third_dialog_is_unknown(net: Simulation, host: Host, peer: Peer) -> None:
    """12.2.2."""
    invite = both_answer(net, host, peer, policy=KEEP_ALL)
    peer.within(invite, "BYE", tag="c")
    peer.within(invite, "ACK", tag="c")
    net.run(0.1)
    assert peer.rest() == ["481 BYE 1"]


def test_two_offers_to_answer(net: Simulation, host: Host, peer: Peer) -> None:
    """13.2.1: without an offer in the INVITE each fork makes its own, answered in turn."""
    host.invite(PEER, offer=None, policy=KEEP_ALL)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 200, tag="a", body=SDP)
    net.run(0.1)
    host.answer(host.call())
    net.run(0.1)
    peer.reply(invite, 200, tag="b", body=OTHER)
    net.run(0.1)
    host.answer(host.call(), description=OTHER)
    net.run(0.1)
    acks = [peer.request("ACK"), peer.request("ACK")]
    assert [(ack.to.tag, ack.body) for ack in acks] == [("a", ANSWER.data), ("b", OTHER.data)]
    assert len(host.of(events.CallConfirmed)) == 1


def test_one_of_two_offers_is_never_answered(net: Simulation, host: Host, peer: Peer) -> None:
    """Its dialog ends, acknowledged and with BYE; the other goes on."""
    host.invite(PEER, offer=None, policy=KEEP_ALL)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 200, tag="a", body=SDP)
    peer.reply(invite, 200, tag="b", body=OTHER)
    net.run(0.1)
    host.answer(host.call())
    net.run(10.0)
    ack, late, bye = peer.request("ACK"), peer.request("ACK"), peer.request("BYE")
    assert [ack.to.tag, late.to.tag, bye.to.tag] == ["a", "b", "b"]
    assert late.body == b""
    peer.reply(bye, 200)
    net.run(0.1)
    assert tags(host) == ["a"]
    assert snapshot(host).state is CallState.CONFIRMED


def test_a_fork_that_withdraws_while_another_rings(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 15: a callee must not send BYE in an early dialog; the call rings on."""
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 180, tag="a")
    peer.reply(invite, 180, tag="b")
    net.run(0.1)
    peer.within(invite, "BYE", tag="b")
    net.run(0.1)
    peer.response(200)
    assert tags(host) == ["a"]
    peer.reply(invite, 200, tag="b", body=ANSWER)
    net.run(0.1)
    assert tags(host) == ["b"]
    assert snapshot(host).state is CallState.CONFIRMED
