"""Datagrams leave at the end of a turn, and what the system refuses is heard of then."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from picosip_server.engine.config import EngineConfig, ListenerSpec
from picosip_server.engine.core import Core
from picosip_server.engine.transport.sockets import Sockets
from picosip_server.engine.transport.worker_network import WorkerNetwork
from picosip_server.engine.worker import Worker
from picosip_server.sip.hop import Hop

CONFIG = EngineConfig(
    listeners=(ListenerSpec(transport="UDP", host="127.0.0.1", port=0),), node="test"
)


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    made = Sockets(CONFIG)
    yield made
    made.close()


@pytest.fixture
def worker(sockets: Sockets) -> Iterator[Worker]:
    """One that takes a turn when it is told to."""
    made = Worker(0, lambda batch: None)
    made.core = Core(CONFIG, WorkerNetwork(sockets, made, made))
    yield made
    made.close()


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        yield made


def to(host: str, port: int) -> Hop:
    return Hop(transport="UDP", host=host, port=port, local_host="127.0.0.1", local_port=5060)


def test_datagrams_leave_together(worker: Worker, peer: socket.socket) -> None:
    population, hop = worker.core._population, to(*peer.getsockname())

    def work(now: float) -> None:
        for data in (b"1", b"2", b"3"):
            population.send_octets(data, 200, hop)
        with pytest.raises(BlockingIOError):
            peer.recv(9)

    worker.post(work)
    worker.turn(())
    assert [peer.recv(9) for _ in range(3)] == [b"1", b"2", b"3"]
    assert worker.internal_errors == 0


def test_one_that_the_system_refuses_holds_up_no_other(worker: Worker, peer: socket.socket) -> None:
    population, hop = worker.core._population, to(*peer.getsockname())

    def work(now: float) -> None:
        # Nobody stands behind it, and no datagram is so long.
        population.send_octets(b"x" * 70_000, 503, hop)
        population.send_octets(b"2", 200, hop)

    worker.post(work)
    worker.turn(())
    assert peer.recv(9) == b"2"
    assert worker.core.stats().counters["transport_failures"] == 1
    assert worker.internal_errors == 0
