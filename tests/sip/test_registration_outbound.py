"""Registering over flows: RFC 5626 sections 4.2 to 4.5, Path (RFC 3327), GRUU (RFC 5627)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picosip_server.sip.hop import Target
from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Credentials, Outbound
from picosip_server.sip.ua.effects import KeepFlow, LeaveFlow
from picosip_server.sip.ua.snapshots import RegistrationState
from picosip_server.sip.uri import Uri
from tests.sip.agent import TCP, UDP
from tests.sip.registrations import HOME, Client

INSTANCE = '+sip.instance="<urn:uuid:node>"'
MINE = f"<sip:kai@10.0.0.1:5060;transport=tcp>;reg-id=1;{INSTANCE}"
FLOWS = ("Require", "outbound")
FIRST = ("flow", 7)


def single(**fields: object) -> Client:
    """One flow over TCP, by the usual way."""
    fields.setdefault("outbound", Outbound())
    client = Client(**fields)  # type: ignore[arg-type]
    client.hops[HOME] = (TCP,)
    return client.start()


def active(*headers: tuple[str, str], **fields: object) -> Client:
    client = single(**fields)
    client.answer(200, ("Contact", f"{MINE};expires=600"), FLOWS, *headers, flow=7)
    return client


def kept(client: Client) -> list[tuple[object, float | None]]:
    return [
        (effect.hop.flow_key, effect.flow_timer)
        for _, effect in client.flows
        if isinstance(effect, KeepFlow)
    ]


def test_a_register_over_a_flow() -> None:
    """4.2.1: instance id, reg-id, and what is supported."""
    client = single()
    assert client.asked("Contact") == [MINE]
    assert client.asked("Supported") == ["path, outbound, gruu"]
    assert client.flows == []
    client = active(("Flow-Timer", "120"), ("Path", "<sip:a;lr>, <sip:b;lr;ob>"))
    snapshot = client.snapshot("register")
    assert snapshot.path == ("<sip:a;lr>", "<sip:b;lr;ob>")
    (flow,) = snapshot.flows
    assert (flow.reg_id, flow.outbound, flow.hop) == (1, True, replace(TCP, flow=7))
    assert kept(client) == [(FIRST, 120.0)]


@pytest.mark.parametrize(
    ("settings", "outbound", "shown"),
    [
        ({"instance_id": "urn:uuid:set"}, Outbound(), "urn:uuid:set"),
        ({"instance_id": "urn:uuid:set"}, Outbound(instance_id="urn:x:y"), "urn:x:y"),
        ({"instance_id": "urn:uuid:set"}, None, "urn:uuid:set"),
        ({}, None, ""),
    ],
)
def test_whose_instance_id_is_shown(
    settings: dict[str, object], outbound: Outbound | None, shown: str
) -> None:
    client = single(settings=settings, outbound=outbound)
    params = client.last().contacts[0].params
    assert params.text("+sip.instance") == (f"<{shown}>" if shown else "")
    assert params.has("reg-id") == (outbound is not None)
    assert ("gruu" in client.asked("Supported")[0]) == bool(shown)


def test_a_refresh_goes_over_the_same_flow_with_the_same_reg_id() -> None:
    """4.2.2."""
    client = active()
    client.hops[HOME] = (UDP,)
    client.until(511)
    assert client.sent[-1].hop == replace(TCP, flow=7)
    assert client.asked("Contact") == [MINE]
    client.answer(200, FLOWS, flow=7)
    client.unregister()
    assert client.sent[-1].hop == replace(TCP, flow=7)
    assert client.asked("Contact") == [MINE]
    client.answer(200)
    assert isinstance(client.flows[-1][1], LeaveFlow)


def test_a_registrar_that_knows_nothing_of_flows() -> None:
    """4.2.1: without the option tag in Require no keep-alives are sent."""
    client = single()
    client.answer(200, ("Contact", f"{MINE};expires=600"), ("Flow-Timer", "20"), flow=7)
    assert client.snapshot("register").flows[0].outbound is False
    assert client.flows == []
    # And without flows, the address beyond a NAT matters.
    client = single()
    client.answer(200, via=";received=203.0.113.7;rport=4")
    assert len(client.asked("Contact")) == 2


def test_flows_make_the_address_beyond_a_nat_unimportant() -> None:
    client = single()
    client.answer(200, FLOWS, via=";received=203.0.113.7;rport=4", flow=7)
    assert len(client.sent) == 1
    assert client.states == [(0, "ACTIVE")]


def test_439_is_asked_again_without_a_flow() -> None:
    """4.2.1, 11.6: First Hop Lacks Outbound Support."""
    client = single()
    client.answer(439)
    assert client.asked("Contact") == [f"<sip:kai@10.0.0.1:5060;transport=tcp>;{INSTANCE}"]
    assert client.asked("Supported") == ["path, gruu"]
    client.answer(200, ("Contact", client.asked("Contact")[0]))
    assert client.states == [(0, "ACTIVE")]
    assert client.registration.snapshot().flows[0].reg_id == 0


def test_a_flow_that_worked_is_replaced_at_once() -> None:
    """4.5: successful means registered, and a keep-alive answered."""
    client = active()
    client.run(client.registration.flow_answered(FIRST, 90.0))
    client.now = 100.0
    client.run(client.registration.flow_failed(FIRST, "closed", 100.0))
    assert client.states == [(0, "ACTIVE"), (100.0, "REGISTERING")]
    assert client.times == [0, 100.0]
    assert client.sent[-1].hop == TCP
    assert client.asked("Contact") == [MINE]
    client.answer(200, FLOWS, flow=8)
    assert kept(client)[-1] == (("flow", 8), None)
    # The end of the old one is nothing to it any more.
    client.run(client.registration.flow_failed(FIRST, "closed", 100.0))
    assert client.states[-1] == (100.0, "ACTIVE")


def test_a_flow_that_never_worked_is_replaced_after_a_wait() -> None:
    """4.5: counted as a failure."""
    client = active()
    client.run(client.registration.flow_failed(FIRST, "closed", 0.0))
    client.until(46)
    assert client.states == [(0, "ACTIVE"), (0, "FAILED"), (45.0, "REGISTERING")]
    assert client.times == [0, 45.0]
    # One that registers well and fails again and again is tried ever more seldom.
    client.answer(200, FLOWS, flow=8)
    client.run(client.registration.flow_failed(("flow", 8), "closed", 46.0))
    client.until(46 + 91)
    assert client.times == [0, 45.0, 136.0]
    # A keep-alive that is answered makes up for all of it.
    client.answer(200, FLOWS, flow=9)
    client.run(client.registration.flow_answered(("flow", 9), client.now))
    client.run(client.registration.flow_failed(("flow", 9), "closed", client.now))
    assert client.times == [0, 45.0, 136.0, 137.0]
    client.answer(500)
    client.until(137 + 46)
    assert client.times == [0, 45.0, 136.0, 137.0, 182.0]


def test_a_flow_that_fails_during_a_refresh_fails_with_it() -> None:
    """10.2: no second REGISTER before the first is answered or has timed out."""
    client = active()
    client.until(511)
    client.run(client.registration.flow_failed(FIRST, "closed", 511.0))
    assert len(client.sent) == 2
    client.until(542 + 46)
    assert client.states == [(0, "ACTIVE"), (542.0, "FAILED"), (587.0, "REGISTERING")]
    assert client.sent[-1].hop == TCP


def test_a_refused_refresh_leaves_the_flow_as_it_is() -> None:
    """4.2.2: as long as keep-alives are answered, after a 503 with Retry-After."""
    client = active()
    client.until(511)
    client.answer(503, ("Retry-After", "5"), flow=7)
    assert not any(isinstance(effect, LeaveFlow) for _, effect in client.flows)
    client.until(560)
    assert client.sent[-1].hop == replace(TCP, flow=7)
    client.answer(503, flow=7)
    client.run(client.registration.flow_failed(FIRST, "closed", 560.0))
    assert client.registration.state is RegistrationState.FAILED
    client.unregister()
    assert client.sent[-1].hop == TCP


# Several flows.

EDGES = Outbound(edges=(Uri.parse("sip:edge1"), Uri.parse("sip:edge2:5070;transport=tcp;lr")))
ONE = Target(host="edge1")
TWO = Target(host="edge2", port=5070, transport="TCP")


def double(**fields: object) -> Client:
    client = Client(outbound=EDGES, calls=("reg-2",), **fields)  # type: ignore[arg-type]
    client.hops[ONE] = (UDP,)
    client.hops[TWO] = (TCP,)
    return client.start()


def requests(client: Client) -> list[Request]:
    return [each.message for each in client.sent if isinstance(each.message, Request)]


def test_each_edge_gets_a_register_of_its_own() -> None:
    """4.2.1: a Call-ID, a reg-id and a first hop each."""
    first, second = requests(double())
    assert first.headers.get_all("Route") == ["<sip:edge1;lr>"]
    assert second.headers.get_all("Route") == ["<sip:edge2:5070;transport=tcp;lr>"]
    assert (first.call_id, second.call_id) == ("reg-1", "reg-2")
    assert [each.contacts[0].params.get("reg-id") for each in (first, second)] == ["1", "2"]
    assert (first.cseq.number, second.cseq.number) == (1, 1)
    assert first.uri_text == second.uri_text == "sip:home.example"


def test_the_first_flow_that_works_completes_the_command() -> None:
    client = double()
    first, second = requests(client)
    client.answer(500, to=first)
    assert client.results == {}
    client.answer(200, FLOWS, ("Path", "<sip:edge2;lr;ob>"), to=second, flow=4)
    snapshot = client.snapshot("register")
    assert snapshot.path == ("<sip:edge2;lr;ob>",)
    states = [(flow.reg_id, flow.edge, flow.state.name) for flow in snapshot.flows]
    assert states == [
        (1, "<sip:edge1;lr>", "FAILED"),
        (2, "<sip:edge2:5070;transport=tcp;lr>", "ACTIVE"),
    ]
    assert client.states == [(0, "REGISTERING"), (0, "ACTIVE")]


def test_where_no_flow_comes_about_the_command_fails() -> None:
    client = double()
    first, second = requests(client)
    client.answer(500, to=first)
    client.answer(439, to=second)
    assert client.failure("register").status == 439
    assert client.registration.over
    client.until(4000)
    assert len(client.sent) == 2


@pytest.mark.parametrize(("share", "wait"), [(0.0, 90.0), (1.0, 180.0)])
def test_the_wait_is_longer_while_another_flow_works(share: float, wait: float) -> None:
    """4.5: base-time 90 s unless all flows failed."""
    client = double(share=share, expires=100000.0)
    first, second = requests(client)
    client.answer(200, FLOWS, to=second, flow=4)
    client.answer(500, to=first)
    client.until(wait - 1)
    assert len(client.sent) == 2
    client.until(wait)
    assert client.times == [0, 0, wait]
    assert client.last().call_id == "reg-1"
    assert client.registration.state is RegistrationState.ACTIVE


def test_the_bindings_of_both_flows_are_told_apart() -> None:
    """Section 6: the URI may be the same, the reg-id is not."""
    client = double()
    client.hops[TWO] = (UDP,)
    client = Client(outbound=EDGES, calls=("reg-2",))
    client.hops.update({ONE: (UDP,), TWO: (UDP,)})
    client.start()
    first, _ = requests(client)
    both = [
        ("Contact", f"<sip:kai@10.0.0.1:5060>;reg-id={number};expires={seconds};{INSTANCE}")
        for number, seconds in ((1, 600), (2, 60))
    ]
    client.answer(200, FLOWS, *both, to=first)
    assert client.snapshot("register").expires == 600.0


def test_both_flows_are_taken_back() -> None:
    client = double()
    for request, flow in zip(requests(client), (0, 4), strict=True):
        client.answer(200, FLOWS, to=request, flow=flow)
    assert kept(client) == [(("UDP", 0, "10.0.0.2", 5060), None), (("flow", 4), None)]
    client.unregister()
    first, second = requests(client)[2:]
    assert [each.headers.get("Expires") for each in (first, second)] == ["0", "0"]
    client.answer(200, to=second)
    assert client.results.keys() == {"register"}
    client.answer(403, to=first)
    assert client.failure("unregister").status == 403
    assert [type(effect) for _, effect in client.flows[2:]] == [LeaveFlow, LeaveFlow]


def test_two_bindings_on_one_flow_leave_it_when_both_are_gone() -> None:
    client = Client(outbound=EDGES, calls=("reg-2",))
    client.hops.update({ONE: (UDP,), TWO: (UDP,)})
    client.start()
    for request in requests(client):
        client.answer(200, FLOWS, to=request)
    client.unregister()
    first, second = requests(client)[2:]
    client.answer(200, to=second)
    assert not any(isinstance(effect, LeaveFlow) for _, effect in client.flows)
    client.answer(200, to=first)
    assert isinstance(client.flows[-1][1], LeaveFlow)


# GRUU.

PUBLIC = 'pub-gruu="sip:kai@home.example;gr=urn:uuid:node"'
TEMPORARY = 'temp-gruu="sip:tgruu.7hs==@home.example;gr"'


def test_gruus_are_learned_from_the_own_contact() -> None:
    """RFC 5627 section 4.2."""
    client = single()
    other = '<sip:x@y>;pub-gruu="sip:other@home.example;gr"'
    client.answer(200, ("Contact", f"{other}, {MINE};expires=600;{PUBLIC};{TEMPORARY}"), FLOWS)
    snapshot = client.snapshot("register")
    assert snapshot.pub_gruu == "sip:kai@home.example;gr=urn:uuid:node"
    assert snapshot.temp_gruu == "sip:tgruu.7hs==@home.example;gr"
    # 4.1: the contact that is registered stays what it is.
    client.until(511)
    assert client.asked("Contact") == [MINE]


@pytest.mark.parametrize("value", ['"', '"tel:1"', '"sip:"', '""'])
def test_what_is_no_uri_is_no_gruu(value: str) -> None:
    client = single()
    client.answer(200, ("Contact", f"{MINE};expires=600;pub-gruu={value}"), FLOWS)
    assert client.snapshot("register").pub_gruu == ""


def test_a_gruu_ends_with_its_registration() -> None:
    """RFC 5627 section 4.4: never one of a registration that has lapsed."""
    client = single()
    client.answer(200, ("Contact", f"{MINE};expires=600;{PUBLIC}"), FLOWS, flow=7)
    client.until(511)
    client.answer(500, flow=7)
    assert client.registration.snapshot().pub_gruu
    client.until(560)
    client.answer(500, flow=7)
    client.until(601)
    assert client.registration.snapshot().pub_gruu == ""
    assert client.states[-1] == (600.0, "FAILED")


@pytest.mark.parametrize(("granted", "at"), [(600, 510.0), (100, 68.0), (60, 30.0)])
def test_temporary_gruus_are_refreshed_in_time(granted: int, at: float) -> None:
    """RFC 5627 section 4.2: 32 s before the end, or half-way where the interval is short."""
    client = single()
    client.answer(200, ("Contact", f"{MINE};expires={granted};{TEMPORARY}"), FLOWS)
    client.until(at)
    assert client.times == [0, at]


# 3xx.


def test_a_3xx_is_followed() -> None:
    """RFC 3261 section 8.1.3.4; the contact with the highest q first, none twice."""
    client = Client().start()
    client.hops[Target(host="other.example")] = (UDP,)
    contacts = "<sip:home.example>;q=0.9, <sip:other.example>;q=0.5, <tel:1>;q=1"
    client.answer(302, ("Contact", contacts))
    assert client.last().uri_text == "sip:other.example"
    assert client.last().cseq.number == 2
    client.granted(600)
    # The next one begins anew.
    client.until(511)
    assert client.last().uri_text == "sip:home.example"
    client.granted(600)
    client.unregister()
    client.answer(301, ("Contact", "<sip:other.example>"))
    assert (client.last().uri_text, client.asked("Expires")) == ("sip:other.example", ["0"])
    client.answer(200)
    assert client.snapshot("unregister").state is RegistrationState.TERMINATED


def test_a_3xx_is_not_followed_once_the_binding_is_to_go() -> None:
    """10.2.2: there it would be bound, just to be taken back again."""
    client = Client().start()
    client.unregister()
    client.answer(302, ("Contact", "<sip:other.example>"))
    assert (client.last().uri_text, client.asked("Expires")) == ("sip:home.example", ["0"])
    client.answer(200)
    assert client.registration.over


def test_a_ring_of_3xx_ends() -> None:
    client = Client().start()
    for number in range(7):
        client.hops[Target(host=f"h{number}")] = (UDP,)
    for number in range(6):
        client.answer(302, ("Contact", f"<sip:h{number}>"))
    assert len(client.sent) == 6
    assert client.failure("register").status == 302


def test_credentials_that_are_refused_are_tried_once() -> None:
    """A 403 to an answered challenge is final, of the first REGISTER and of a refresh."""
    secret = (Credentials(username="kai", password="w"),)
    challenge = 'Digest realm="home", nonce="n", qop="auth"'
    client = Client(credentials=secret, no_wait=True).start()
    client.answer(401, ("WWW-Authenticate", challenge))
    client.answer(403)
    client.until(44)
    assert len(client.sent) == 2
    # The next try brings them at once, and a further 403 ends it again.
    client.until(46)
    client.answer(403)
    client.until(45 + 89)
    assert client.times == [0, 0, 45.0]
    assert client.registration.state is RegistrationState.FAILED


def test_a_refused_registration_is_not_hammered() -> None:
    """403 and 404 are asked again as seldom as all others."""
    client = Client().start().granted(600)
    client.until(511)
    for _ in range(8):
        client.answer(403)
        due = client.registration.deadline()
        while due is not None and client.registration.state is RegistrationState.FAILED:
            client.until(due)
            due = client.registration.deadline()
    waits = [
        later - sooner for sooner, later in zip(client.times[1:], client.times[2:], strict=False)
    ]
    assert [round(wait) for wait in waits] == [46, 90, 180, 360, 720, 1350, 1350, 1350]
    client.command(commands.GetRegistration, "get")
    assert client.snapshot("get").last_status == 403
