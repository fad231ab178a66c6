"""What lingers of a user that is over: small, and as good as the whole (RFC 3261 section 17)."""

from __future__ import annotations

import gc

from picosip_server.sip.message import Message, Request
from picosip_server.sip.parse import DEFAULT_LIMITS, OWN, parse
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.call.base import Call
from picosip_server.sip.ua.call.late_answers import LateAnswers
from picosip_server.sip.ua.commands import Body, Credentials
from picosip_server.sip.ua.exchange import Exchange
from picosip_server.sip.ua.incoming_request import IncomingRequestUser
from picosip_server.sip.ua.listener import Listener
from picosip_server.sip.ua.outputs import Output, Traced
from picosip_server.sip.ua.remains import Remains
from picosip_server.sip.ua.user import TransactionUser
from tests.engine.memory import ANSWER, SDP, Everybody, Host, Simulation
from tests.sip.ua.peer import Peer, short
from tests.sip.ua.scene import PEER, RELIABLE, accept, called, connect
from tests.sip.ua.test_footprint import reachable

GIVE_UP = 32.0
"""64*T1: how long the transactions of a call last."""


def users(host: Host) -> list[TransactionUser]:
    """Those that messages still find."""
    return [*{id(user): user for user in host.core._population.routes.values()}.values()]


def hung_up(net: Simulation, host: Host, peer: Peer) -> tuple[str, str, str]:
    """A call from the peer that the peer has ended: the branches of INVITE and BYE, our tag."""
    invite = called(net, host, peer)
    tag = accept(net, host, peer)
    bye = peer.ask("BYE", host.address, to_tag=tag, cseq=2)
    net.run(0.1)
    assert peer.rest()[-1] == "200 BYE 2"
    return invite, bye, tag


def test_a_call_that_is_over_keeps_no_messages(net: Simulation, host: Host, peer: Peer) -> None:
    hung_up(net, host, peer)
    (left,) = users(host)
    assert isinstance(left, Remains)
    assert reachable(left, {id(left.context)}, (Message, Call)) == []


def test_what_is_repeated_is_absorbed_or_answered_again(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """17.2.2, and RFC 6026 section 7.1: nothing is said to the INVITE again."""
    invite, bye, tag = hung_up(net, host, peer)
    net.run(GIVE_UP - 5.0)
    sent = len(peer.received)
    peer.ask("BYE", host.address, to_tag=tag, cseq=2, branch=bye)
    net.run(0.1)
    *_, before, (_, _, again) = peer.received
    assert len(peer.received) == sent + 1
    assert again == before[2]
    peer.ask("INVITE", host.address, branch=invite)
    peer.ask("ACK", host.address, to_tag=tag, branch=invite)
    net.run(0.1)
    assert len(peer.received) == sent + 1
    assert host.kinds() == ["CallReceived", "CallAnswered", "CallConfirmed", "CallEnded"]
    counters = host.core.stats().counters
    assert counters["retransmissions_sent"] == 1
    # The INVITE, and the BYE.
    assert counters["retransmissions_received"] == 2


def test_what_is_said_again_may_be_longer_than_what_may_come(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """As many header lines as are taken; the response has one more, its Content-Length."""
    called(net, host, peer)
    tag = accept(net, host, peer)
    lines = (
        f"BYE sip:callee@{host.address} SIP/2.0",
        *(f"Via: SIP/2.0/UDP {peer.address}:5060;branch=z9hG4bK{n}" for n in range(252)),
        f"From: <sip:peer@{peer.address}>;tag=peer",
        f"To: <sip:callee@{host.address}>;tag={tag}",
        "Call-ID: one@peer",
        "CSeq: 2 BYE",
    )
    came: list[bytes] = []
    peer.arrive = lambda data, source: came.append(data)  # type: ignore[method-assign]
    for _ in range(2):
        peer.octets("\r\n".join((*lines, "", "")).encode(), host.address)
        net.run(0.1)
    assert len(came) == 2
    assert came[0] == came[1]
    assert came[0].startswith(b"SIP/2.0 200 ")


def test_other_messages_of_that_call_find_none(net: Simulation, host: Host, peer: Peer) -> None:
    """12.2.2; 9.2: to cancel what is answered has no effect; 8.2.2.2: it came another way."""
    invite, _, tag = hung_up(net, host, peer)
    net.run(1.0)
    peer.ask("BYE", host.address, to_tag=tag, cseq=3)
    peer.ask("CANCEL", host.address, branch=invite)
    peer.ask("INVITE", host.address)
    net.run(0.1)
    assert peer.rest() == ["481 BYE 3", "200 CANCEL 1", "482 INVITE 1"]
    (cancelled,) = [m for _, m, _ in peer.received if m.cseq.method == "CANCEL"]
    assert cancelled.to.tag == tag
    # The CANCEL is a transaction of its own, and lasts as long as it must.
    net.run(GIVE_UP - 0.5)
    assert host.core.stats().active_transactions == 1
    net.run(1.0)
    assert host.core.idle


def test_each_transaction_ends_in_its_own_time(net: Simulation, host: Host, peer: Peer) -> None:
    """Timer L from the 200 to the INVITE on, timer J from that to the BYE on."""
    called(net, host, peer)
    tag = accept(net, host, peer)
    net.run(10.0)
    bye = peer.ask("BYE", host.address, to_tag=tag, cseq=2)
    net.run(GIVE_UP - 9.0)
    assert host.core.stats().active_transactions == 1
    peer.ask("BYE", host.address, to_tag=tag, cseq=2, branch=bye)
    net.run(9.5)
    assert peer.rest()[-2:] == ["200 BYE 2", "200 BYE 2"]
    assert host.core.idle


def test_a_refusal_is_repeated_until_its_ack(net: Simulation, host: Host, peer: Peer) -> None:
    """17.2.1: timers G and H need the response itself; after the ACK nothing does."""
    invite = called(net, host, peer)
    host.on_call(commands.Reject, host.call(), status=486)
    net.run(0.6)
    assert peer.rest() == ["486 INVITE 1", "486 INVITE 1"]
    (whole,) = users(host)
    assert isinstance(whole, Call)
    tag = peer.received[-1][1].to.tag
    peer.ask("ACK", host.address, to_tag=tag, branch=invite)
    net.run(0.1)
    (left,) = users(host)
    assert isinstance(left, Remains)
    peer.ask("INVITE", host.address, branch=invite)
    net.run(1.0)
    assert peer.rest() == []
    # Timer I.
    net.run(5.0)
    assert host.core.idle


def test_a_refusal_that_comes_again_gets_the_same_ack(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """17.1.1.2: timer D."""
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 486, tag="a")
    net.run(0.1)
    assert peer.rest() == ["ACK 1"]
    (left,) = users(host)
    assert isinstance(left, Remains)
    acknowledged = peer.received[-1][2]
    peer.reply(invite, 486, tag="a")
    peer.reply(invite, 180, tag="a")
    peer.reply(invite, 200, tag="a")
    net.run(0.1)
    assert peer.rest() == ["ACK 1"]
    assert peer.received[-1][2] == acknowledged
    assert host.kinds() == ["CallCreated", "CallEnded"]


def test_a_request_that_was_answered(net: Simulation, host: Host, peer: Peer) -> None:
    """17.2.2: MESSAGE and its like, which come in floods."""
    host.core.set_audience(Everybody(("MESSAGE",)), net.now)
    branch = peer.ask("MESSAGE", host.address)
    net.run(0.1)
    (whole,) = users(host)
    assert isinstance(whole, IncomingRequestUser)
    (request,) = host.of(events.IncomingRequest)
    host.submit(lambda token: commands.Respond(token=token, name=request.name, status=202))
    net.run(0.1)
    (left,) = users(host)
    assert isinstance(left, Remains)
    assert reachable(left, {id(left.context)}, (Message, IncomingRequestUser)) == []
    peer.ask("MESSAGE", host.address, branch=branch)
    net.run(0.1)
    assert peer.rest() == ["202 MESSAGE 1", "202 MESSAGE 1"]
    assert peer.received[-1][2] == peer.received[-2][2]


def test_a_response_that_met_with_an_icmp_error(net: Simulation, host: Host, peer: Peer) -> None:
    """RFC 3263 section 5: the response goes on to where the sent-by leads."""
    host.names["peer.test"] = (0.0, ("10.0.0.9",))
    elsewhere = Peer(net, "10.0.0.9")
    called(net, host, peer)
    tag = accept(net, host, peer)
    lines = (
        f"BYE sip:callee@{host.address} SIP/2.0",
        "Via: SIP/2.0/UDP peer.test:5060;branch=z9hG4bKbye",
        f"From: <sip:peer@{peer.address}>;tag=peer",
        f"To: <sip:callee@{host.address}>;tag={tag}",
        "Call-ID: one@peer",
        "CSeq: 2 BYE",
        "Max-Forwards: 70",
        "Content-Length: 0",
    )
    peer.octets("\r\n".join((*lines, "", "")).encode(), host.address)
    net.run(0.1)
    assert isinstance(users(host)[0], Remains)
    response = peer.received[-1][2]
    host.core.undelivered(response, "port unreachable", net.now)
    net.run(0.1)
    assert [data for _, _, data in elsewhere.received] == [response]


def test_an_icmp_error_about_anything_else_is_an_old_one(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """The INVITE was answered, and its ACK came: nothing is left that could be sent again."""
    hung_up(net, host, peer)
    (accepted,) = [data for _, m, data in peer.received if "200 INVITE 1" in short(m)]
    host.core.undelivered(accepted, "port unreachable", net.now)
    net.run(0.1)
    assert peer.rest() == []
    host.invite(PEER)
    net.run(0.1)
    peer.reply(peer.request("INVITE"), 486, tag="a")
    net.run(0.1)
    host.core.undelivered(peer.received[-1][2], "port unreachable", net.now)
    net.run(0.1)
    assert peer.rest() == ["ACK 1"]


def test_whoever_traces_sees_it_as_before(net: Simulation, host: Host, peer: Peer) -> None:
    _, bye, tag = hung_up(net, host, peer)
    host.core.set_tracing(True)
    traced: list[Traced] = []
    net.after(0.05, lambda: traced.extend(map(_traced, host.core.take())))
    peer.ask("BYE", host.address, to_tag=tag, cseq=2, branch=bye)
    take = host.collect
    host.collect = lambda: None  # type: ignore[method-assign]
    net.run(0.1)
    host.collect = take  # type: ignore[method-assign]
    received, sent = traced
    assert (received.sent, received.resource, received.retransmission) == (False, host.call(), True)
    assert (sent.sent, sent.resource, sent.retransmission) == (True, host.call(), True)
    assert sent.raw == sent.message.encode() == peer.received[-1][2]


def _traced(output: Output) -> Traced:
    assert isinstance(output, Traced)
    return output


def test_a_connection_is_needed_until_the_last_transaction_ends(
    net: Simulation, host: Host, peer: Peer
) -> None:
    """RFC 6026: the INVITE's lasts over TCP as well."""
    peer.ask("INVITE", host.address, transport="TCP", body=SDP)
    net.run(0.1)
    host.answer(host.call())
    net.run(0.1)
    tag = peer.received[-1][1].to.tag
    peer.ask("ACK", host.address, to_tag=tag, transport="TCP")
    peer.ask("BYE", host.address, to_tag=tag, cseq=2, transport="TCP")
    net.run(0.1)
    assert isinstance(users(host)[0], Remains)
    flow = net.flow(peer.address, host.address)
    assert host.core.flows_needed(frozenset({flow}), net.now) == {flow}
    net.run(GIVE_UP)
    assert host.core.flows_needed(frozenset({flow}), net.now) == set()


class Counting(Listener):
    """Stands beside the application, as a load does."""

    def __init__(self, user: TransactionUser) -> None:
        self.user = user
        user.listener = self
        self.counted = [0, 0]

    @property
    def publishes(self) -> bool:
        return True

    def heard(self, output: Output, now: float) -> None:
        """Nothing to do."""

    def sent_again(self) -> None:
        self.counted[0] += 1

    def received_again(self) -> None:
        self.counted[1] += 1


def test_a_load_counts_what_is_repeated_after_a_call(
    net: Simulation, host: Host, peer: Peer
) -> None:
    called(net, host, peer)
    call = host.core._population.calls[host.call()]
    listener = Counting(call)
    tag = accept(net, host, peer)
    bye = peer.ask("BYE", host.address, to_tag=tag, cseq=2)
    net.run(0.1)
    # Nor does it keep the call.
    assert listener.user is users(host)[0] is not call
    peer.ask("BYE", host.address, to_tag=tag, cseq=2, branch=bye)
    net.run(0.1)
    assert listener.counted == [1, 1]


# Calls of our own (RFC 6026 section 7.2: timer M).


def test_a_2xx_that_comes_again_gets_the_same_ack(net: Simulation, host: Host, peer: Peer) -> None:
    invite = connect(net, host, peer)
    acknowledged = peer.received[-1][2]
    host.hangup(host.call())
    net.run(0.1)
    peer.reply(peer.request("BYE"), 200)
    net.run(0.1)
    (left,) = users(host)
    assert isinstance(left, LateAnswers)
    assert reachable(left, {id(left.context)}, (Message, Call, Exchange)) == []
    net.run(GIVE_UP - 2.0)
    peer.reply(invite, 200, tag="a", body=ANSWER)
    net.run(0.1)
    assert peer.rest() == ["ACK 1"]
    assert peer.received[-1][2] == acknowledged
    assert host.core.stats().counters["retransmissions_sent"] == 1
    net.run(2.0)
    assert host.core.idle
    peer.reply(invite, 200, tag="a", body=ANSWER)
    net.run(0.1)
    assert peer.rest() == []


def test_a_fork_that_answers_late_is_ended_once(net: Simulation, host: Host, peer: Peer) -> None:
    """13.2.2.4: with the credentials of the call, and again where its 2xx comes again."""
    invite = connect(net, host, peer, credentials=(Credentials(username="u", password="p"),))
    peer.within(invite, "BYE")
    net.run(0.1)
    assert peer.rest() == ["200 BYE 1"]
    assert isinstance(users(host)[0], LateAnswers)
    peer.reply(invite, 200, tag="b", body=ANSWER)
    net.run(0.1)
    assert peer.request("ACK").to.tag == "b"
    bye = peer.request("BYE")
    assert (bye.to.tag, bye.cseq.number, bye.uri.user) == ("b", 2, "b")
    challenge = ("WWW-Authenticate", 'Digest realm="there", nonce="n1", qop="auth"')
    peer.reply(bye, 401, fields=(challenge,))
    peer.reply(invite, 200, tag="b", body=ANSWER)
    net.run(0.1)
    assert sorted(peer.rest()) == ["ACK 1", "BYE 3"]
    (last,) = [m for _, m, _ in peer.received if m.cseq.number == 3]
    assert 'realm="there"' in (last.headers.get("Authorization") or "")
    assert isinstance(last, Request)
    peer.reply(last, 200)
    net.run(GIVE_UP)
    assert host.core.idle
    assert host.kinds()[-1] == "CallEnded"


def test_a_late_fork_of_a_large_invite_is_ended(net: Simulation, host: Host, peer: Peer) -> None:
    """What is sent may be larger than what is taken from others."""
    large = Body(content_type="text/plain", data=b"x" * (DEFAULT_LIMITS.message_octets + 1))
    came: list[Message] = []
    peer.arrive = lambda data, source: came.append(  # type: ignore[method-assign]
        parse(data, OWN, stream=True)
    )
    host.invite(f"{PEER};transport=tcp", offer=large)
    net.run(0.1)
    (invite,) = came
    assert isinstance(invite, Request)
    peer.reply(invite, 200, tag="a", body=ANSWER)
    net.run(0.1)
    peer.within(invite, "BYE")
    net.run(0.1)
    assert isinstance(users(host)[0], LateAnswers)
    peer.reply(invite, 200, tag="b", body=ANSWER)
    net.run(0.1)
    assert [short(each) for each in came[-2:]] == ["ACK 1", "BYE 2"]


def test_a_late_fork_leaves_nothing_to_the_collector(
    net: Simulation, host: Host, peer: Peer
) -> None:
    # Whatever other tests have left.
    gc.collect()
    invite = connect(net, host, peer)
    peer.within(invite, "BYE")
    net.run(0.1)
    assert isinstance(users(host)[0], LateAnswers)
    peer.reply(invite, 200, tag="b", body=ANSWER)
    net.run(0.1)
    peer.reply(_request(peer, "BYE 2"), 200)
    gc.disable()
    try:
        net.run(2 * GIVE_UP)
        assert not [each for each in gc.get_objects() if isinstance(each, LateAnswers)]
    finally:
        gc.enable()


def test_a_fork_that_rang_keeps_the_call_whole(net: Simulation, host: Host, peer: Peer) -> None:
    """Its dialog has numbers of its own (12.2.1.1): a PRACK used one."""
    host.invite(PEER)
    net.run(0.1)
    invite = peer.request("INVITE")
    peer.reply(invite, 180, tag="b", fields=RELIABLE)
    net.run(0.1)
    peer.reply(peer.request("PRACK"), 200)
    peer.reply(invite, 200, tag="a", body=ANSWER)
    net.run(0.1)
    assert peer.rest() == ["ACK 1"]
    host.hangup(host.call())
    net.run(0.1)
    peer.reply(peer.request("BYE"), 200)
    net.run(6.0)
    assert isinstance(users(host)[0], Call)
    peer.reply(invite, 200, tag="b", body=ANSWER)
    net.run(0.1)
    assert peer.rest() == ["ACK 1", "BYE 3"]
    peer.reply(_request(peer, "BYE 3"), 200)


def _request(peer: Peer, line: str) -> Request:
    (request,) = [m for _, m, _ in peer.received if short(m) == line]
    assert isinstance(request, Request)
    return request
