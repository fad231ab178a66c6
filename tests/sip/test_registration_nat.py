"""A registration behind a NAT: RFC 3581, RFC 3261 section 10.2.2."""

from __future__ import annotations

import pytest

from picosip_server.sip.address import Address
from picosip_server.sip.hop import Seen
from picosip_server.sip.ua.effects import KeepFlow, LeaveFlow
from picosip_server.sip.ua.snapshots import RegistrationState
from tests.sip.agent import TCP, UDP
from tests.sip.registrations import BOUND, HOME, Client

BEYOND = ";received=203.0.113.7;rport=40000"
LEARNED = "<sip:kai@203.0.113.7:40000>"


def behind_nat(**fields: object) -> Client:
    client = Client(**fields).start()  # type: ignore[arg-type]
    client.answer(200, ("Contact", f"{BOUND};expires=600"), via=BEYOND)
    return client


def test_the_address_beyond_the_nat_is_registered_and_the_other_one_removed() -> None:
    client = behind_nat()
    assert client.results == {}
    assert client.asked("Contact") == [LEARNED, f"{BOUND};expires=0"]
    assert client.asked("Expires") == ["3600"]
    assert client.last().cseq.number == 2
    client.answer(200, ("Contact", f"{LEARNED};expires=600"), via=BEYOND)
    snapshot = client.snapshot("register")
    assert snapshot.contacts == (Address.parse(LEARNED),)
    seen = Seen(transport="UDP", listener=0, host="203.0.113.7", port=40000)
    assert snapshot.flows[0].seen == seen
    assert client.states == [(0, "ACTIVE")]
    # It stays, and nothing more is removed; the Via is as the socket has it.
    client.until(511)
    assert client.asked("Contact") == [LEARNED]
    assert client.last().via.sent_by == "10.0.0.1:5060"
    client.answer(200, ("Contact", f"{LEARNED};expires=600"), via=BEYOND)
    client.unregister()
    assert (client.asked("Contact"), client.asked("Expires")) == ([LEARNED], ["0"])


def test_a_mapping_that_changed_is_followed_with_the_next_refresh() -> None:
    client = behind_nat()
    client.answer(200, ("Contact", f"{LEARNED};expires=600"), via=BEYOND)
    client.until(511)
    client.answer(200, ("Contact", LEARNED), via=";received=203.0.113.7;rport=41000")
    assert client.asked("Contact") == ["<sip:kai@203.0.113.7:41000>", f"{LEARNED};expires=0"]


def test_a_nat_that_maps_each_request_anew_causes_no_storm() -> None:
    client = behind_nat()
    client.answer(200, ("Contact", f"{LEARNED};expires=600"), via=";received=1.2.3.4;rport=9")
    assert len(client.sent) == 2
    assert client.states == [(0, "ACTIVE")]
    client.until(511)
    assert client.asked("Contact") == ["<sip:kai@1.2.3.4:9>", f"{LEARNED};expires=0"]


def test_without_the_nat_the_own_address_is_back() -> None:
    client = behind_nat()
    client.answer(200, ("Contact", f"{LEARNED};expires=600"), via=BEYOND)
    client.until(511)
    client.answer(200, via=";received=10.0.0.1;rport=5060")
    assert client.asked("Contact") == [BOUND, f"{LEARNED};expires=0"]
    client.granted(600)
    assert client.registration.snapshot().flows[0].seen is None


@pytest.mark.parametrize(
    "via",
    [
        *("", ";received=203.0.113.7", ";rport=5060", ";received=10.0.0.1;rport=5060"),
        *(";received=proxy.example;rport=5", ";received=203.0.113.7;rport=0"),
        *(";received=203.0.113.7;rport=70000", ";received=203.0.113.7;rport=x"),
        ";received=1.2.3.4.5;rport=5",
    ],
)
def test_what_is_no_other_address_changes_nothing(via: str) -> None:
    """RFC 3581 section 4 has both, an address and a port."""
    client = Client().start()
    client.answer(200, ("Contact", f"{BOUND};expires=600"), via=via)
    assert client.states == [(0, "ACTIVE")]
    assert len(client.sent) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"contacts": (Address.parse("<sip:kai@192.0.2.1>"),)},
        {"settings": {"learns_contact": False}},
    ],
)
def test_what_was_said_explicitly_stays(fields: dict[str, object]) -> None:
    """Contacts of the application's own, and an advertised address, are right."""
    client = behind_nat(**fields)
    assert len(client.sent) == 1
    assert client.states == [(0, "ACTIVE")]


def over_tcp() -> Client:
    client = Client()
    client.hops[HOME] = (TCP,)
    return client.start()


def test_a_connection_without_nat_comes_from_another_port_all_the_same() -> None:
    client = over_tcp()
    client.answer(200, via=";received=10.0.0.1;rport=51234")
    assert len(client.sent) == 1
    assert client.flows == []


def test_a_connection_through_a_nat_is_watched() -> None:
    """What would open another connection to us, no NAT forwards."""
    client = over_tcp()
    client.answer(200, via=BEYOND, flow=3)
    contact = "<sip:kai@203.0.113.7:40000;transport=tcp>"
    assert client.asked("Contact")[0] == contact
    client.answer(200, ("Contact", f"{contact};expires=600"), via=BEYOND, flow=3)
    ((_, effect),) = client.flows
    assert isinstance(effect, KeepFlow)
    assert (effect.hop.flow_key, effect.answered) == (("flow", 3), False)
    client.now = 100.0
    client.run(client.registration.flow_failed(("flow", 3), "closed", 100.0))
    assert client.states == [(0, "ACTIVE"), (100.0, "FAILED")]
    client.until(146)
    assert client.times == [0, 0, 145.0]
    client.answer(200, ("Contact", f"{contact};expires=600"), via=BEYOND, flow=4)
    client.unregister()
    client.answer(200)
    assert isinstance(client.flows[-1][1], LeaveFlow)
    assert client.registration.state is RegistrationState.TERMINATED


def test_the_removed_contact_does_not_count_as_ours() -> None:
    client = behind_nat()
    client.answer(500)
    assert client.failure("register").status == 500
    assert [each.hop for each in client.sent] == [UDP, UDP]
