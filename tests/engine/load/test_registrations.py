"""Registrations and messages of loads."""

from __future__ import annotations

from collections.abc import Hashable

import pytest

from picosip_server.engine.load.distributions import Constant, Distribution
from picosip_server.engine.load.script import MessageScript, RegisterScript
from picosip_server.engine.load.templates import Row
from picosip_server.sip.address import Address
from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.uri import Uri
from tests.engine.load.running import ALICE, Running, at_rate
from tests.engine.load.test_figures import samples
from tests.engine.memory import Host, Simulation
from tests.sip.ua.peer import Peer


@pytest.fixture
def simulation() -> Simulation:
    return Simulation()


@pytest.fixture
def near(simulation: Simulation) -> Host:
    # A load has a rate of its own.
    return simulation.host("192.0.2.1", register_rate=1.0)


@pytest.fixture
def peer(simulation: Simulation) -> Peer:
    return Peer(simulation, "192.0.2.2")


def registrations(*, hold: Distribution | None = None, expires: float = 3600.0) -> RegisterScript:
    def make(token: Hashable, number: int, row: Row) -> commands.Register:
        return commands.Register(
            token=token,
            registrar=Uri.parse("sip:192.0.2.2"),
            aor=Address.parse(f"<sip:u{number}@example.com>"),
            expires=expires,
        )

    return RegisterScript(make=make, hold=hold)


def registrar(peer: Peer, refused: frozenset[str] = frozenset(), status: int = 403) -> None:
    """Takes all but these users."""

    def answer(request: Request) -> None:
        if request.to.uri.user in refused:
            peer.reply(request, status)
            return
        expires = request.headers.get("Expires") or "0"
        fields = [("Contact", f"{each.uri};expires={expires}") for each in request.contacts]
        peer.reply(request, 200, fields=fields if expires != "0" else ())

    peer.on_request = answer


def test_a_storm_of_registrations_that_are_removed_in_the_end(
    simulation: Simulation, near: Host, peer: Peer
) -> None:
    registrar(peer, frozenset({"u3", "u7"}))
    load = Running(near, registrations(), at_rate(100, count=50))
    simulation.run(0.405)
    figures = load.figures
    assert figures.started == 41
    # The others are on their way.
    assert figures.responses == {200: 37, 403: 2}
    assert near.core.stats().active_registrations == 39
    simulation.run(until=lambda: load.ended)
    figures = load.figures
    assert (figures.succeeded, figures.failures) == (48, {"403": 2})
    assert figures.responses == {200: 48, 403: 2}
    assert figures.setup.octaves() == samples(*[0.02] * 48).octaves()
    assert figures.teardown.octaves() == samples(*[0.02] * 48).octaves()
    # Half a second to make them at a hundred a second, and as long to remove them.
    assert figures.elapsed == pytest.approx(0.49 + 0.48, abs=0.03)
    simulation.run()
    assert near.core.idle and near.events == []


def test_each_is_removed_in_its_time(simulation: Simulation, near: Host, peer: Peer) -> None:
    registrar(peer)
    load = Running(near, registrations(hold=Constant(2.0)), at_rate(10, count=10))
    simulation.run(until=lambda: load.ended)
    assert load.figures.succeeded == 10
    assert load.figures.elapsed == pytest.approx(0.9 + 2.04, abs=0.01)
    # It lent nothing to calls that came after it.
    assert near.core.stats().active_registrations == 0


def test_one_that_cannot_be_refreshed_is_refreshed_again(
    simulation: Simulation, near: Host, peer: Peer
) -> None:
    registrar(peer)
    load = Running(near, registrations(hold=Constant(100.0), expires=60.0), at_rate(1, count=1))
    simulation.run(until=lambda: load.ended)
    assert load.figures.succeeded == 1
    assert len(peer.received) > 2


def test_stop_removes_bindings(simulation: Simulation, near: Host, peer: Peer) -> None:
    registrar(peer)
    load = Running(near, registrations(hold=Constant(60.0)), at_rate(10))
    simulation.run(1.0)
    load.stop(hang_up=True)
    simulation.run(until=lambda: load.ended)
    figures = load.figures
    assert figures.elapsed < 2.0
    assert figures.started == figures.succeeded + figures.failures.get("stopped", 0)


def test_a_flood_of_messages(simulation: Simulation, near: Host, peer: Peer) -> None:
    def make(token: Hashable, number: int, row: Row) -> commands.Transact:
        return commands.Transact(
            token=token,
            method="MESSAGE",
            uri=Uri.parse("sip:bob@192.0.2.2"),
            from_address=ALICE,
            to_address=Address.parse("<sip:bob@192.0.2.2>"),
            body=Body(content_type="text/plain", data=str(number).encode()),
        )

    peer.on_request = lambda request: peer.reply(request, 404 if request.body == b"4" else 202)
    load = Running(near, MessageScript(make=make), at_rate(1000, count=10))
    simulation.run(until=lambda: load.ended)
    figures = load.figures
    # They do not wait for each other.
    assert figures.peak_active == 10
    assert (figures.succeeded, figures.failures) == (9, {"404": 1})
    assert figures.responses == {202: 9, 404: 1}
    assert sorted(int(message.body) for _, message, _ in peer.received) == list(range(10))
    simulation.run()
    assert near.core.idle
