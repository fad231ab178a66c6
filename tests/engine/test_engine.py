"""The engine from outside: calls over real sockets, and its own start and end."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import ExitStack

import pytest

from picosip_server.engine.config import ListenerSpec
from picosip_server.engine.transport.resolver import THREADS
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import CallSnapshot, CallState, Cause
from tests.engine.loopback import Agent, Peer, TcpHost, TcpPeer, UdpPeer

TRANSPORTS = [("udp", "127.0.0.1"), ("udp", "::1"), ("tcp", "127.0.0.1"), ("tcp", "::1")]
each_transport = pytest.mark.parametrize(("transport", "host"), TRANSPORTS)


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))


@each_transport
def test_a_call_that_a_peer_places(transport: str, host: str) -> None:
    with ExitStack() as stack:
        agent = stack.enter_context(Agent(f"{transport}:{host}"))
        server = agent.address(transport.upper())
        peer: Peer = UdpPeer(server) if transport == "udp" else TcpPeer.to(server)
        stack.enter_context(peer)
        peer.send(peer.request("INVITE", call_id="c1", branch="b1"))
        assert peer.response(100).to.tag == ""
        name = agent.wait(events.CallReceived).resource
        answered = agent.answer(name)
        ok = peer.response(200)
        (contact,) = ok.contacts
        # Port and transport of the listener, so that requests in the dialog come here.
        assert (contact.uri.host, contact.uri.port) == server
        assert contact.uri.transport == ("TCP" if transport == "tcp" else "")
        peer.send(peer.request("ACK", call_id="c1", to_tag=ok.to.tag))
        result = agent.result(answered)
        assert isinstance(result, CallSnapshot)
        assert result.state is CallState.CONFIRMED
        peer.send(peer.request("BYE", call_id="c1", to_tag=ok.to.tag, cseq=2))
        peer.response(200)
        assert agent.wait(events.CallEnded).termination.cause is Cause.REMOTE_HANGUP
        assert agent.engine.stats().active_calls == 0


@each_transport
def test_a_call_that_the_engine_places(transport: str, host: str) -> None:
    with ExitStack() as stack:
        agent = stack.enter_context(Agent(f"{transport}:{host}"))
        server = agent.address(transport.upper())
        peer: Peer
        if transport == "udp":
            peer = stack.enter_context(UdpPeer(server))
            agent.invite(peer.uri())
        else:
            far = stack.enter_context(TcpHost(host))
            agent.invite(far.uri())
            peer = stack.enter_context(far.accept())
        invite = peer.expect("INVITE")
        assert (invite.via.host, invite.via.port) == server
        assert invite.via.transport == transport.upper()
        assert invite.via.wants_rport
        peer.reply(invite, 200)
        assert peer.expect("ACK").to.tag == "far"
        name = agent.wait(events.CallConfirmed).resource
        # 18.1.1: over TCP the connection that is open is used again.
        hangup = agent.hangup(name)
        peer.reply(peer.expect("BYE"), 200)
        result = agent.result(hangup)
        assert isinstance(result, CallSnapshot)
        assert result.state is CallState.TERMINATED
        assert agent.engine.stats().active_calls == 0


def test_commands_on_what_is_not_there() -> None:
    with Agent() as agent:
        for name in ("calls/test-0-none", "calls/test-7-none", "calls/nonsense", "-", ""):
            assert agent.failure(agent.hangup(name)).kind is FailureKind.NOT_FOUND
        token = agent.submit(commands.Respond, name="requests/test-0-none", status=200)
        assert agent.failure(token).kind is FailureKind.NOT_FOUND


def test_tracing_can_be_turned_on_and_off() -> None:
    with Agent("udp") as agent, UdpPeer(agent.address()) as peer:
        peer.ping()
        agent.engine.set_tracing(True)
        agent.snapshot()
        peer.ping()
        came, went = agent.wait_traced(2)
        here, far = agent.address(), (peer.host, peer.port)
        assert (came.sent, came.local, came.remote) == (False, here, far)
        assert (went.sent, went.local, went.remote) == (True, here, far)
        agent.engine.set_tracing(False)
        agent.snapshot()
        peer.ping()
        assert len(agent.wait_traced(2)) == 2


def test_a_draining_engine_takes_no_new_work() -> None:
    with Agent("udp") as agent, UdpPeer(agent.address()) as peer:
        agent.engine.refuse_new_work()
        token = agent.invite(peer.uri())
        assert agent.failure(token).kind is FailureKind.UNAVAILABLE
        peer.send(peer.request("INVITE"))
        assert peer.response(503).headers.get("Retry-After") == "5"
        assert agent.counter("refused_draining") == 2


def test_whoever_waits_for_the_end_of_all_calls_is_told() -> None:
    with Agent("udp", workers=2) as agent, UdpPeer(agent.address()) as peer:
        agent.invite(peer.uri())
        invite = peer.expect("INVITE")
        peer.reply(invite, 200)
        peer.expect("ACK")
        agent.wait(events.CallConfirmed)
        agent.engine.end_all_calls("first")
        agent.engine.end_all_calls("second")
        peer.reply(peer.expect("BYE"), 200)
        assert agent.result("first") is None
        assert agent.result("second") is None
        assert agent.wait(events.CallEnded).termination.cause is Cause.SERVER_SHUTDOWN
        agent.engine.end_all_calls("nothing left")
        assert agent.result("nothing left") is None


def test_calls_that_nobody_answers_end_when_they_are_abandoned() -> None:
    with Agent("udp", workers=2) as agent, UdpPeer(agent.address()) as peer:
        for _ in range(4):
            agent.invite(peer.uri())
        agent.engine.end_all_calls("all")
        agent.engine.abandon_all()
        assert agent.result("all") is None
        ends = agent.of(events.CallEnded)
        assert [end.termination.cause for end in ends] == [Cause.SERVER_SHUTDOWN] * 4
        agent.wait_empty()
        assert len(agent.of(events.CallEnded)) == 4


def test_a_snapshot_has_what_lives() -> None:
    with Agent("udp", workers=2) as agent, UdpPeer(agent.address()) as peer:
        assert agent.snapshot().calls == ()
        tokens = [agent.invite(peer.uri()) for _ in range(8)]
        made = {getattr(agent.result(token), "name", "") for token in tokens}
        assert {call.name for call in agent.snapshot().calls} == made
        # Made on both workers, or this shows little.
        assert {name.split("-")[1] for name in made} <= {"0", "1"}
        assert agent.engine.stats().active_calls == 8
        assert agent.engine.size() >= 8
        assert agent.engine.stats().calls_by_state == {"calling": 8}


def test_stopping_leaves_no_thread_and_no_descriptor() -> None:
    threads, open_before = set(threading.enumerate()), descriptors()
    with Agent("udp", "tcp", "udp:::1", "tcp:::1", workers=3) as agent:
        assert len(set(threading.enumerate()) - threads) == 3 + THREADS
        with TcpPeer.to(agent.address("TCP")) as one, TcpHost() as far, UdpPeer(agent.address()):
            one.ping()
            agent.invite(far.uri())
            with far.accept() as two:
                two.expect("INVITE")
                agent.engine.stop()
                assert two.closed()
            assert one.closed()
    assert set(threading.enumerate()) == threads
    assert descriptors() == open_before
    # Nothing comes of it, but nothing breaks either.
    agent.engine.stop()
    agent.invite("sip:late@127.0.0.1")
    agent.engine.submit_snapshot("late")
    agent.engine.set_tracing(True)
    assert agent.engine.stats().active_calls == 1


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_an_address_in_use_is_named_and_nothing_stays_bound(transport: str) -> None:
    kind = socket.SOCK_DGRAM if transport == "UDP" else socket.SOCK_STREAM
    threads, open_before = threading.active_count(), descriptors()
    with socket.socket(socket.AF_INET, kind) as taken, socket.socket() as probe:
        taken.bind(("127.0.0.1", 0))
        if transport == "TCP":
            taken.listen()
        port = taken.getsockname()[1]
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
        probe.close()
        with pytest.raises(OSError, match=f"cannot listen on {transport.lower()}:127.0.0.1:{port}"):
            Agent(
                ListenerSpec(transport="TCP", host="127.0.0.1", port=free),
                "udp",
                ListenerSpec(transport=transport, host="127.0.0.1", port=port),
            )
        with socket.socket() as again:
            again.bind(("127.0.0.1", free))
    assert threading.active_count() == threads
    assert descriptors() == open_before
