"""Servers that ask for rest by a 503 with Retry-After: RFC 3261 section 21.5.4."""

from __future__ import annotations

from picosip_server.sip.address import Address
from picosip_server.sip.hop import Hop
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.resting import LONGEST, MOST, Resting
from picosip_server.sip.uri import Uri
from tests.engine.memory import Host, Simulation
from tests.sip.ua.peer import Peer
from tests.sip.ua.scene import connect

TEXT = Body(content_type="text/plain", data=b"hello")
BUSY = [("Retry-After", "30 (a moment)")]


def message(host: Host, uri: str, method: str = "MESSAGE") -> object:
    who = Address.parse("<sip:caller@10.0.0.1>")
    return host.submit(
        lambda token: commands.Transact(
            token=token,
            method=method,
            uri=Uri.parse(uri),
            from_address=who,
            to_address=Address(uri=Uri.parse(uri)),
            body=TEXT,
        )
    )


def hop(host: str, port: int = 5060, transport: str = "UDP") -> Hop:
    return Hop(transport=transport, host=host, port=port, local_host="10.0.0.1", local_port=5060)


def test_later_requests_go_to_the_next_server(net: Simulation, host: Host, peer: Peer) -> None:
    other = Peer(net, "10.0.0.3")
    host.names = {"two.example": (0.0, ("10.0.0.2", "10.0.0.3"))}
    message(host, "sip:x@two.example")
    net.run(0.1)
    peer.reply(peer.request("MESSAGE"), 503, fields=BUSY)
    net.run(0.1)
    # RFC 3263 section 4.3: this one at once, and the next ones from the start.
    other.reply(other.request("MESSAGE"), 200)
    net.run(0.1)
    message(host, "sip:y@two.example")
    net.run(0.1)
    other.reply(other.request("MESSAGE"), 200)
    assert peer.rest() == []
    net.run(29.8)
    message(host, "sip:z@two.example")
    net.run(0.1)
    peer.reply(peer.request("MESSAGE"), 200)
    assert other.rest() == []
    net.run(0.1)


def test_without_another_server_they_fail_at_once(net: Simulation, host: Host, peer: Peer) -> None:
    message(host, "sip:x@10.0.0.2")
    net.run(0.1)
    peer.reply(peer.request("MESSAGE"), 503, fields=BUSY)
    net.run(1.1)
    token = message(host, "sip:y@10.0.0.2")
    assert host.results[token] == Failure(
        kind=FailureKind.TRANSPORT,
        detail="10.0.0.2 port 5060 said 503, and wants no requests for another 29 s",
    )
    # Another port is another server.
    message(host, "sip:y@10.0.0.2:5070")
    net.run(0.1)
    peer.reply(peer.request("MESSAGE"), 200)
    net.run(0.1)


def test_a_call_goes_on_and_options_still_ask(net: Simulation, host: Host, peer: Peer) -> None:
    connect(net, host, peer)
    message(host, "sip:x@10.0.0.2")
    net.run(0.1)
    peer.reply(peer.request("MESSAGE"), 503, fields=BUSY)
    net.run(0.1)
    message(host, "sip:x@10.0.0.2", "OPTIONS")
    host.hangup(host.call())
    net.run(0.1)
    assert peer.rest() == ["OPTIONS 1", "BYE 2"]
    for _, request, _ in peer.received[-2:]:
        peer.reply(request, 200)  # type: ignore[arg-type]
    net.run(0.1)


def test_without_retry_after_nothing_is_remembered(net: Simulation, host: Host, peer: Peer) -> None:
    for _ in range(2):
        message(host, "sip:x@10.0.0.2")
        net.run(0.1)
        peer.reply(peer.request("MESSAGE"), 503)
        net.run(0.1)


def test_nobody_is_believed_for_longer_than_an_hour() -> None:
    resting = Resting()
    resting.note(hop("10.0.0.2"), 10 * LONGEST, 0.0)
    # By whichever transport.
    assert resting.awake((hop("10.0.0.2", transport="TCP"),), LONGEST - 1)[0] == ()
    assert resting.awake((hop("10.0.0.2"),), LONGEST) == ((hop("10.0.0.2"),), "")


def test_the_latest_word_counts() -> None:
    resting = Resting()
    resting.note(hop("10.0.0.2"), 100, 0.0)
    resting.note(hop("10.0.0.2"), 10, 0.0)
    assert resting.awake((hop("10.0.0.2"),), 10.0)[1] == ""


def test_no_more_than_so_many_are_remembered() -> None:
    resting = Resting()
    hops = tuple(hop("10.0.0.2", port) for port in range(1, MOST + 2))
    for each in hops:
        resting.note(each, 60, 0.0)
    assert resting.awake(hops, 1.0)[0] == (hops[0],)
