"""Flows from end to end, in memory: kept alive, lost, replaced, and used by calls (RFC 5626)."""

from __future__ import annotations

import pytest

from picosip_server.engine.identity import RandomIdentity, worker_for
from picosip_server.sip.address import Address
from picosip_server.sip.message import Request, Response
from picosip_server.sip.parse import parse
from picosip_server.sip.stun import looks_like_stun
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Outbound
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import Cause, RegistrationSnapshot, RegistrationState
from picosip_server.sip.uri import Uri
from tests.engine.memory import SDP, Everybody, Host, Simulation

HERE, HOME, EDGE = "10.0.0.1", "10.0.0.2", "10.0.0.3"
AOR = "sip:kai@home.example"
GRUU = "sip:kai@home.example;gr=1"
TCP = ";transport=tcp"


class Home:
    """A registrar: an application that grants what it is asked, for ten minutes."""

    def __init__(self, simulation: Simulation, address: str = HOME) -> None:
        self.host = simulation.host(address)
        self.host.core.set_audience(Everybody(methods=("REGISTER", "MESSAGE")), simulation.now)
        self.host.on_event = self.register
        self.headers: list[tuple[str, str]] = [("Require", "outbound")]
        self.params = ""
        self.registers: list[events.IncomingRequest] = []

    def register(self, event: events.Event) -> None:
        if not isinstance(event, events.IncomingRequest):
            return
        contacts: list[tuple[str, str]] = []
        if event.method == "REGISTER":
            self.registers.append(event)
            contacts = [("Contact", f"{contact}{self.params}") for contact in event.contacts]
            contacts.append(("Expires", "600"))
        self.host.submit(
            lambda token: commands.Respond(
                token=token,
                name=event.name,
                status=200,
                options=commands.Options(headers=(*contacts, *self.headers)),
            )
        )


def sides() -> tuple[Simulation, Host, Home]:
    simulation = Simulation()
    return simulation, simulation.host(HERE), Home(simulation)


def register(host: Host, registrar: str = f"sip:{HOME}", **fields: object) -> object:
    fields.setdefault("outbound", Outbound())
    return host.submit(
        lambda token: commands.Register(
            token=token,
            registrar=Uri.parse(registrar),
            aor=Address.parse(f"<{AOR}>"),
            **fields,  # type: ignore[arg-type]
        )
    )


def only(host: Host) -> RegistrationSnapshot:
    (snapshot,) = host.core.snapshot().registrations
    return snapshot


def states(host: Host) -> list[str]:
    return [each.registration.state.name for each in host.of(events.RegistrationChanged)]


def keep_alives(simulation: Simulation, sender: str = HERE) -> int:
    return sum(
        who == sender and (data == b"\r\n\r\n" or looks_like_stun(data))
        for _, who, _, data in simulation.wire
    )


def requests(simulation: Simulation, method: str) -> list[Request]:
    found = [
        parse(data, stream=True)
        for _, who, _, data in simulation.wire
        if who == HERE and data.startswith(method.encode())
    ]
    return [each for each in found if isinstance(each, Request)]


@pytest.mark.parametrize(("transport", "expected"), [(TCP, 5), ("", 22)])
def test_a_flow_is_kept_alive(transport: str, expected: int) -> None:
    """4.4: each 95 to 120 s over TCP, 24 to 29 s over UDP."""
    simulation, host, _ = sides()
    token = register(host, f"sip:{HOME}{transport}")
    simulation.run(600.0)
    assert isinstance(host.results[token], RegistrationSnapshot)
    assert set(states(host)) == {"ACTIVE"}
    assert abs(keep_alives(simulation) - expected) <= 2


def test_one_keeper_serves_all_registrations_of_a_flow() -> None:
    simulation, host, _ = sides()
    for _ in range(20):
        register(host, f"sip:{HOME}{TCP}")
    simulation.run(300.0)
    assert keep_alives(simulation) <= 4
    for each in host.core.snapshot().registrations:
        host.submit(lambda token, name=each.name: commands.Unregister(token=token, name=name))  # type: ignore[misc]
    simulation.run(300.0)
    assert keep_alives(simulation) <= 4
    assert host.core.idle


def test_a_connection_that_ends_is_replaced_at_once() -> None:
    """4.5, where it had answered a keep-alive before."""
    simulation, host, home = sides()
    register(host, f"sip:{HOME}{TCP}")
    simulation.run(150.0)
    before = only(host).flows[0].hop
    simulation.cut(HERE, HOME)
    simulation.run(1.0)
    after = only(host).flows[0].hop
    assert states(host) == ["ACTIVE", "REGISTERING", "ACTIVE"]
    assert before is not None
    assert after is not None
    assert before.flow != after.flow
    assert [each.contacts[0].params.get("reg-id") for each in home.registers] == ["1", "1"]
    assert host.core.stats().counters["flows_failed"] == 1


@pytest.mark.parametrize("transport", [TCP, ""])
def test_an_edge_that_answers_no_keep_alives_is_no_flow(transport: str) -> None:
    """4.4.1, 4.4.2; 4.5: never proved, so that it is tried again after a wait only."""
    simulation, host, home = sides()
    home.host.mute = True
    register(host, f"sip:{HOME}{transport}")
    simulation.run(135.0)
    assert states(host)[:2] == ["ACTIVE", "FAILED"]
    assert only(host).state is not RegistrationState.TERMINATED
    home.host.mute = False
    simulation.run(120.0)
    assert only(host).state is RegistrationState.ACTIVE


def test_another_mapping_of_a_nat_is_another_flow() -> None:
    """4.4.2: the XOR-MAPPED-ADDRESS changes."""
    simulation, host, home = sides()
    simulation.seen_as[HERE] = ("203.0.113.7", 40000)
    register(host)
    simulation.run(60.0)
    # Over a flow the own address is registered: the edge knows the way back.
    assert str(home.registers[0].contacts[0].uri) == f"sip:kai@{HERE}:5060"
    simulation.seen_as[HERE] = ("203.0.113.7", 41000)
    simulation.run(60.0)
    assert states(host) == ["ACTIVE", "REGISTERING", "ACTIVE"]
    assert len(home.registers) == 2


def test_a_nat_without_flows_shows_in_the_contacts_of_calls() -> None:
    """RFC 3581: of the registration, of its calls, and of its other requests."""
    simulation, host, home = sides()
    home.headers = []
    simulation.seen_as[HERE] = ("203.0.113.7", 40000)
    register(host, outbound=None)
    simulation.run(1.0)
    assert [str(each.uri) for each in home.registers[1].contacts] == [
        "sip:kai@203.0.113.7:40000",
        f"sip:kai@{HERE}:5060",
    ]
    host.invite(f"sip:bob@{HOME}", from_address=Address.parse(f"<{AOR}>"))
    simulation.run(1.0)
    (invite,) = requests(simulation, "INVITE")
    assert str(invite.contacts[0].uri) == "sip:kai@203.0.113.7:40000"
    # And the call works: its BYE finds the way through.
    home.host.answer(home.host.call())
    simulation.run(1.0)
    home.host.hangup(home.host.call())
    simulation.run(1.0)
    (call,) = host.of(events.CallEnded)
    assert call.termination.cause is Cause.REMOTE_HANGUP
    # One from another address has nothing to do with it.
    host.invite(f"sip:bob@{HOME}")
    simulation.run(1.0)
    assert str(requests(simulation, "INVITE")[-1].contacts[0].uri.host) == HERE


def test_a_callee_shows_its_contact_beyond_the_nat_too() -> None:
    simulation, host, home = sides()
    home.headers = []
    simulation.seen_as[HERE] = ("203.0.113.7", 40000)
    register(host, outbound=None)
    simulation.run(1.0)
    home.host.submit(
        lambda token: commands.Invite(
            token=token,
            from_address=Address.parse("<sip:bob@home.example>"),
            to_address=Address.parse(f"<{AOR}>"),
            request_uri=Uri.parse("sip:kai@203.0.113.7:40000"),
        )
    )
    simulation.run(1.0)
    (received,) = host.of(events.CallReceived)
    host.answer(received.resource, no_wait=True)
    simulation.run(1.0)
    (answered,) = home.host.of(events.CallAnswered)
    assert isinstance(answered.message, Response)
    assert str(answered.message.contacts[0].uri) == "sip:kai@203.0.113.7:40000"


def test_calls_go_over_the_edge_whose_flow_works() -> None:
    """4.3: with "ob" and the option tag."""
    simulation, host, home = sides()
    edge = Home(simulation, EDGE)
    edges = (Uri.parse(f"sip:{HOME}{TCP}"), Uri.parse(f"sip:{EDGE}{TCP}"))
    register(host, "sip:home.example", outbound=Outbound(edges=edges))
    simulation.run(150.0)
    assert [each.state.name for each in only(host).flows] == ["ACTIVE", "ACTIVE"]
    assert home.registers[0].contacts[0].params.get("reg-id") == "1"
    assert edge.registers[0].contacts[0].params.get("reg-id") == "2"
    for lost, route in ((False, f"<sip:{HOME}{TCP};lr>"), (True, f"<sip:{EDGE}{TCP};lr>")):
        if lost:
            host.unreachable.add(HOME)
            simulation.cut(HERE, HOME)
            simulation.run(1.0)
            assert [each.state.name for each in only(host).flows] == ["FAILED", "ACTIVE"]
            assert only(host).state is RegistrationState.ACTIVE
        host.invite("sip:bob@yellow.example", from_address=Address.parse(f"<{AOR}>"))
        simulation.run(1.0)
        invite = requests(simulation, "INVITE")[-1]
        assert invite.headers.get_all("Route") == [route]
        assert "outbound" in invite.headers.elements("Supported")
        assert str(invite.contacts[0].uri) == f"sip:kai@{HERE}:5060;transport=tcp;ob"


def test_a_gruu_is_the_contact_in_the_whole_call() -> None:
    """RFC 5627 section 4.4."""
    simulation, host, home = sides()
    home.params = f';pub-gruu="{GRUU}"'
    register(host)
    simulation.run(1.0)
    assert only(host).pub_gruu == GRUU
    host.invite(f"sip:bob@{HOME}", from_address=Address.parse(f"<{AOR}>"))
    simulation.run(1.0)
    (invite,) = requests(simulation, "INVITE")
    assert [str(each.uri) for each in invite.contacts] == [GRUU]
    # As the target refreshes in it show (4.4), of both sides.
    home.host.answer(home.host.call())
    simulation.run(1.0)
    host.on_call(commands.Modify, host.call(), offer=SDP)
    home.host.core.set_audience(Everybody(methods=("REGISTER",)), simulation.now)
    simulation.run(1.0)
    contacts = [str(each.contacts[0].uri) for each in requests(simulation, "INVITE")]
    contacts += [str(each.contacts[0].uri) for each in requests(simulation, "UPDATE")]
    assert contacts == [GRUU, GRUU]
    # REGISTER keeps the contact that the GRUU leads to (4.1).
    assert str(home.registers[0].contacts[0].uri) == f"sip:kai@{HERE}:5060"


def test_an_anonymous_call_shows_the_temporary_gruu() -> None:
    """RFC 5627 section 4.4."""
    simulation, host, home = sides()
    home.params = f';pub-gruu="{GRUU}";temp-gruu="sip:t.1@home.example;gr"'
    register(host)
    simulation.run(1.0)
    host.invite(
        f"sip:bob@{HOME}",
        from_address=Address.parse(f"<{AOR}>"),
        options=commands.Options(headers=(("Privacy", "id"),)),
    )
    simulation.run(1.0)
    (invite,) = requests(simulation, "INVITE")
    assert [str(each.uri) for each in invite.contacts] == ["sip:t.1@home.example;gr"]


def test_a_burst_of_registrations_is_spread() -> None:
    """By --register-rate: the first at once, the others in turn; one that is taken back
    before its turn sends nothing."""
    simulation = Simulation()
    host, home = simulation.host(HERE, register_rate=10.0), Home(simulation)
    tokens = [register(host) for _ in range(20)]
    last = host.core.snapshot().registrations[-1].name
    host.submit(lambda token: commands.Unregister(token=token, name=last))
    assert host.failure(tokens[-1]).kind is FailureKind.ENDED
    begin = simulation.now
    simulation.run(5.0)
    times = [at - begin for at, _, _, data in simulation.wire if data.startswith(b"REGISTER")]
    assert [round(at, 3) for at in times] == [round(0.1 * number, 3) for number in range(19)]
    assert len(home.registers) == 19
    assert set(states(host)) == {"ACTIVE", "UNREGISTERING", "TERMINATED"}


def test_the_call_ids_of_flows_meet_on_the_worker_that_has_them() -> None:
    """Or the answers to them would go to another one."""
    for worker in range(3):
        identity = RandomIdentity("node", worker, workers=3)
        call_ids = {identity.call_id() for _ in range(10)}
        assert len(call_ids) == 10
        assert {worker_for(each, 3) for each in call_ids} == {worker}
