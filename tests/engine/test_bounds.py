"""Queues that are full, and workers that are behind: what is lost, what is refused, what passes."""

from __future__ import annotations

import socket
import sys
import threading
import time

import pytest

from picosip_server.engine.config import ListenerSpec
from picosip_server.engine.guard.config import GuardConfig
from picosip_server.engine.transport.sockets import MOST_WAITING
from picosip_server.engine.transport.udp import UdpSocket
from picosip_server.sip.message import Response
from picosip_server.sip.ua import events
from picosip_server.sip.ua.outputs import FailureKind
from tests.engine.loopback import PATIENCE, Agent, TcpPeer, UdpPeer, until


class Busy:
    """The first worker does nothing else until ``done`` is called."""

    def __init__(self, agent: Agent) -> None:
        self._began, self._done = threading.Event(), threading.Event()
        agent.engine._workers[0].post(self._work)

    def _work(self, now: float) -> None:
        self._began.set()
        assert self._done.wait(PATIENCE)

    def begun(self) -> None:
        assert self._began.wait(PATIENCE)

    def done(self) -> None:
        self._done.set()


def passed(seconds: float) -> None:
    """Until so much time is over."""
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() >= end, "time passes")


def test_commands_beyond_the_bound_are_refused_but_not_those_that_end_something() -> None:
    with Agent("udp") as agent, UdpPeer(agent.address()) as peer:
        agent.invite(peer.uri())
        name = agent.wait(events.CallCreated).resource
        worker = Busy(agent)
        worker.begun()
        for _ in range(MOST_WAITING):
            agent.engine.set_tracing(False)
        failure = agent.failure(agent.invite(peer.uri()))
        assert (failure.kind, failure.detail) == (
            FailureKind.EXHAUSTED,
            "more commands wait than this server can take",
        )
        agent.hangup(name)
        worker.done()
        # It was taken: CANCEL waits for a provisional response (RFC 3261 section 9.1).
        invite = peer.expect("INVITE")
        peer.reply(invite, 180)
        peer.expect("CANCEL")
        assert len(agent.of(events.CallCreated)) == 1
        assert agent.counter("refused_overload") == 1


def test_a_worker_that_was_behind_refuses_what_came_meanwhile() -> None:
    config = GuardConfig(overload_delay=0.01)
    with Agent("udp", guard=config) as agent, UdpPeer(agent.address()) as peer:
        # The second is begun in one round with the command behind it, which waits for it.
        first, second = Busy(agent), Busy(agent)
        agent.engine.set_tracing(False)
        first.begun()
        first.done()
        second.begun()
        peer.send(peer.request("INVITE"))
        passed(0.1)
        second.done()
        assert 5 <= int(peer.response(503).headers.get("Retry-After") or "") <= 15
        assert agent.of(events.CallReceived) == []
        # By now nothing waits.
        until(lambda: peer_is_answered(peer), "a ping is answered")


def peer_is_answered(peer: UdpPeer) -> bool:
    peer.send(peer.request("OPTIONS"))
    answer = peer.receive()
    return getattr(answer, "status", 0) == 200


@pytest.mark.parametrize(("delay", "refused"), [(0.001, True), (0.0, False)])
def test_one_stream_can_keep_a_worker_behind(delay: float, refused: bool) -> None:
    """What streams bring waits in the system: it is the length of a turn that shows."""
    config = GuardConfig(overload_delay=delay)
    with Agent("tcp", guard=config) as agent, TcpPeer.to(agent.address("TCP")) as peer:
        peer.send(b"".join(peer.request("INVITE") for _ in range(300)))
        answers = [peer.receive() for _ in range(300)]
        statuses = {each.status for each in answers if isinstance(each, Response)}
        assert statuses <= {100, 503}
        assert (503 in statuses) is refused


def test_whoever_takes_the_outputs_can_hold_the_engine_back() -> None:
    with Agent("udp", workers=2) as agent, UdpPeer(agent.address()) as peer:
        agent.engine.hold_back(True)
        peer.send(peer.request("INVITE"))
        peer.response(503)
        assert agent.failure(agent.invite(peer.uri())).kind is FailureKind.EXHAUSTED
        agent.engine.hold_back(False)
        peer.ping()
        agent.invite(peer.uri())
        peer.expect("INVITE")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a socket lost")
def test_what_the_system_had_no_room_for_is_counted() -> None:
    udp = UdpSocket(ListenerSpec(transport="UDP", host="127.0.0.1", port=0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        assert udp.lost == 0
        for _ in range(300):
            sender.sendto(b"x" * 60_000, ("127.0.0.1", udp.bound.port))
        lost = udp.lost
        assert 0 < lost < 300
    udp.close()
    assert udp.lost == 0
