"""What calls get from the registrations of their address."""

from __future__ import annotations

from picosip_server.engine.accounts import Account, Accounts
from picosip_server.sip.address import Address
from picosip_server.sip.ua.commands import Credentials, Invite, NextHop, Options

AOR = "sip:olga@green.example"
SECRET = (Credentials(username="olga", password="s"),)
OTHER = (Credentials(username="olga", password="other"),)
ROUTE = ("<sip:edge.green.example;lr>",)


def invite(**fields: object) -> Invite:
    fields.setdefault("from_address", Address.parse("Olga <sip:olga@GREEN.example;x=1>;tag=1"))
    return Invite(
        token=1,
        to_address=Address.parse("<sip:piet@yellow.example>"),
        **fields,  # type: ignore[arg-type]
    )


def registered() -> Accounts:
    accounts = Accounts()
    accounts.put(AOR, Account(registration="r1", credentials=SECRET))
    accounts.route(AOR, "r1", ROUTE)
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


def test_nothing_is_left_of_a_registration_that_ended() -> None:
    accounts = registered()
    accounts.drop(AOR, "r1")
    plain = invite()
    assert accounts.complete(plain) is plain
    # Nor does a late answer bring it back.
    accounts.route(AOR, "r1", ROUTE)
    accounts.drop(AOR, "r1")
    assert accounts.complete(plain) is plain


def test_the_newest_registration_that_is_there_counts() -> None:
    accounts = registered()
    accounts.put(AOR, Account(registration="r2", credentials=OTHER))
    completed = accounts.complete(invite())
    assert (completed.credentials, completed.options.routes) == (OTHER, ())
    # A refresh of the first does not make it the newest.
    accounts.route(AOR, "r1", ROUTE)
    assert accounts.complete(invite()).credentials == OTHER
    accounts.drop(AOR, "r2")
    completed = accounts.complete(invite())
    assert (completed.credentials, completed.options.routes) == (SECRET, ROUTE)
