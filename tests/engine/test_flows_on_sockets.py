"""Keep-alives over real sockets: RFC 5626 sections 3.5, 4.4 and 8."""

from __future__ import annotations

import socket

import pytest

from picosip_server.sip import stun
from picosip_server.sip.address import Address
from picosip_server.sip.build import response_to
from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Outbound
from picosip_server.sip.uri import Uri
from tests.engine.loopback import PATIENCE, Agent, TcpHost, TcpPeer, UdpPeer, until

ID = b"0123456789ab"
FLOW = (("Require", "outbound"), ("Expires", "600"), ("Flow-Timer", "1"))


def register(agent: Agent, registrar: str) -> object:
    return agent.submit(
        commands.Register,
        registrar=Uri.parse(registrar),
        aor=Address.parse("<sip:kai@home.example>"),
        outbound=Outbound(),
    )


def granted(request: Request) -> bytes:
    return response_to(request, 200, to_tag="far", headers=FLOW).encode()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_each_udp_port_is_a_stun_server(host: str) -> None:
    """Section 8: the address that a request came from."""
    with Agent(f"udp:{host}") as agent, UdpPeer(agent.address()) as peer:
        peer.send(stun.binding_request(ID))
        message = stun.parse(peer.socket.recv(65535))
        assert message == stun.StunMessage(kind=stun.Kind.SUCCESS, id=ID, mapped=(host, peer.port))
        # What is malformed or no request gets no answer, and disturbs nobody.
        peer.send(stun.binding_request(ID)[:-2] + b"\0\0\0\0")
        peer.send(stun.answer(message, "127.0.0.1", 4))
        peer.send(bytes.fromhex("00110000") + stun.binding_request(ID)[4:])
        peer.ping()
        assert agent.counter("messages_received") == 1
        assert agent.counter("parse_errors") == 0


def test_a_connection_is_pinged_and_replaced_when_it_ends() -> None:
    """4.4.1, 4.5."""
    with Agent("tcp", workers=2) as agent, TcpHost() as home:
        token = register(agent, home.uri())
        with home.accept() as peer:
            peer.send(granted(peer.expect("REGISTER")))
            agent.result(token)
            for _ in range(2):
                assert peer.socket.recv(100) == b"\r\n\r\n"
                peer.send(b"\r\n")
            # The next ping says that the pongs before it were taken.
            assert peer.socket.recv(100) == b"\r\n\r\n"
        with home.accept() as peer:
            again = peer.expect("REGISTER")
            assert again.contacts[0].params.get("reg-id") == "1"
            assert again.cseq.number == 2
            peer.send(granted(again))
            until(lambda: states(agent)[-1:] == ["ACTIVE"] and len(states(agent)) == 3, "active")
            assert states(agent) == ["ACTIVE", "REGISTERING", "ACTIVE"]


def states(agent: Agent) -> list[str]:
    return [each.registration.state.name for each in agent.of(events.RegistrationChanged)]


def test_a_udp_flow_is_kept_by_stun() -> None:
    """4.4.2: from the port that SIP uses; another mapped address is another flow."""
    with Agent("udp", workers=2) as agent, UdpPeer(agent.address()) as home:
        home.socket.settimeout(PATIENCE)
        token = register(agent, f"sip:127.0.0.1:{home.port}")
        request = home.expect("REGISTER")
        home.send(granted(request))
        agent.result(token)
        for port in (4, 5):
            data, source = home.socket.recvfrom(65535)
            assert source == agent.address()
            home.send(stun.answer(stun.parse(data), "203.0.113.7", port))
        again = home.expect("REGISTER")
        assert again.cseq.number == 2
        home.send(granted(again))
        until(lambda: len(states(agent)) == 3, "active again")
        assert states(agent) == ["ACTIVE", "REGISTERING", "ACTIVE"]


def test_calls_come_back_over_the_connection_of_the_flow() -> None:
    with Agent("tcp") as agent, TcpHost() as home:
        token = register(agent, home.uri())
        with home.accept() as peer:
            peer.send(granted(peer.expect("REGISTER")))
            agent.result(token)
            peer.send(peer.request("INVITE"))
            name = agent.wait(events.CallReceived).resource
            agent.submit(commands.Reject, name=name, status=486)
            peer.response(486)
            # And those of ours leave by it, with "ob" for what comes back.
            agent.invite(
                home.uri(), from_address=Address.parse("<sip:kai@home.example>"), offer=None
            )
            invite = peer.expect("INVITE")
            host, port = agent.address("TCP")
            assert str(invite.contacts[0].uri) == f"sip:kai@{host}:{port};transport=tcp;ob"
            peer.reply(invite, 603)


def test_a_peer_that_pings_is_answered() -> None:
    """3.5.1."""
    with Agent("tcp") as agent, TcpPeer.to(agent.address("TCP")) as peer:
        peer.send(b"\r\n\r\n")
        assert peer.socket.recv(100) == b"\r\n"
        peer.socket.shutdown(socket.SHUT_WR)
