"""Where loads may go, and that they go nowhere else."""

from __future__ import annotations

import ipaddress

import pytest

from picosip_server.engine.load.targets import LOOPBACK, AllowedName, AllowedNetwork, Targets
from picosip_server.sip.hop import Target
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.outputs import FailureKind
from tests.engine.load.running import NEARBY, Running, answers, at_rate, calls
from tests.engine.memory import Simulation
from tests.sip.ua.peer import Peer


@pytest.mark.parametrize(
    ("host", "port", "allowed"),
    [
        ("127.0.0.1", 5060, True),
        ("127.9.9.9", 1, True),
        ("::1", 5060, True),
        ("::ffff:127.0.0.1", 5060, True),
        ("128.0.0.1", 5060, False),
        ("::2", 5060, False),
        ("localhost", 5060, False),
        ("192.0.2.7", 5070, True),
        ("192.0.2.7", 5060, False),
    ],
)
def test_addresses(host: str, port: int, allowed: bool) -> None:
    more = AllowedNetwork(ipaddress.ip_network("192.0.2.7"), 5070)
    assert Targets((*LOOPBACK, more)).has_address(host, port) is allowed


def test_names() -> None:
    targets = Targets((AllowedName("sbc.example.com"), AllowedName("one.example.com", 5070)))
    assert targets.has_name("SBC.example.com.", 5060)
    assert targets.has_name("one.example.com", 5070)
    assert not targets.has_name("one.example.com", 0)
    assert not targets.has_name("example.com", 5060)


AWAY = "198.51.100.1"


def sent_away(simulation: Simulation) -> list[bytes]:
    """First lines of what went to where no load may go."""
    return [data.split(b"\r\n")[0] for _, _, host, data in simulation.wire if host == AWAY]


def test_a_name_must_lead_to_what_is_allowed() -> None:
    simulation = Simulation()
    near = simulation.host("192.0.2.1")
    near.names = {"good.test": (1.0, ("192.0.2.2",)), "bad.test": (1.0, ("192.0.2.3", AWAY))}
    good = Running(near, calls(), at_rate(1, count=1), known=(Target(host="good.test"),))
    bad = Running(
        near, calls(), at_rate(1, count=1), known=(Target(host="bad.test"),), name="loads/bad"
    )
    lost = Running(
        near, calls(), at_rate(1, count=1), known=(Target(host="no.test"),), name="loads/lost"
    )
    simulation.run(2.0)
    assert good.begun == [None]
    (failure,) = bad.begun
    assert failure is not None and failure.kind is FailureKind.FORBIDDEN
    assert failure.detail == f"bad.test leads to {AWAY}, which --load-target does not allow"
    (failure,) = lost.begun
    assert failure is not None and failure.kind is FailureKind.TRANSPORT
    simulation.run()
    assert near.core.idle


def test_a_name_on_the_list_may_lead_anywhere() -> None:
    simulation = Simulation()
    near, away = simulation.host("192.0.2.1"), simulation.host(AWAY)
    near.names = {"sbc.test": (0.1, (AWAY,))}
    Running(away, answers())
    load = Running(
        near,
        calls("sip:bob@sbc.test"),
        at_rate(10, count=3),
        targets=Targets((AllowedName("sbc.test"),)),
        known=(Target(host="sbc.test"),),
    )
    simulation.run(until=lambda: load.ended)
    assert load.figures.succeeded == 3


def test_a_later_answer_of_the_name_server_leads_nowhere_else() -> None:
    simulation = Simulation()
    near = simulation.host("192.0.2.1")
    near.names = {"good.test": (0.1, ("192.0.2.2",))}
    load = Running(
        near, calls("sip:bob@good.test"), at_rate(1, count=1), known=(Target(host="good.test"),)
    )
    near.names = {"good.test": (0.1, (AWAY,))}
    simulation.run(until=lambda: load.ended)
    assert load.figures.failures == {"target": 1}
    assert sent_away(simulation) == []


def test_no_redirection_leads_elsewhere() -> None:
    simulation = Simulation()
    near, peer = simulation.host("192.0.2.1"), Peer(simulation, "192.0.2.2")
    Peer(simulation, AWAY)
    moved = (("Contact", f"<sip:bob@{AWAY}>"),)
    peer.on_request = lambda request: (
        peer.reply(request, 302, tag="b", fields=moved, contact=False)
        if request.method == "INVITE"
        else None
    )
    policy = commands.Policy(max_redirects=3)
    load = Running(near, calls(policy=policy), at_rate(1, count=1))
    simulation.run(until=lambda: load.ended)
    assert load.figures.failures == {"target": 1}
    assert sent_away(simulation) == []


def test_no_contact_leads_elsewhere() -> None:
    simulation = Simulation()
    near, peer = simulation.host("192.0.2.1"), Peer(simulation, "192.0.2.2")
    Peer(simulation, AWAY)
    fields = (("Contact", f"<sip:bob@{AWAY}>"),)
    peer.on_request = lambda request: peer.reply(
        request, 200, tag="b", fields=fields, contact=False
    )
    load = Running(near, calls(), at_rate(1, count=1), targets=NEARBY)
    simulation.run(until=lambda: load.ended)
    assert load.figures.failures == {"target": 1}
    assert sent_away(simulation) == []
