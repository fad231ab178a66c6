"""What calls and requests get from the registrations of their address."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picosip_server.engine.accounts import Account, Accounts, wants_privacy
from picosip_server.sip.address import Address
from picosip_server.sip.hop import Hop, Seen
from picosip_server.sip.ua.commands import Credentials, Invite, NextHop, Options, Transact
from picosip_server.sip.ua.snapshots import FlowSnapshot, RegistrationSnapshot, RegistrationState
from picosip_server.sip.uri import Uri

AOR = "sip:olga@green.example"
SECRET = (Credentials(username="olga", password="s"),)
OTHER = (Credentials(username="olga", password="other"),)
ROUTE = ("<sip:edge.green.example;lr>",)
HOP = Hop(transport="TCP", host="10.0.0.2", port=5060, local_host="10.0.0.1", local_port=5060)
FLOW = FlowSnapshot(
    reg_id=1,
    edge="<sip:10.0.0.2;transport=tcp;lr>",
    state=RegistrationState.ACTIVE,
    outbound=True,
    hop=replace(HOP, flow=7),
)


def invite(**fields: object) -> Invite:
    fields.setdefault("from_address", Address.parse("Olga <sip:olga@GREEN.example;x=1>;tag=1"))
    return Invite(
        token=1,
        to_address=Address.parse("<sip:piet@yellow.example>"),
        **fields,  # type: ignore[arg-type]
    )


def snapshot(name: str = "r1", **fields: object) -> RegistrationSnapshot:
    return RegistrationSnapshot(
        name=name,
        state=RegistrationState.ACTIVE,
        registrar="sip:green.example",
        aor=Address.parse(f"<{AOR}>"),
        **fields,  # type: ignore[arg-type]
    )


def registered(**account: object) -> Accounts:
    accounts = Accounts()
    accounts.put(
        AOR,
        Account(registration="r1", credentials=SECRET, **account),  # type: ignore[arg-type]
    )
    accounts.learn(AOR, snapshot(service_route=ROUTE))
    return accounts


def test_a_call_gets_credentials_and_routes() -> None:
    completed = registered().complete(invite())
    assert completed.credentials == SECRET
    assert completed.options.routes == ROUTE


def test_what_the_call_says_itself_stands() -> None:
    accounts = registered()
    assert accounts.complete(invite(credentials=OTHER)).credentials == OTHER
    routes = Options(routes=("sip:own.example",))
    assert accounts.complete(invite(options=routes)).options == routes
    hop = Options(next_hop=NextHop(host="192.0.2.1"))
    assert accounts.complete(invite(options=hop)).options == hop


def test_others_get_nothing() -> None:
    plain = invite(from_address=Address.parse("<sip:piet@yellow.example>"))
    assert registered().complete(plain) is plain
    assert registered().dress(HOP, "sip:piet@yellow.example") is HOP
    assert registered().dress(HOP, "") is HOP


def test_nothing_is_left_of_a_registration_that_ended() -> None:
    accounts = registered()
    accounts.drop(AOR, "r1")
    plain = invite()
    assert accounts.complete(plain) is plain
    # Nor does a late answer bring it back.
    accounts.learn(AOR, snapshot(service_route=ROUTE))
    accounts.drop(AOR, "r1")
    assert accounts.complete(plain) is plain


def test_the_newest_registration_that_is_there_counts() -> None:
    accounts = registered()
    accounts.put(AOR, Account(registration="r2", credentials=OTHER))
    completed = accounts.complete(invite())
    assert (completed.credentials, completed.options.routes) == (OTHER, ())
    # A refresh of the first does not make it the newest.
    accounts.learn(AOR, snapshot(service_route=ROUTE))
    assert accounts.complete(invite()).credentials == OTHER
    accounts.drop(AOR, "r2")
    completed = accounts.complete(invite())
    assert (completed.credentials, completed.options.routes) == (SECRET, ROUTE)


@pytest.mark.parametrize(
    ("egress", "routes"),
    [
        (("<sip:proxy.example;lr>",), ("<sip:proxy.example;lr>", *ROUTE)),
        # One that names itself in the Service-Route is visited once.
        (("<sip:a;lr>", "<sip:EDGE.green.example;lr>"), ("<sip:a;lr>", *ROUTE)),
        (("<sip:edge.green.example:5070;lr>",), ("<sip:edge.green.example:5070;lr>", *ROUTE)),
        (("no route",), ("no route", *ROUTE)),
    ],
)
def test_the_service_route_stands_behind_the_way_out(
    egress: tuple[str, ...], routes: tuple[str, ...]
) -> None:
    """RFC 3608 section 6.1."""
    assert registered(egress=egress).complete(invite()).options.routes == routes


def test_the_next_hop_of_the_registration_holds_with_its_service_route() -> None:
    """RFC 3608 section 6.1: as with the outbound proxy of its example."""
    hop = NextHop(host="192.0.2.9")
    options = registered(next_hop=hop).complete(invite()).options
    assert (options.routes, options.next_hop) == (ROUTE, hop)


def test_a_register_of_the_applications_own_takes_no_service_route() -> None:
    """RFC 3608 section 5: for requests other than REGISTER."""
    request = Transact(
        token=1,
        method="REGISTER",
        uri=Uri.parse("sip:green.example"),
        from_address=Address.parse(f"<{AOR}>"),
        to_address=Address.parse(f"<{AOR}>"),
    )
    assert registered().complete(request).options.routes == ()
    message = replace(request, method="MESSAGE")
    assert registered().complete(message).options.routes == ROUTE


def test_requests_take_the_flow_that_is_registered() -> None:
    """RFC 5626 section 4.3: over it, and with "ob", so that answers come back over it."""
    accounts = registered()
    accounts.learn(AOR, snapshot(flows=(FLOW,)))
    options = accounts.complete(invite()).options
    assert options.routes == (FLOW.edge,)
    assert options.headers == (("Supported", "outbound"),)
    hop = accounts.dress(HOP, AOR)
    assert hop == replace(HOP, flow=7, outbound=True)
    assert hop.contact("olga") == "<sip:olga@10.0.0.1:5060;transport=tcp;ob>"
    other = replace(HOP, host="10.0.0.3")
    assert accounts.dress(other, AOR) is other
    # A callee's answers go back as they came.
    assert accounts.dress(HOP, AOR, incoming=True) is HOP
    # A flow that failed is none.
    failed = replace(FLOW, state=RegistrationState.FAILED)
    accounts.learn(AOR, snapshot(flows=(failed,)))
    assert accounts.complete(invite()).options == Options()


def test_a_gruu_is_the_contact_everywhere() -> None:
    """RFC 5627 section 4.4: the public one, else the temporary one."""
    accounts = registered()
    accounts.learn(AOR, snapshot(pub_gruu="sip:olga@green.example;gr=1", temp_gruu="sip:t@g;gr"))
    assert accounts.complete(invite()).options.headers == (("Supported", "gruu"),)
    for incoming in (False, True):
        hop = accounts.dress(HOP, AOR, incoming=incoming)
        assert hop.contact("olga") == "<sip:olga@green.example;gr=1>"
    # 4.4: an anonymous request shows the temporary one, and the public one never.
    private = accounts.dress(HOP, AOR, anonymous=True)
    assert private.contact("olga") == "<sip:t@g;gr>"
    accounts.learn(AOR, snapshot(pub_gruu="sip:olga@green.example;gr=1"))
    assert accounts.dress(HOP, AOR, anonymous=True) is HOP
    accounts.learn(AOR, snapshot(temp_gruu="sip:t@g;gr"))
    assert accounts.dress(HOP, AOR).contact("olga") == "<sip:t@g;gr>"


@pytest.mark.parametrize(
    ("headers", "private"),
    [
        ((), False),
        ((("privacy", " None"),), False),
        ((("Privacy", "id"),), True),
        ((("Subject", "x"), ("PRIVACY", "header;user")), True),
    ],
)
def test_who_wants_privacy(headers: tuple[tuple[str, str], ...], private: bool) -> None:
    """RFC 3323 section 4.2."""
    assert wants_privacy(headers) is private


def test_the_address_beyond_a_nat_is_the_contact_by_the_same_listener() -> None:
    """RFC 3581."""
    seen = Seen(transport="TCP", listener=0, host="2001:db8::1", port=40000)
    flow = FlowSnapshot(state=RegistrationState.ACTIVE, seen=seen)
    accounts = registered()
    accounts.learn(AOR, snapshot(flows=(flow,)))
    for incoming in (False, True):
        hop = accounts.dress(HOP, AOR, incoming=incoming)
        assert hop.contact("olga") == "<sip:olga@[2001:db8::1]:40000;transport=tcp>"
        assert hop.sent_by == "10.0.0.1:5060"
    assert accounts.dress(replace(HOP, listener=1), AOR).seen is None
