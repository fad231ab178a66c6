"""Which listener speaks to whom, and what it shows of itself."""

from __future__ import annotations

import socket

import pytest

from picosip_server.engine.config import EngineConfig, ListenerSpec
from picosip_server.engine.network import Unreachable
from picosip_server.engine.transport.listeners import Listeners
from picosip_server.engine.transport.sockets import Sockets
from picosip_server.engine.worker import Worker
from picosip_server.sip.message import Response
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import NextHop, Options, WaitFor
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.uri import Uri
from tests.engine.loopback import Agent, TcpHost, TcpPeer, UdpPeer


def listeners(*texts: str, advertise: str = "", port: int = 0) -> Listeners:
    """Of ``UDP 127.0.0.1 5060`` and the like."""
    specs = []
    for text in texts:
        transport, host, number = text.split()
        specs.append(ListenerSpec(transport=transport, host=host, port=int(number)))
    return Listeners(tuple(specs), advertise, port)


def test_hops_have_defaults() -> None:
    both = listeners("TCP 127.0.0.1 5070", "UDP 127.0.0.1 5080", "TCP ::1 5090")
    hop = both.hop("127.0.0.1", 0, "")
    assert (hop.transport, hop.port, hop.listener, hop.local_port) == ("UDP", 5060, 1, 5080)
    hop = both.hop("127.0.0.1", 7, "TCP")
    assert (hop.transport, hop.port, hop.listener, hop.local_port) == ("TCP", 7, 0, 5070)
    # Where there is no UDP for the family, TCP.
    hop = both.hop("::1", 0, "")
    assert (hop.transport, hop.listener, hop.local_host) == ("TCP", 2, "::1")


def test_a_hop_is_found_once_until_it_is_forgotten() -> None:
    here = listeners("UDP 0.0.0.0 5060")
    hop = here.hop("127.0.0.1", 0, "", domain="one")
    assert here.hop("127.0.0.1", 0, "", domain="one") is hop
    assert here.hop("127.0.0.1", 0, "", domain="two").domain == "two"
    here.forget()
    again = here.hop("127.0.0.1", 0, "", domain="one")
    assert again == hop and again is not hop


def test_hops_are_forgotten_each_time_that_connections_are_looked_over() -> None:
    worker = Worker(0, lambda outputs: None)
    spec = ListenerSpec(transport="UDP", host="127.0.0.1", port=0)
    sockets = Sockets(EngineConfig(listeners=(spec,), node="test"))
    try:
        sockets.attach([worker])
        hop = sockets.listeners.hop("127.0.0.1", 0, "")
        assert sockets.listeners.hop("127.0.0.1", 0, "") is hop
        assert worker.on_idle is not None
        worker.on_idle(worker.now)
        assert sockets.listeners.hop("127.0.0.1", 0, "") is not hop
    finally:
        sockets.close()
        worker.close()


def test_an_address_has_one_spelling() -> None:
    hop = listeners("UDP ::1 5060").hop("0:0:0:0:0:0:0:01", 0, "")
    assert hop.host == "::1"
    assert listeners("UDP fe80::1 5060").hop("FE80::0002%lo", 0, "").host == "fe80::2%lo"


@pytest.mark.parametrize(
    ("host", "transport", "message"),
    [
        ("::1", "", "this server has no UDP or TCP listener for IPv6, which ::1 needs"),
        ("127.0.0.1", "TCP", "this server has no TCP listener for IPv4, which 127.0.0.1 needs"),
    ],
)
def test_a_missing_listener_is_named(host: str, transport: str, message: str) -> None:
    with pytest.raises(Unreachable, match=message):
        listeners("UDP 127.0.0.1 5060").hop(host, 5060, transport)


def test_of_several_listeners_the_one_on_the_way_is_taken() -> None:
    # The system sends to 127.0.0.x from 127.0.0.1.
    specs = ("UDP 127.0.0.9 1", "UDP 127.0.0.1 2", "UDP 0.0.0.0 3", "UDP 127.0.0.1 4")
    assert listeners(*specs).hop("127.0.0.5", 0, "").listener == 1
    assert listeners(specs[0], specs[2]).hop("127.0.0.5", 0, "").listener == 1
    assert listeners(specs[0], "UDP 127.0.0.8 5").hop("127.0.0.5", 0, "").listener == 0


def test_what_is_shown() -> None:
    assert listeners("UDP 0.0.0.0 5060").local(0, "127.0.0.1") == ("127.0.0.1", 5060)
    assert listeners("TCP 0.0.0.0 5060").local(0, "192.0.2.1", own="10.0.0.7")[0] == "10.0.0.7"
    assert listeners("UDP :: 5060").local(0, "::1") == ("::1", 5060)
    assert listeners("UDP fe80::1%lo 5060").local(0, "fe80::2") == ("fe80::1", 5060)
    named = listeners("UDP 0.0.0.0 5060", advertise="sip.example.com", port=5070)
    assert named.local(0, "127.0.0.1") == ("sip.example.com", 5070)
    assert listeners("UDP 0.0.0.0 5062", advertise="x").local(0, "127.0.0.1") == ("x", 5062)


def test_without_a_route_nothing_is_shown() -> None:
    with pytest.raises(Unreachable, match=r"no route to 255\.255\.255\.255"):
        # Broadcasting is not allowed to an ordinary socket.
        listeners("UDP 0.0.0.0 5060").local(0, "255.255.255.255")


def test_a_wildcard_listener_shows_the_address_that_the_peer_sees() -> None:
    with Agent("udp:0.0.0.0", "tcp:0.0.0.0") as agent:
        ports = [each.port for each in agent.bound]
        with UdpPeer(("127.0.0.1", ports[0])) as udp:
            agent.invite(udp.uri())
            invite = udp.expect("INVITE")
            assert invite.via.sent_by == f"127.0.0.1:{ports[0]}"
            assert invite.contacts[0].uri.host == "127.0.0.1"
            udp.reply(invite, 486)
        with TcpPeer.to(("127.0.0.7", ports[1])) as tcp:
            tcp.send(tcp.request("INVITE"))
            tcp.response(100)
            agent.answer(agent.wait(events.CallReceived).resource)
            # The very address that it came to, not merely one that leads to it.
            (contact,) = tcp.response(200).contacts
            assert (contact.uri.host, contact.uri.port) == ("127.0.0.7", ports[1])


def test_each_of_several_listeners_answers_for_itself() -> None:
    with Agent("udp", "udp", "tcp", "tcp", "udp:::1") as agent:
        assert len({(each.transport, each.host, each.port) for each in agent.bound}) == 5
        for each in agent.bound:
            server = (each.host, each.port)
            peer = UdpPeer(server) if each.transport == "UDP" else TcpPeer.to(server)
            with peer:
                if each.transport == "UDP":
                    peer.socket.connect(server)
                peer.send(peer.request("INVITE"))
                peer.response(100)
                name = agent.wait(events.CallReceived, len(agent.of(events.CallReceived)) or 1)
                agent.engine.end_all_calls(each)
                peer.response(503)
                assert name.resource.startswith("calls/test-0-")


def test_a_family_without_listener_fails_the_call_with_a_reason() -> None:
    with Agent("udp") as agent:
        for uri, reason in [
            ("sip:x@[::1]", "no UDP or TCP listener for IPv6"),
            ("sip:x@127.0.0.1;transport=tcp", "no TCP listener for IPv4"),
            ("sip:x@127.0.0.1;transport=sctp", "the transport SCTP is not offered"),
            ("sips:x@127.0.0.1", "no TLS listener for IPv4"),
        ]:
            failure = agent.failure(agent.invite(uri, wait_for=WaitFor.FINAL))
            assert failure.kind is FailureKind.TRANSPORT
            assert reason in failure.detail


def test_names_are_resolved() -> None:
    with Agent("udp") as agent, UdpPeer(agent.address()) as peer:
        token = agent.submit(commands.Ping, uri=Uri.parse(f"sip:x@localhost:{peer.port}"))
        peer.reply(peer.expect("OPTIONS"), 200)
        assert isinstance(agent.result(token), Response)


def test_a_name_that_does_not_resolve_fails_the_call() -> None:
    # Longer than a label may be, so that nobody needs to be asked (RFC 1035 section 2.3.4).
    name = "x" * 64 + ".invalid"
    with Agent("udp", workers=2) as agent:
        for _ in range(4):
            failure = agent.failure(agent.invite(f"sip:x@{name}", wait_for=WaitFor.FINAL))
            assert failure.kind is FailureKind.TRANSPORT
            assert f"the name '{name}' does not resolve" in failure.detail


def test_the_next_hop_may_be_in_brackets() -> None:
    with Agent("tcp:::1") as agent, TcpHost("::1") as far:
        hop = NextHop(host="[::1]", port=far.port, transport="TCP")
        agent.submit(
            commands.Ping, uri=Uri.parse("sip:x@far.example"), options=Options(next_hop=hop)
        )
        with far.accept() as peer:
            assert peer.socket.family == socket.AF_INET6
            peer.reply(peer.expect("OPTIONS"), 200)


def test_the_advertised_port_is_that_of_plain_sip() -> None:
    both = listeners(
        "TCP 127.0.0.1 5060", "TLS 127.0.0.1 5061", advertise="sip.example.com", port=5070
    )
    assert both.local(0, "127.0.0.1") == ("sip.example.com", 5070)
    assert both.local(1, "127.0.0.1") == ("sip.example.com", 5061)
