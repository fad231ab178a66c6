"""Responses whose way back is gone: RFC 3261 section 18.2.2, RFC 3263 section 5."""

from __future__ import annotations

import socket

import pytest

from picosip_server.engine.network import Sender, Source
from picosip_server.sip.message import Response
from picosip_server.sip.parse import parse
from picosip_server.sip.ua import commands, events
from tests.engine.loopback import PATIENCE, Agent, TcpHost, TcpPeer
from tests.engine.probe import FAR, HERE, Server, octets
from tests.support.nameserver import NameServer

UDP = Source("UDP", FAR, 5099, HERE, 5060)
TCP = Source("TCP", FAR, 5099, HERE, 5060, flow=7)


def asked(server: Server, sent_by: str, source: Source) -> events.IncomingRequest:
    """A request that the application is to answer."""
    via = f"SIP/2.0/{source.transport} {sent_by};branch=z9hG4bKgone"
    server.arrive(octets("MESSAGE", "Content-Length: 0", via=via), source)
    server.collect()
    return server.of(events.IncomingRequest)[-1]


def respond(server: Server, name: str) -> None:
    server.submit(lambda token: commands.Respond(token=token, name=name, status=200))


def tried(server: Server) -> list[tuple[str, str, int, int]]:
    """Where the response went, one after the other, for all that left."""
    responses = [(hop, parse(data)) for _, hop, data in server.out]
    assert all(isinstance(each, Response) and each.status == 200 for _, each in responses)
    return [(hop.transport, hop.host, hop.port, hop.flow) for hop, _ in responses]


def fail(server: Server, *, flow: int = 0) -> None:
    """The network finds that what it took last does not leave."""
    sender = server.senders[-1]
    assert isinstance(sender, Sender)
    server.core.failed(sender, "connection refused", server.simulation.now, flow=flow)
    server.collect()


@pytest.mark.parametrize("source", [UDP, TCP], ids=["UDP", "TCP"])
def test_the_address_of_the_sent_by_is_next(source: Source) -> None:
    server = Server("MESSAGE")
    server.unreachable.add(FAR)
    name = asked(server, "10.0.0.5:5070", source).name
    respond(server, name)
    assert tried(server) == [(source.transport, "10.0.0.5", 5070, 0)]
    assert server.counter("transport_failures") == 1


def test_a_name_is_looked_up_and_its_addresses_tried_in_turn() -> None:
    server = Server("MESSAGE")
    server.unreachable |= {FAR, "10.0.0.5"}
    server.names = {"pub.example": (0.1, ("10.0.0.5", FAR, "10.0.0.6", "10.0.0.7"))}
    respond(server, asked(server, "pub.example:5070", TCP).name)
    # Nobody waits for the name.
    assert tried(server) == []
    server.later(0.1)
    # The port is that of the Via; what failed already is not tried again there.
    assert tried(server) == [("TCP", "10.0.0.6", 5070, 0)]
    fail(server)
    assert tried(server)[1:] == [("TCP", "10.0.0.7", 5070, 0)]
    fail(server)
    assert len(tried(server)) == 2
    assert server.core.idle


def test_a_connection_that_breaks_is_opened_again_first() -> None:
    """18.2.2: to the source address, and the port in the Via."""
    server = Server("MESSAGE")
    respond(server, asked(server, "10.0.0.5:5070", TCP).name)
    assert tried(server) == [("TCP", FAR, 5070, 7)]
    fail(server, flow=7)
    assert tried(server)[1:] == [("TCP", FAR, 5070, 0)]
    fail(server, flow=8)
    assert tried(server)[2:] == [("TCP", "10.0.0.5", 5070, 0)]
    fail(server, flow=9)
    assert len(tried(server)) == 3
    assert server.core.idle


def test_a_name_that_leads_nowhere_ends_it() -> None:
    server = Server("MESSAGE")
    server.unreachable.add(FAR)
    respond(server, asked(server, "nowhere.example", TCP).name)
    assert tried(server) == []
    assert server.core.idle


def test_what_failed_is_not_tried_twice() -> None:
    server = Server("MESSAGE")
    server.unreachable.add(FAR)
    respond(server, asked(server, f"{FAR}:5070", TCP).name)
    assert tried(server) == []
    assert server.core.idle


def test_the_transaction_goes_on() -> None:
    """17.2.2: the request again, by the old way, has the same answer."""
    server = Server("MESSAGE")
    server.unreachable.add(FAR)
    respond(server, asked(server, "10.0.0.5:5070", UDP).name)
    server.unreachable.clear()
    via = "SIP/2.0/UDP 10.0.0.5:5070;branch=z9hG4bKgone"
    server.hear(octets("MESSAGE", "Content-Length: 0", via=via), UDP)
    assert tried(server)[1:] == [("UDP", FAR, 5070, 0)]


def test_a_response_reaches_the_servers_of_the_domain_in_the_via() -> None:
    """RFC 3263 section 5: SRV where the sent-by has no port; one of them is dead."""
    with NameServer() as names, TcpHost("127.0.0.2") as far, TcpHost("127.0.0.2") as closed:
        closed.socket.close()
        names.records = {
            "SRV _sip._tcp.pub.test": [
                f"1 0 {closed.port} h.pub.test.",
                f"2 0 {far.port} h.pub.test.",
            ],
            "A h.pub.test": ["127.0.0.2"],
        }
        with Agent(dns_servers=(names.address,)) as agent:
            # Where, as far as can be known, nobody listens at port 5060.
            own = ("127.0.0.9", 0)
            at = agent.address("TCP")
            with TcpPeer(socket.create_connection(at, PATIENCE, source_address=own)) as peer:
                peer.send(peer.request("INVITE", sent_by="pub.test", branch="gone"))
                peer.response(100)
                call = agent.wait(events.CallReceived).resource
            # Nobody is at the peer's address and port 5060, nor at the first server.
            agent.submit(commands.Reject, name=call, status=486)
            with far.accept() as again:
                response = again.response(486)
                assert response.via.received == own[0]
                assert response.via.branch == "z9hG4bKgone"
            assert agent.counter("transport_failures") == 2
