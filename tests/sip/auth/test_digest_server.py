"""The server side, and the client against it."""

from __future__ import annotations

import base64
import hashlib

import pytest

from picosip_server.sip.auth.authorization import DigestResponse, parse_authorization
from picosip_server.sip.auth.challenge import Challenge, parse_challenges
from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.auth.server import DigestServer, Verdict
from picosip_server.sip.auth.users import User
from picosip_server.sip.headers import Headers
from picosip_server.sip.message import Response
from picosip_server.sip.ua.commands import Credentials

_URI = "sip:example.com"
_ALICE = User(realm="r", username="alice", password="wonder")
_OK = Verdict(ok=True, user="alice", realm="r")
_WRONG = Verdict(ok=False, realm="r")
_GUESSED = Verdict(ok=False, realm="r", guessed=True)
_STALE = Verdict(ok=False, realm="r", stale=True)


def _server(
    *users: User,
    lifetime: float = 300.0,
    max_nonces: int = 100,
    qop: tuple[str, ...] = ("auth",),
    match_uri: bool = True,
) -> DigestServer:
    return DigestServer(
        users or (_ALICE,), b"secret", lifetime, max_nonces, qop=qop, match_uri=match_uri
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def _credentials(
    server: DigestServer,
    *,
    now: float = 0.0,
    salt: bytes = b"s",
    nonce: str | None = None,
    nc: str = "00000001",
    qop: str = "auth",
    cnonce: str = "c",
    username: str = "alice",
    password: str = "wonder",
    uri: str = _URI,
) -> str:
    """MD5 credentials, made without the code under test."""
    if nonce is None:
        nonce = parse_challenges(server.challenges(now, salt))[0].nonce
    middle = f"{nonce}:{nc}:{cnonce}:{qop}" if qop else nonce
    response = _md5(f"{_md5(f'{username}:r:{password}')}:{middle}:{_md5(f'INVITE:{uri}')}")
    return str(
        DigestResponse(
            username=username,
            realm="r",
            nonce=nonce,
            uri=uri,
            response=response,
            qop=qop,
            nc=nc if qop else "",
            cnonce=cnonce if qop else "",
        )
    )


def _verify(server: DigestServer, *values: str, now: float = 0.0, uri: str = _URI) -> Verdict:
    return server.verify(authorization_values=values, method="INVITE", uri=uri, body=b"", now=now)


def test_challenges_offer_sha_256_first() -> None:
    # RFC 8760 section 2.3.
    sha, md5 = parse_challenges(_server().challenges(5.0, b"salt"))
    assert (sha.algorithm, md5.algorithm) == ("SHA-256", "MD5")
    assert sha == Challenge(realm="r", nonce=sha.nonce, algorithm="SHA-256", qop=("auth",))
    assert md5.nonce == sha.nonce
    octets = base64.b64decode(sha.nonce)
    assert octets[:12] == (5_000_000).to_bytes(8, "big") + b"salt"
    assert len(octets) == 12 + 32


def test_challenges_say_stale_and_qop() -> None:
    values = _server(qop=("auth", "auth-int")).challenges(5.0, b"salt", stale=True)
    assert [(got.stale, got.qop) for got in parse_challenges(values)] == [
        (True, ("auth", "auth-int"))
    ] * 2


def test_challenges_leave_out_what_no_user_has_a_secret_for() -> None:
    only_md5 = User(realm="m", username="a", ha1=_md5("a:m:p"))
    only_sha = User(realm="s", username="a", ha1=hashlib.sha256(b"a:s:p").hexdigest())
    server = _server(only_md5, only_sha)

    def offered(realm: str) -> list[str]:
        return [got.algorithm for got in parse_challenges(server.challenges(0, b"", realm=realm))]

    assert offered("") == offered("m") == ["MD5"]
    assert offered("s") == ["SHA-256"]
    with pytest.raises(KeyError):
        server.challenges(0, b"", realm="none")


def test_nonces_differ_by_time_salt_realm_and_secret() -> None:
    users = (_ALICE, User(realm="q", username="a", password="p"))
    server = DigestServer(users, b"secret")

    def nonce(of: DigestServer, now: float, salt: bytes, realm: str = "") -> str:
        return parse_challenges(of.challenges(now, salt, realm=realm))[0].nonce

    base = nonce(server, 1.0, b"x")
    assert nonce(server, 1.0, b"x") == base
    others = {
        nonce(server, 1.000001, b"x"),
        nonce(server, 1.0, b"y"),
        nonce(server, 1.0, b"x", "q"),
        nonce(DigestServer(users, b"other"), 1.0, b"x"),
    }
    assert len(others) == 4 and base not in others


def test_users_are_needed() -> None:
    with pytest.raises(ValueError, match="at least one user"):
        DigestServer((), b"secret")


def test_right_credentials() -> None:
    server = _server()
    assert _verify(server, _credentials(server)) == _OK


def test_digits_of_the_response_in_capitals() -> None:
    server = _server()
    value = _credentials(server)
    response = parse_authorization([value])[0].response
    assert _verify(server, value.replace(response, response.upper())) == _OK


def test_nothing_and_other_realms() -> None:
    server = _server()
    assert _verify(server) == Verdict(ok=False)
    assert _verify(server, "Basic YTpi", "Digest realm=r") == Verdict(ok=False)
    foreign = _credentials(server).replace('realm="r"', 'realm="q"')
    assert _verify(server, foreign) == Verdict(ok=False)
    assert _verify(server, foreign, _credentials(server)) == _OK


def test_wrong_credentials_are_never_stale() -> None:
    server = _server()
    assert _verify(server, _credentials(server, password="x")) == _GUESSED
    assert _verify(server, _credentials(server, password="x"), now=1000.0) == _GUESSED
    assert _verify(server, _credentials(server, username="mallory")) == _GUESSED
    assert _verify(server, _credentials(server, uri="sip:other")) == _WRONG
    assert _verify(server, _credentials(server).replace('response="', 'response="ü')) == _GUESSED


def test_forged_nonces() -> None:
    server = _server()
    good = parse_challenges(server.challenges(0.0, b"s"))[0].nonce
    flipped = bytearray(base64.b64decode(good))
    flipped[7] ^= 1
    for nonce in (
        base64.b64encode(bytes(flipped)).decode(),
        base64.b64encode(b"short").decode(),
        base64.b64encode(base64.b64decode(good)[8:]).decode(),
        "not base64!",
        "ü",
        "",
        parse_challenges(DigestServer((_ALICE,), b"x").challenges(0.0, b"s"))[0].nonce,
    ):
        assert _verify(server, _credentials(server, nonce=nonce)) == _WRONG


def test_nonce_of_another_realm() -> None:
    server = _server(_ALICE, User(realm="q", username="alice", password="wonder"))
    nonce = parse_challenges(server.challenges(0.0, b"s", realm="q"))[0].nonce
    assert _verify(server, _credentials(server, nonce=nonce)) == _WRONG


def test_expired_nonce_is_stale() -> None:
    server = _server(lifetime=10.0)
    assert _verify(server, _credentials(server), now=10.0) == _OK
    assert _verify(server, _credentials(server, nc="00000002"), now=10.000002) == _STALE


def test_replay_is_stale() -> None:
    server = _server()
    assert _verify(server, _credentials(server)) == _OK
    assert _verify(server, _credentials(server)) == _STALE
    assert _verify(server, _credentials(server, nc="00000002")) == _OK


def test_refused_credentials_use_nothing_up() -> None:
    server = _server()
    assert _verify(server, _credentials(server, password="x")) == _GUESSED
    assert _verify(server, _credentials(server)) == _OK


def test_rfc_2069_client_is_good_for_one_request_a_nonce() -> None:
    server = _server()
    assert _verify(server, _credentials(server, qop="")) == _OK
    assert _verify(server, _credentials(server, qop="")) == _STALE


@pytest.mark.parametrize(
    ("qop", "nc", "cnonce"),
    [
        ("auth-int", "00000001", "c"),
        ("auth", "", "c"),
        ("auth", "0000000x", "c"),
        ("auth", "000000001", "c"),
        ("auth", "00000001", ""),
    ],
)
def test_qop_nc_and_cnonce_that_do_not_go_together(qop: str, nc: str, cnonce: str) -> None:
    server = _server()
    assert _verify(server, _credentials(server, qop=qop, nc=nc, cnonce=cnonce)) == _WRONG


def test_algorithm_that_was_not_offered() -> None:
    server = _server()
    for name in ("MD5-sess", "SHA-512-256", "FUTURE"):
        assert _verify(server, _credentials(server) + f", algorithm={name}") == _GUESSED


def test_one_stale_value_among_wrong_ones_says_stale() -> None:
    server = _server()
    good = _credentials(server)
    _verify(server, good)
    wrong = _credentials(server, password="x")
    assert _verify(server, wrong, good, wrong) == _STALE


def test_equivalent_request_uri() -> None:
    server = _server()
    for number, uri in enumerate(("sip:EXAMPLE.com", "SIP:example.com"), start=1):
        assert _verify(server, _credentials(server, nc=f"{number:08x}"), uri=uri) == _OK
    assert _verify(server, _credentials(server, nc="00000003"), uri="sip:example.org") == _WRONG
    assert _verify(server, _credentials(server, nc="00000004", uri="no uri")) == _WRONG


def test_uri_rewritten_by_a_proxy_where_that_is_accepted() -> None:
    # RFC 8760 section 2.6 bullet 6.
    server = _server(match_uri=False)
    assert _verify(server, _credentials(server), uri="sip:alice@192.0.2.1") == _OK


def test_secrets_do_not_show() -> None:
    server = _server()
    assert "wonder" not in repr(server) and "secret" not in repr(server)


def _refusal(values: list[str], field: str = "WWW-Authenticate") -> Response:
    return Response(401, "Unauthorized", Headers([(field, value) for value in values]))


def _round_trip(
    server: DigestServer, client: DigestClient, values: list[str], *, now: float = 0.0
) -> tuple[Verdict, list[DigestResponse]]:
    fields = client.answer(_refusal(values), method="MESSAGE", uri=_URI, body=b"hello", cnonce="c")
    assert fields is not None
    sent = [value for _, value in fields]
    verdict = server.verify(
        authorization_values=sent, method="MESSAGE", uri=_URI, body=b"hello", now=now
    )
    return verdict, parse_authorization(sent)


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
@pytest.mark.parametrize("qop", ["auth", "auth-int"])
def test_client_and_server_agree(algorithm: str, qop: str) -> None:
    server = _server(qop=(qop,))
    client = DigestClient((Credentials(username="alice", password="wonder"),))
    offered = [value for value in server.challenges(0.0, b"s") if f"={algorithm}," in value]
    verdict, sent = _round_trip(server, client, offered)
    assert verdict == _OK
    assert [(got.algorithm, got.qop, got.nc) for got in sent] == [(algorithm, qop, "00000001")]
    later = client.authorize(method="BYE", uri=_URI, body=b"", cnonce="d")
    assert (
        server.verify(
            authorization_values=[value for _, value in later],
            method="BYE",
            uri=_URI,
            body=b"",
            now=1.0,
        )
        == _OK
    )


def test_body_changed_on_the_way_shows_with_auth_int() -> None:
    server = _server(qop=("auth-int",))
    client = DigestClient((Credentials(username="alice", password="wonder"),))
    fields = client.answer(
        _refusal(server.challenges(0.0, b"s")), method="MESSAGE", uri=_URI, body=b"1", cnonce="c"
    )
    assert fields is not None
    assert (
        server.verify(
            authorization_values=[fields[0][1]], method="MESSAGE", uri=_URI, body=b"2", now=0.0
        )
        == _GUESSED
    )


def test_stored_ha1s_on_both_sides() -> None:
    md5 = _md5("alice:r:wonder")
    sha = hashlib.sha256(b"alice:r:wonder").hexdigest()
    server = _server(
        User(realm="r", username="alice", ha1=md5.upper()),
        User(realm="r", username="alice", ha1=sha),
    )
    for ha1, algorithm in ((md5, "MD5"), (sha, "SHA-256")):
        client = DigestClient((Credentials(username="alice", ha1=ha1),))
        verdict, sent = _round_trip(server, client, server.challenges(0.0, ha1[:8].encode()))
        assert verdict == _OK
        assert [got.algorithm for got in sent] == [algorithm]


def test_user_without_a_secret_for_the_algorithm() -> None:
    # SHA-256 is offered for another user's sake.
    server = _server(User(realm="r", username="bob", ha1=_md5("bob:r:p")), _ALICE)
    client = DigestClient((Credentials(username="bob", password="p"),))
    assert _round_trip(server, client, server.challenges(0.0, b"s"))[0] == _GUESSED


def test_stale_challenge_gets_the_client_in_again() -> None:
    server = _server(lifetime=10.0)
    client = DigestClient((Credentials(username="alice", password="wonder"),))
    verdict, _ = _round_trip(server, client, server.challenges(0.0, b"s"), now=11.0)
    assert verdict == _STALE
    verdict, sent = _round_trip(server, client, server.challenges(11.0, b"t", stale=True), now=11.0)
    assert verdict == _OK
    assert [got.nc for got in sent] == ["00000001"]


def test_wrong_password_ends() -> None:
    server = _server()
    client = DigestClient((Credentials(username="alice", password="x"),))
    assert _round_trip(server, client, server.challenges(0.0, b"s"))[0] == _GUESSED
    again = client.answer(
        _refusal(server.challenges(0.0, b"t")), method="MESSAGE", uri=_URI, body=b"", cnonce="c"
    )
    assert again is None


def test_two_realms_of_one_server() -> None:
    server = _server(_ALICE, User(realm="q", username="carol", password="p"))
    client = DigestClient(
        (
            Credentials(realm="q", username="carol", password="p"),
            Credentials(username="alice", password="wonder"),
        )
    )
    values = server.challenges(0.0, b"s", realm="q")
    verdict, _ = _round_trip(server, client, values)
    assert verdict == Verdict(ok=True, user="carol", realm="q")
    verdict, sent = _round_trip(server, client, server.challenges(0.0, b"t"))
    assert [(got.realm, got.username) for got in sent] == [("q", "carol"), ("r", "alice")]
    assert verdict == Verdict(ok=True, user="carol", realm="q")
