"""Digest retries of one request: RFC 3261 sections 22.2 and 22.3, RFC 8760."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picosip_server.sip.auth.authorization import DigestResponse, parse_authorization
from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.hop import Target
from picosip_server.sip.ua.commands import Body, Credentials
from tests.sip.agent import TCP, UDP
from tests.sip.exchanges import DRAFT, Bench

KAI = Credentials(username="kai", password="wonder")


def bench(*credentials: Credentials, method: str = "INVITE") -> Bench:
    draft = replace(DRAFT, method=method)
    return Bench(draft, auth=DigestClient(credentials or (KAI,))).start()


def challenge(field: str, realm: str = "far", nonce: str = "n1", more: str = "") -> tuple[str, str]:
    return field, f'Digest realm="{realm}", nonce="{nonce}", qop="auth"{more}'


def given(one: Bench, field: str = "Authorization") -> list[DigestResponse]:
    return list(parse_authorization(one.drive.last(one.draft.method).headers.get_all(field)))


def nonces(one: Bench, field: str = "Authorization") -> list[tuple[str, str, str]]:
    return [(each.realm, each.nonce, each.nc) for each in given(one, field)]


@pytest.mark.parametrize(
    ("status", "asks", "field"),
    [
        (401, "WWW-Authenticate", "Authorization"),
        (407, "Proxy-Authenticate", "Proxy-Authorization"),
    ],
)
@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
def test_a_challenge_is_answered_over_the_same_hop(
    status: int, asks: str, field: str, method: str
) -> None:
    """8.1.3.5: same Call-ID, From and To; CSeq one higher; a new transaction."""
    one = bench(method=method)
    first = one.drive.last()
    one.drive.answer(status, challenge(asks), to=first)
    second = one.drive.last(method)
    assert one.user.log == []
    assert one.drive.sent[-1].hop == UDP
    assert nonces(one, field) == [("far", "n1", "00000001")]
    assert (second.cseq.number, second.via.branch != first.via.branch) == (2, True)
    for name in ("Call-ID", "From", "To"):
        assert second.headers.get(name) == first.headers.get(name)
    one.drive.answer(200, to=second)
    assert one.user.log == [(0, 200)]


def test_all_challenges_are_answered_at_once() -> None:
    """22.3: a forking proxy puts several into one response."""
    one = bench(
        replace(KAI, realm="a", password="1"),
        replace(KAI, realm="b", password="2"),
        replace(KAI, realm="p", password="3"),
    )
    one.drive.answer(
        401,
        challenge("WWW-Authenticate", "a"),
        challenge("WWW-Authenticate", "b"),
        challenge("Proxy-Authenticate", "p"),
    )
    assert [each[0] for each in nonces(one)] == ["a", "b"]
    assert [each[0] for each in nonces(one, "Proxy-Authorization")] == ["p"]


def test_a_proxy_and_then_the_server_both_get_theirs() -> None:
    """22.3: credentials for the one stay when the other asks."""
    one = bench()
    one.drive.answer(407, challenge("Proxy-Authenticate", "p", "pn"))
    one.drive.answer(401, challenge("WWW-Authenticate", "s", "sn"), to=one.drive.last("INVITE"))
    assert nonces(one, "Proxy-Authorization") == [("p", "pn", "00000002")]
    assert nonces(one) == [("s", "sn", "00000001")]
    assert one.drive.last("INVITE").cseq.number == 3


@pytest.mark.parametrize("nonce", ["n1", "n2"])
def test_a_wrong_password_is_not_tried_twice(nonce: str) -> None:
    """22.1: not the rejected credentials again."""
    one = bench(method="REGISTER")
    one.drive.answer(401, challenge("WWW-Authenticate"))
    one.drive.answer(401, challenge("WWW-Authenticate", nonce=nonce))
    assert len(one.drive.sent) == 2
    assert one.user.log == [(0, 401)]


def test_a_stale_nonce_is_renewed() -> None:
    """RFC 7616 section 3.3: the password was right."""
    one = bench(method="REGISTER")
    one.drive.answer(401, challenge("WWW-Authenticate"))
    one.drive.answer(401, challenge("WWW-Authenticate", nonce="n2", more=", stale=true"))
    assert nonces(one) == [("far", "n2", "00000001")]
    assert one.user.log == []


def test_a_server_that_finds_every_nonce_stale_is_left() -> None:
    """22.1: a request ends, whatever the peer says."""
    one = bench(method="REGISTER")
    for number in range(5):
        stale = challenge("WWW-Authenticate", nonce=f"n{number}", more=", stale=true")
        one.drive.answer(401, stale)
    assert len(one.drive.sent) == 5
    assert one.user.log == [(0, 401)]


@pytest.mark.parametrize("status", [401, 407])
def test_without_credentials_a_challenge_is_the_answer(status: int) -> None:
    one = Bench().start()
    one.drive.answer(status, challenge("WWW-Authenticate"))
    assert one.user.log == [(0, status)]


def test_a_challenge_that_cannot_be_met_is_the_answer() -> None:
    """22.4: an algorithm that is not known."""
    one = bench()
    one.drive.answer(401, challenge("WWW-Authenticate", more=", algorithm=X-9"))
    assert one.user.log == [(0, 401)]


def test_a_known_realm_gets_its_credentials_unasked() -> None:
    """22.3: they may be sent ahead; and the next nonce is taken (RFC 7616 section 3.5)."""
    auth = DigestClient((KAI,))
    first = Bench(replace(DRAFT, method="REGISTER"), auth=auth).start()
    first.drive.answer(401, challenge("WWW-Authenticate"))
    first.drive.answer(200, ("Authentication-Info", 'nextnonce="n7"'))
    second = Bench(replace(DRAFT, method="REGISTER"), auth=auth).start()
    assert nonces(second) == [("far", "n7", "00000001")]


def large() -> Bench:
    """A request that credentials make larger than 1300 octets; TCP is found later."""
    body = Body(content_type="text/plain", data=b"x" * 900)
    one = Bench(replace(DRAFT, body=body), auth=DigestClient((KAI,))).start()
    assert one.drive.briefs == [(0, "1 INVITE", "UDP", "10.0.0.2")]
    one.drive.answer(401, challenge("WWW-Authenticate", more=f', opaque="{"o" * 100}"'))
    assert one.drive.tickets[1:] == [(2, Target(host="far.example", transport="TCP"))]
    return one


def test_credentials_that_make_it_large_send_it_over_tcp() -> None:
    """RFC 3261 18.1.1."""
    one = large()
    one.drive.run(one.user.located(2, (TCP,), 0))
    assert one.drive.briefs[-1] == (0, "2 INVITE", "TCP", "10.0.0.2")
    assert [each.nonce for each in given(one)] == ["n1"]


def test_what_is_cancelled_between_challenge_and_retry_stays_unsent() -> None:
    """9.1: there is no transaction that a CANCEL could be for."""
    one = large()
    one.cancel()
    one.drive.run(one.user.located(2, (TCP,), 0))
    assert [sent.message.cseq.method for sent in one.drive.sent] == ["INVITE", "ACK"]
    assert len(one.user.log) == 1


def test_a_retry_whose_way_is_found_late_outlives_the_attempt_before_it() -> None:
    """17.1.1.2: timer D ends the transaction of the challenge, and not the request."""
    one = large()
    one.drive.until(40.0)
    assert not one.user._attempts
    one.drive.run(one.user.located(2, (TCP,), 40.0))
    one.drive.answer(200)
    assert one.user.log == [(40.0, 200)]
