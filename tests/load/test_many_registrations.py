"""Four thousand registrations: never all at once, whatever happens to the registrar."""

from __future__ import annotations

from collections import Counter

import pytest

from picosip_server.engine.network import Source
from picosip_server.sip.address import Address
from picosip_server.sip.hop import Hop
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.snapshots import RegistrationState
from picosip_server.sip.uri import Uri
from tests.engine.memory import Simulation

LINES = 4_000
HOME = "10.0.0.2"
HERE = "10.0.0.1"
MINUTE = 60.0
HOUR = 3600.0


class Registrar:
    """Grants everything for an hour; it only looks at what it must echo."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.times: list[float] = []
        self.refuses = False
        simulation.peers[HOME] = self

    def arrive(self, data: bytes, source: Source) -> None:
        self.times.append(self.simulation.now)
        lines = data.decode().split("\r\n")
        kept = [line for line in lines[1:] if line.startswith(("Via", "F", "T", "Call", "CS"))]
        first = "SIP/2.0 503 Down" if self.refuses else "SIP/2.0 200 OK"
        answer = "\r\n".join((first, *kept, "Expires: 3600", "Content-Length: 0", "", ""))
        back = Hop(transport="UDP", host=source.host, port=5060, local_host=HOME, local_port=5060)
        self.simulation.carry(HOME, back, answer.encode())

    def per_minute(self, since: float) -> list[int]:
        """How many came in each whole minute from then on."""
        counts = Counter(int((at - since) // MINUTE) for at in self.times if at >= since)
        return [counts[minute] for minute in range(max(counts))]

    def most_in_a_second(self, since: float = 0.0) -> int:
        return max(Counter(int(at) for at in self.times if at >= since).values())


def evenly(registrar: Registrar, since: float) -> None:
    """4,000 in about 50 minutes are 76 a minute; by chance a few minutes have some more."""
    loads = registrar.per_minute(since)
    mean = sum(loads) / len(loads)
    assert 60 < mean < 100
    assert max(loads) < 1.5 * mean
    assert registrar.most_in_a_second(since) < 8 * mean / MINUTE


# Some 40,000 REGISTERs, and several times slower where coverage is measured.
@pytest.mark.timeout(900)
def test_thousands_of_registrations_are_spread_evenly() -> None:
    simulation = Simulation()
    simulation.faults.delay = 0.001
    host = simulation.host(HERE)
    registrar = Registrar(simulation)
    for line in range(LINES):
        host.submit(
            lambda token, line=line: commands.Register(  # type: ignore[misc]
                token=token,
                registrar=Uri.parse(f"sip:{HOME}"),
                aor=Address.parse(f"<sip:{line}@{HOME}>"),
            )
        )
    # The burst is spread by --register-rate, 100 a second.
    simulation.run(41.0)
    assert len(registrar.times) == LINES
    assert registrar.most_in_a_second() <= 101
    states = Counter(each.state for each in host.core.snapshot().registrations)
    assert states == {RegistrationState.ACTIVE: LINES}

    # After some hours no minute has clearly more than others; all in one would be 4,000.
    simulation.run(2 * HOUR)
    evenly(registrar, simulation.now - HOUR)

    # The registrar is down for a while. Retries get rarer, and do not come in waves.
    registrar.refuses = True
    down = simulation.now
    simulation.run(20 * MINUTE)
    assert registrar.most_in_a_second(down) < 30
    loads = registrar.per_minute(down)
    assert max(loads) < 400

    # It is back: everybody is within half an hour, and that evenly again some time later.
    registrar.refuses = False
    back = simulation.now
    simulation.run(31 * MINUTE)
    states = Counter(each.state for each in host.core.snapshot().registrations)
    assert states == {RegistrationState.ACTIVE: LINES}
    assert registrar.most_in_a_second(back) < 30
    simulation.run(2 * HOUR)
    evenly(registrar, simulation.now - HOUR)
