"""Every scenario ends at rest, with nothing left behind on any user agent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.memory import Host, Simulation
from tests.sip.ua.peer import Peer


@pytest.fixture
def net() -> Iterator[Simulation]:
    """A network without faults; after the test the calls that stand are ended, and it runs
    until nothing is due any more."""
    simulation = Simulation()
    yield simulation
    for host in simulation.hosts.values():
        host.core.end_all(lambda: None, simulation.now)
        host.collect()
    simulation.run()
    for host in simulation.hosts.values():
        assert host.core.idle
        assert host.core.stats().active_transactions == 0


@pytest.fixture
def host(net: Simulation) -> Host:
    """The user agent under test."""
    return net.host("10.0.0.1")


@pytest.fixture
def peer(net: Simulation) -> Peer:
    """The far end, played by the test."""
    return Peer(net, "10.0.0.2")
