"""Reliable provisional responses, as the caller: RFC 3262 sections 4 and 5."""

from __future__ import annotations

from picosip_server.sip.message import Request
from picosip_server.sip.ua import events
from picosip_server.sip.ua.commands import ForkedAnswers, Options, Policy, Reliability
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import CallState, Cause, OfferAnswerState, Termination
from tests.engine.memory import ANSWER, SDP, Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import OTHER, PEER, RELIABLE, ended, snapshot


def test_a_reliable_provisional_gets_a_prack(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 4, 7.2: RAck names the response; the answer in it is the answer (section 5)."""
    host.invite(PEER, policy=Policy(reliability=Reliability.REQUIRED))
    net.run(0.1)
    invite = peer.request("INVITE")
    assert invite.headers.get("Require") == "100rel"
    peer.reply(invite, 183, tag="a", fields=RELIABLE, body=ANSWER)
    net.run(0.1)
    prack = peer.request("PRACK")
    assert prack.headers.get("RAck") == "5 1 INVITE"
    assert (prack.uri_text, prack.to.tag, prack.cseq.number) == ("sip:a@10.0.0.2", "a", 2)
    assert prack.body == b""
    peer.reply(prack, 200)
    (progress,) = host.of(events.CallProgressed)
    assert (progress.status, progress.reliable) == (183, True)
    assert progress.description == ANSWER
    assert snapshot(host).offer_answer_state is OfferAnswerState.STABLE
    peer.reply(invite, 200, tag="a")
    net.run(0.1)
    assert peer.rest() == ["ACK 1"]
    assert snapshot(host).remote_description == ANSWER


def test_repetitions_and_gaps_are_neither_told_nor_acknowledged(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """Section 4: RSeq goes up by one."""
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    for rseq in (5, 5, 7, 6, 6, 5, 7):
        peer.reply(invite, 180, tag="a", fields=[("Require", "100rel"), ("RSeq", str(rseq))])
        net.run(0.05)
    racks = [message.headers.get("RAck") for _, message, _ in peer.received[1:]]
    assert racks == ["5 1 INVITE", "6 1 INVITE", "7 1 INVITE"]
    assert len(host.of(events.CallProgressed)) == 3


def test_the_prack_is_repeated_until_it_is_answered(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """17.1.2.2: it is a request like any other. That it fails changes nothing by itself."""
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 180, tag="a", fields=RELIABLE)
    net.run(1.0)
    assert peer.rest() == ["PRACK 2", "PRACK 2"]
    peer.reply(invite, 180, tag="a", fields=[("Require", "100rel"), ("RSeq", "6")])
    net.run(0.1)
    prack = peer.request("PRACK")
    peer.reply(prack, 100)
    peer.reply(prack, 481)
    net.run(40.0)
    assert snapshot(host).state is CallState.EARLY
    peer.reply(invite, 486, tag="a")


def test_require_without_rseq_is_not_reliable(net: Simulation, host: Host, peer: Peer) -> None:
    host.invite(PEER)
    net.run(0.1)
    peer.reply(peer.request("INVITE"), 180, tag="a", fields=[("Require", "100rel")])
    net.run(0.1)
    assert peer.rest() == []
    (progress,) = host.of(events.CallProgressed)
    assert not progress.reliable


def offered_early(net: Simulation, host: Host, peer: Peer, **fields: object) -> Request:
    """A reliable 183 with an offer, to an INVITE that had none; gives that."""
    host.invite(PEER, offer=None, **fields)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 183, tag="a", fields=RELIABLE, body=SDP)
    net.run(0.1)
    assert peer.rest() == []
    return invite


def test_an_early_offer_is_answered_in_the_prack(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 5; the ACK carries nothing then."""
    invite = offered_early(net, host, peer)
    assert snapshot(host).offer_answer_state is OfferAnswerState.REMOTE_OFFER
    host.answer(host.call(), options=Options(headers=(("X-Id", "7"),)))
    net.run(0.1)
    prack = peer.request("PRACK")
    assert (prack.headers.get("RAck"), prack.body) == ("5 1 INVITE", ANSWER.data)
    assert prack.headers.get("X-Id") == "7"
    peer.reply(prack, 200)
    peer.reply(invite, 200, tag="a")
    net.run(0.1)
    assert peer.request("ACK").body == b""
    assert snapshot(host).offer_answer_state is OfferAnswerState.STABLE
    assert host.kinds() == [
        "CallCreated",
        "CallProgressed",
        "CallModified",
        "CallAnswered",
        "CallConfirmed",
    ]
    (modified,) = host.of(events.CallModified)
    assert (modified.local_description, modified.remote_description) == (ANSWER, SDP)


def test_an_early_offer_that_is_never_answered(net: Simulation, host: Host, peer: Peer) -> None:
    """Nothing can acknowledge it, so that CANCEL ends the call."""
    invite = offered_early(net, host, peer)
    net.run(10.0)
    cancel = peer.request("CANCEL")
    peer.reply(cancel, 200)
    peer.reply(invite, 487, tag="a")
    net.run(0.1)
    expected = Termination(cause=Cause.TIMEOUT, status=487, reason="Request Terminated")
    assert ended(host) == expected


def test_a_2xx_that_does_not_wait_for_the_prack(net: Simulation, host: Host, peer: Peer) -> None:
    """Section 3 forbids it to the callee; the answer still goes in the PRACK."""
    invite = offered_early(net, host, peer)
    peer.reply(invite, 200, tag="a", body=SDP)
    net.run(0.1)
    assert peer.request("ACK").body == b""
    host.answer(host.call())
    net.run(0.1)
    assert peer.request("PRACK").body == ANSWER.data


def test_the_offer_of_a_fork_that_lost_is_nobodys_concern(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """13.2.2.4: its early dialog is over with the 2xx of another."""
    invite = offered_early(net, host, peer)
    peer.reply(invite, 200, tag="b", body=OTHER)
    net.run(0.1)
    host.answer(host.call())
    net.run(20.0)
    assert peer.rest() == ["ACK 1"]
    assert snapshot(host).state is CallState.CONFIRMED
    assert host.failure(host.answer(host.call())).kind is FailureKind.WRONG_STATE


def test_early_offers_of_two_forks(net: Simulation, host: Host, peer: Peer) -> None:
    """Each is answered in its own dialog, in turn."""
    invite = offered_early(net, host, peer, policy=Policy(forked_answers=ForkedAnswers.KEEP_ALL))
    peer.reply(invite, 183, tag="b", fields=RELIABLE, body=OTHER)
    net.run(0.1)
    host.answer(host.call())
    host.answer(host.call(), description=OTHER)
    net.run(0.1)
    pracks = [peer.request("PRACK"), peer.request("PRACK")]
    assert [(prack.to.tag, prack.body) for prack in pracks] == [
        ("a", ANSWER.data),
        ("b", OTHER.data),
    ]


def test_a_reliable_description_after_the_answer_changes_nothing(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """Section 5: it is acknowledged; the first answer stands (RFC 3261 section 13.2.1)."""
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 183, tag="a", fields=RELIABLE, body=ANSWER)
    again = [("Require", "100rel"), ("RSeq", "6")]
    peer.reply(invite, 183, tag="a", fields=again, body=OTHER)
    net.run(0.1)
    assert peer.rest() == ["PRACK 2", "PRACK 3"]
    assert snapshot(host).remote_description == ANSWER
