"""Registering, and what the registrar answers (RFC 3261 section 10.2)."""

from __future__ import annotations

import pytest

from picosip_server.sip.address import Address
from picosip_server.sip.auth.authorization import parse_authorization
from picosip_server.sip.hop import Target
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Credentials, NextHop, Options
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import FlowSnapshot, RegistrationSnapshot, RegistrationState
from picosip_server.sip.uri import Uri
from tests.sip.agent import TCP, UDP
from tests.sip.registrations import BOUND, HOME, NAME, Client

AOR = Address.parse('"Kai" <sip:kai@home.example>')


def test_a_register_has_what_10_2_asks_for() -> None:
    client = Client(expires=1800.0, options=Options(headers=(("Subject", "x"),))).start()
    request = client.last()
    assert (request.method, request.uri_text) == ("REGISTER", "sip:home.example")
    assert list(request.headers) == [
        ("Via", "SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK2"),
        ("From", '"Kai" <sip:kai@home.example>;tag=tag1'),
        ("To", '"Kai" <sip:kai@home.example>'),
        ("Call-ID", "reg-1"),
        ("CSeq", "1 REGISTER"),
        ("Max-Forwards", "70"),
        ("Contact", BOUND),
        ("Expires", "1800"),
        ("Supported", "path"),
        ("Subject", "x"),
    ]


def test_a_200_makes_it_active_and_completes_the_command() -> None:
    client = Client(labels={"line": "1"}).start()
    assert client.results == {}
    client.answer(100)
    assert client.states == []
    client.now = 1.0
    ok = client.answer(200, ("Contact", f"{BOUND};expires=600"))
    expected = RegistrationSnapshot(
        name=NAME,
        state=RegistrationState.ACTIVE,
        registrar="sip:home.example",
        aor=AOR,
        contacts=(Address.parse(BOUND),),
        expires=600.0,
        expire_time=601.0,
        last_status=200,
        last_reason="OK",
        flows=(
            FlowSnapshot(
                state=RegistrationState.ACTIVE, expire_time=601.0, last_status=200, last_reason="OK"
            ),
        ),
        labels={"line": "1"},
    )
    assert client.results == {"register": expected}
    (event,) = client.events
    assert (event.message, event.labels, event.resource) == (ok, {"line": "1"}, NAME)
    assert client.states == [(1.0, "ACTIVE")]
    client.command(commands.GetRegistration, "get")
    assert client.results["get"] == expected


@pytest.mark.parametrize(
    ("headers", "granted"),
    [
        # 10.2.4: the expires parameter of our own binding, whatever others have.
        ([("Contact", f"<sip:x@y>;expires=9, {BOUND};expires=600"), ("Expires", "60")], 600.0),
        ([("Contact", "<sip:kai@10.0.0.1:5060>;EXPIRES=7")], 7.0),
        # 10.3: else the Expires header field.
        ([("Contact", BOUND), ("Expires", "60")], 60.0),
        ([("Contact", "<sip:x@y>;expires=9"), ("Expires", "61")], 61.0),
        # Else what was asked for.
        ([("Contact", BOUND)], 3600.0),
        ([], 3600.0),
        # 20.19: what cannot be read does not count.
        ([("Contact", f"{BOUND};expires=soon"), ("Expires", "62")], 62.0),
        ([("Contact", f"{BOUND};expires=4294967296")], 3600.0),
        ([("Expires", "soon")], 3600.0),
        ([("Contact", "<sip:broken"), ("Expires", "63")], 63.0),
    ],
)
def test_the_interval_is_what_the_registrar_grants(
    headers: list[tuple[str, str]], granted: float
) -> None:
    client = Client().start()
    client.answer(200, *headers)
    assert client.snapshot("register").expires == granted
    assert client.registration.snapshot().expire_time == granted


def test_of_several_contacts_the_shortest_counts() -> None:
    """10.2.1: all of them are named; the first to run out wants the refresh."""
    mine = ("<sip:a@10.0.0.1;transport=udp>", "<sip:b@10.0.0.1>")
    client = Client(contacts=tuple(map(Address.parse, mine))).start()
    assert client.asked("Contact") == list(mine)
    client.answer(200, ("Contact", f"{mine[0]};expires=90"), ("Contact", f"{mine[1]};expires=60"))
    snapshot = client.snapshot("register")
    assert (snapshot.expires, snapshot.contacts) == (60.0, tuple(map(Address.parse, mine)))
    assert client.registration.deadline() == 5.0  # timer K; the refresh is due later
    client.until(52)
    assert client.times == [0, 60 * 0.85]


@pytest.mark.parametrize(("share", "at"), [(0.0, 480.0), (0.5, 510.0), (0.99, 539.4)])
def test_it_is_refreshed_at_80_to_90_percent_of_the_interval(share: float, at: float) -> None:
    """10.2.4: before it runs out; spread out."""
    client = Client(share=share).start().granted(600)
    client.until(541)
    assert client.times == [0, at]
    assert client.last().cseq.number == 2
    assert client.last().call_id == "reg-1"
    assert client.last().from_.tag == "tag1"
    # The refresh is answered: another event, in the same state.
    client = Client(share=share).start().granted(600)
    client.until(at + 1)
    client.granted(600)
    assert client.states == [(0, "ACTIVE"), (at + 1, "ACTIVE")]
    assert client.registration.snapshot().expire_time == at + 601


@pytest.mark.parametrize(("granted", "wait"), [(1, 0.85), (2, 1.7), (60, 51.0)])
def test_short_intervals_are_kept_too(granted: int, wait: float) -> None:
    client = Client().start().granted(granted)
    client.until(wait)
    assert client.times == [0, wait]


def test_an_interval_that_runs_out_says_so() -> None:
    """10.2.4: the refresh is not answered in time; it still may be."""
    client = Client().start().granted(10)
    client.until(12)
    assert client.states == [(0, "ACTIVE"), (10.0, "REGISTERING")]
    client.granted(10)
    assert client.states[2:] == [(12, "ACTIVE")]


def test_an_interval_of_zero_is_no_registration() -> None:
    """10.3: a registrar answers with the bindings there are; no REGISTER storm follows."""
    client = Client().start()
    client.answer(200, ("Contact", f"{BOUND};expires=0"))
    failure = client.failure("register")
    assert (failure.kind, failure.status) == (FailureKind.REFUSED, 200)
    assert failure.detail == "the registrar granted no time at all"
    assert client.states == [(0, "TERMINATED")]


def test_an_interval_that_becomes_zero_is_a_loss() -> None:
    client = Client().start().granted(600)
    client.until(510)
    client.granted(0)
    assert client.states == [(0, "ACTIVE"), (510, "FAILED")]
    assert client.registration.snapshot().expire_time is None
    assert client.registration.snapshot().expires == 0.0
    client.until(510 + 44.9)
    assert len(client.times) == 2


def test_423_is_asked_again_with_min_expires() -> None:
    """10.2.8; the longer interval stays."""
    client = Client(expires=60.0).start()
    client.answer(423, ("Min-Expires", " 1800"))
    assert client.asked("Expires") == ["1800"]
    assert client.last().cseq.number == 2
    assert client.results == {}
    client.granted(1800)
    client.until(1800 * 0.85)
    assert client.asked("Expires") == ["1800"]


def test_a_423_lengthens_what_a_contact_asks_for_itself() -> None:
    """10.2.1.1: the contact's own interval wins, so that it is the one that was too short."""
    own = "<sip:a@192.0.2.1>;expires=60"
    client = Client(contacts=(Address.parse(own),), expires=3600.0).start()
    assert client.asked("Contact") == [own]
    client.answer(423, ("Min-Expires", "90"))
    assert client.asked("Contact") == ["<sip:a@192.0.2.1>;expires=90"]
    assert client.asked("Expires") == ["3600"]
    client.answer(423, ("Min-Expires", "90"))
    assert client.failure("register").status == 423


def test_unregister_takes_back_contacts_with_an_interval_of_their_own() -> None:
    """10.2.2: they would win over the Expires of 0, and be bound again."""
    own = "<sip:a@192.0.2.1>;q=0.5;expires=60"
    client = Client(contacts=(Address.parse(own),)).start()
    client.answer(200, ("Contact", own))
    client.unregister()
    assert client.asked("Contact") == ["<sip:a@192.0.2.1>;q=0.5"]
    assert client.asked("Expires") == ["0"]


def test_the_request_uri_names_no_user() -> None:
    """10.2: the domain of the registrar, without a user."""
    client = Client(registrar=Uri.parse("sip:olga:pw@home.example")).start()
    assert client.last().uri_text == "sip:home.example"


@pytest.mark.parametrize("shortest", [None, "", "60", "59", "soon", "4294967296", "9" * 5000])
def test_a_423_that_does_not_ask_for_more_is_a_refusal(shortest: str | None) -> None:
    """10.2.8; 20.23: no loop, and no number above 2**32 - 1."""
    client = Client(expires=60.0).start()
    client.answer(423, *([] if shortest is None else [("Min-Expires", shortest)]))
    assert len(client.sent) == 1
    assert client.failure("register").status == 423


def test_a_challenge_is_answered_and_later_requests_bring_credentials() -> None:
    """22.2, 22.3."""
    client = Client(credentials=(Credentials(username="kai", password="w"),)).start()
    client.answer(401, ("WWW-Authenticate", 'Digest realm="home", nonce="n1", qop="auth"'))
    client.granted(600)
    client.until(510)
    counts = [
        [each.nc for each in parse_authorization(sent.message.headers.get_all("Authorization"))]
        for sent in client.sent
    ]
    assert counts == [[], ["00000001"], ["00000002"]]
    assert [sent.message.cseq.number for sent in client.sent] == [1, 2, 3]


def test_the_service_route_is_that_of_the_latest_answer() -> None:
    """RFC 3608 section 6.1."""
    client = Client().start()
    routes = [("Service-Route", "<sip:p1;lr>, <sip:p2;lr>"), ("Service-Route", "<sip:p3;lr>")]
    client.answer(200, *routes)
    assert client.snapshot("register").service_route == (
        *("<sip:p1;lr>", "<sip:p2;lr>", "<sip:p3;lr>"),
    )
    client.until(3600 * 0.85)
    client.granted()
    assert client.registration.snapshot().service_route == ()


def test_no_wait_completes_at_once_and_goes_on() -> None:
    client = Client(no_wait=True).start()
    assert client.snapshot("register").state is RegistrationState.REGISTERING
    client.granted(600)
    assert client.states == [(0, "ACTIVE")]


@pytest.mark.parametrize("status", [302, 403, 503, 600])
def test_a_refused_first_register_is_the_callers_to_repeat(status: int) -> None:
    client = Client().start()
    client.answer(status, ("Retry-After", "5"))
    failure = client.failure("register")
    assert (failure.kind, failure.status) == (FailureKind.REFUSED, status)
    assert ("Retry-After", "5") in failure.headers
    assert client.states == [(0, "TERMINATED")]
    client.until(4000)
    assert client.times == [0]
    assert client.registration.finished


def test_a_registrar_that_is_silent_or_unknown_fails_the_command() -> None:
    silent = Client().start()
    silent.until(40)
    assert silent.failure("register").kind is FailureKind.TIMEOUT
    assert silent.states == [(32.0, "TERMINATED")]
    unknown = Client()
    unknown.hops[HOME] = "no such name"
    unknown.start()
    assert unknown.failure("register").kind is FailureKind.TRANSPORT
    assert unknown.failure("register").detail == "no such name"


@pytest.mark.parametrize(
    ("options", "target", "route"),
    [
        (Options(), Target(host="proxy.example"), ["<sip:proxy.example;lr>"]),
        (Options(routes=("<sip:own;lr>",)), Target(host="own"), ["<sip:own;lr>"]),
        (Options(next_hop=NextHop(host="10.9.9.9")), Target(host="10.9.9.9"), []),
    ],
)
def test_the_outbound_proxy_steps_back_for_the_applications_own_route(
    options: Options, target: Target, route: list[str]
) -> None:
    """8.1.2: a preloaded route set."""
    client = Client(proxy="<sip:proxy.example;lr>", options=options)
    client.hops[target] = (UDP,)
    client.start()
    assert client.asked("Route") == route
    assert client.last().uri_text == "sip:home.example"


def test_the_contact_follows_the_hop_that_reached_the_registrar() -> None:
    client = Client()
    client.hops[HOME] = (UDP, TCP)
    client.broken.add(("UDP", "10.0.0.2"))
    client.start()
    assert client.asked("Contact") == ["<sip:kai@10.0.0.1:5060;transport=tcp>"]
    client.answer(200, ("Contact", "<sip:kai@10.0.0.1:5060;transport=tcp>;expires=9"))
    snapshot = client.snapshot("register")
    assert (snapshot.expires, snapshot.registrar) == (9.0, "sip:home.example")
    assert snapshot.contacts[0].uri == Uri.parse("sip:kai@10.0.0.1:5060;transport=tcp")
