"""The client side against challenges as servers write them."""

from __future__ import annotations

import hashlib

import pytest

from picosip_server.sip.auth.authorization import DigestResponse, parse_authorization
from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.errors import LocalProtocolError
from picosip_server.sip.headers import Headers
from picosip_server.sip.message import Response
from picosip_server.sip.ua.commands import Credentials

_URI = "sip:example.com"
_BOB = Credentials(username="bob", password="zanzibar")


def _h(text: str, name: str = "md5") -> str:
    return hashlib.new(name, text.encode()).hexdigest()


def _response(status: int, *fields: tuple[str, str]) -> Response:
    return Response(status, "x", Headers(fields))


def _www(realm: str, nonce: str, more: str = "") -> tuple[str, str]:
    return ("WWW-Authenticate", f'Digest realm="{realm}", nonce="{nonce}"{more}')


def _proxy(realm: str, nonce: str, more: str = "") -> tuple[str, str]:
    return ("Proxy-Authenticate", f'Digest realm="{realm}", nonce="{nonce}"{more}')


def _answer(
    client: DigestClient, *fields: tuple[str, str], status: int = 401, cnonce: str = "c1"
) -> list[tuple[str, str]] | None:
    return client.answer(
        _response(status, *fields), method="REGISTER", uri=_URI, body=b"", cnonce=cnonce
    )


def _authorize(client: DigestClient, cnonce: str = "c2") -> list[tuple[str, str]]:
    return client.authorize(method="REGISTER", uri=_URI, body=b"", cnonce=cnonce)


def _parsed(fields: list[tuple[str, str]] | None) -> list[tuple[str, DigestResponse]]:
    assert fields is not None
    return [(name, found) for name, value in fields for found in parse_authorization([value])]


def _brief(fields: list[tuple[str, str]] | None) -> list[tuple[str, str, str, str]]:
    return [(name, got.realm, got.nonce, got.nc) for name, got in _parsed(fields)]


def test_form_of_rfc_2069() -> None:
    expected = _h(f"{_h('bob:r:zanzibar')}:n1:{_h('REGISTER:' + _URI)}")
    assert _answer(DigestClient((_BOB,)), _www("r", "n1", ', opaque="o"')) == [
        (
            "Authorization",
            f'Digest username="bob", realm="r", nonce="n1", uri="{_URI}", '
            f'response="{expected}", opaque="o"',
        )
    ]


def test_qop_auth() -> None:
    expected = _h(f"{_h('bob:r:zanzibar')}:n1:00000001:c1:auth:{_h('REGISTER:' + _URI)}")
    fields = _answer(
        DigestClient((_BOB,)), _proxy("r", "n1", ', algorithm=md5, qop="auth-int,auth"'), status=407
    )
    assert fields == [
        (
            "Proxy-Authorization",
            f'Digest username="bob", realm="r", nonce="n1", uri="{_URI}", '
            f'response="{expected}", algorithm=MD5, cnonce="c1", qop=auth, nc=00000001',
        )
    ]


def test_qop_auth_int_where_nothing_else_is_offered() -> None:
    body_hash = hashlib.sha256(b"v=0\r\n").hexdigest()
    a2 = _h(f"INVITE:{_URI}:{body_hash}", "sha256")
    key = _h("bob:r:zanzibar", "sha256")
    expected = _h(f"{key}:n1:00000001:c1:auth-int:{a2}", "sha256")
    response = _response(401, _www("r", "n1", ', algorithm=SHA-256, qop="auth-int"'))
    fields = DigestClient((_BOB,)).answer(
        response, method="INVITE", uri=_URI, body=b"v=0\r\n", cnonce="c1"
    )
    assert [(got.response, got.qop) for _, got in _parsed(fields)] == [(expected, "auth-int")]


def test_only_unknown_qop_is_not_answered() -> None:
    assert _answer(DigestClient((_BOB,)), _www("r", "n", ', qop="auth-conf"')) is None


def test_topmost_supported_algorithm_is_taken() -> None:
    # RFC 8760 section 2.4.
    fields = _answer(
        DigestClient((_BOB,)),
        _www("r", "n0", ', algorithm=FUTURE, qop="auth"'),
        ("WWW-Authenticate", 'Basic realm="r"'),
        _www("r", "n1", ', algorithm=SHA-512-256, qop="auth"'),
        _www("r", "n2", ', algorithm=MD5, qop="auth"'),
    )
    assert [(got.nonce, got.algorithm) for _, got in _parsed(fields)] == [("n1", "SHA-512-256")]


def test_no_supported_algorithm() -> None:
    assert _answer(DigestClient((_BOB,)), _www("r", "n", ", algorithm=AKAv1-MD5")) is None


def test_session_algorithm_without_qop_is_passed_over() -> None:
    # RFC 3261 section 22.4 bullet 8.
    fields = _answer(
        DigestClient((_BOB,)), _www("r", "n1", ", algorithm=MD5-sess"), _www("r", "n2")
    )
    assert _brief(fields) == [("Authorization", "r", "n2", "")]


def test_session_key_is_kept_with_its_cnonce() -> None:
    # RFC 7616 section 3.4.2: A1 is made once, with the first cnonce.
    client = DigestClient((_BOB,))
    _answer(client, _www("r", "n1", ', algorithm=SHA-256-sess, qop="auth"'))
    client.learn(_response(200, ("Authentication-Info", 'nextnonce="n2", qop=auth')))
    key = _h(f"{_h('bob:r:zanzibar', 'sha256')}:n1:c1", "sha256")
    a2 = _h("REGISTER:" + _URI, "sha256")
    expected = _h(f"{key}:n2:00000001:c1:auth:{a2}", "sha256")
    assert [(got.response, got.cnonce) for _, got in _parsed(_authorize(client))] == [
        (expected, "c1")
    ]


def test_no_credentials() -> None:
    assert _answer(DigestClient(()), _www("r", "n")) is None
    other = Credentials(realm="other", username="u", password="p")
    assert _answer(DigestClient((other,)), _www("r", "n")) is None
    assert _answer(DigestClient((_BOB,))) is None


def test_exact_realm_wins() -> None:
    exact = Credentials(realm="r", username="exact", password="p")
    client = DigestClient((_BOB, exact))
    fields = _answer(client, _www("r", "n"), _www("s", "m"))
    assert [(got.realm, got.username) for _, got in _parsed(fields)] == [
        ("r", "exact"),
        ("s", "bob"),
    ]


@pytest.mark.parametrize(
    ("hash_name", "algorithm", "usable"),
    [
        ("md5", "MD5", True),
        ("md5", "MD5-sess", True),
        ("md5", "SHA-256", False),
        ("sha256", "SHA-256", True),
        ("sha256", "SHA-512-256", False),
        ("sha256", "MD5", False),
    ],
)
def test_ha1_serves_its_own_algorithm(hash_name: str, algorithm: str, usable: bool) -> None:
    offer = _www("r", "n1", f', algorithm={algorithm}, qop="auth"')
    stored = _h("bob:r:zanzibar", hash_name).upper()
    by_ha1 = _answer(DigestClient((Credentials(username="bob", ha1=stored),)), offer)
    assert by_ha1 == (_answer(DigestClient((_BOB,)), offer) if usable else None)


def test_credentials_without_any_secret() -> None:
    assert _answer(DigestClient((Credentials(username="bob"),)), _www("r", "n")) is None


def test_forking_proxy_asks_for_several_realms_of_both_kinds() -> None:
    # RFC 3261 section 22.3.
    fields = _answer(
        DigestClient((_BOB,)), _www("u", "n1"), _proxy("p", "n2"), _proxy("q", "n3"), status=407
    )
    assert _brief(fields) == [
        ("Authorization", "u", "n1", ""),
        ("Proxy-Authorization", "p", "n2", ""),
        ("Proxy-Authorization", "q", "n3", ""),
    ]


def test_realm_answered_before_stays_in_with_its_count_up() -> None:
    client = DigestClient((_BOB,))
    _answer(client, _proxy("p", "n1", ', qop="auth"'), status=407)
    fields = _answer(client, _www("u", "n2", ', qop="auth"'))
    assert _brief(fields) == [
        ("Proxy-Authorization", "p", "n1", "00000002"),
        ("Authorization", "u", "n2", "00000001"),
    ]


def test_one_of_two_realms_without_credentials() -> None:
    only = Credentials(realm="p", username="u", password="p")
    fields = _answer(DigestClient((only,)), _proxy("p", "n1"), _proxy("q", "n2"), status=407)
    assert _brief(fields) == [("Proxy-Authorization", "p", "n1", "")]


def test_wrong_password_does_not_loop() -> None:
    client = DigestClient((_BOB,))
    assert _answer(client, _www("r", "n1")) is not None
    assert _answer(client, _www("r", "n2")) is None
    # Another realm goes on without the refused one.
    assert _brief(_answer(client, _www("r", "n3"), _www("s", "n4"))) == [
        ("Authorization", "s", "n4", "")
    ]
    # The next request starts anew.
    assert _brief(_authorize(client)) == [("Authorization", "s", "n4", "")]
    assert _brief(_answer(client, _www("r", "n5"))) == [
        ("Authorization", "s", "n4", ""),
        ("Authorization", "r", "n5", ""),
    ]


def test_stale_is_answered_with_the_new_nonce() -> None:
    client = DigestClient((_BOB,))
    _answer(client, _www("r", "n1", ', qop="auth"'))
    fields = _answer(client, _www("r", "n2", ', qop="auth", stale=true'))
    assert _brief(fields) == [("Authorization", "r", "n2", "00000001")]


def test_stale_with_the_nonce_that_was_refused_is_no_news() -> None:
    client = DigestClient((_BOB,))
    _answer(client, _www("r", "n1"))
    assert _answer(client, _www("r", "n1", ", stale=true")) is None


def test_refusal_in_an_algorithm_that_is_not_ours() -> None:
    client = DigestClient((_BOB,))
    _answer(client, _www("r", "n1"))
    assert _answer(client, _www("r", "n2", ", algorithm=FUTURE, stale=true")) is None


def test_stale_for_ever_ends() -> None:
    client = DigestClient((_BOB,))
    rounds = 0
    while _answer(client, _www("r", f"n{rounds}", ", stale=true")) is not None:
        rounds += 1
        assert rounds < 100
    assert rounds == 8


def test_ever_new_realms_end_and_are_not_all_remembered() -> None:
    client = DigestClient((_BOB,))
    fields = _answer(client, *(_www(f"r{n}", "n") for n in range(40)))
    assert fields is not None and len(fields) == 16
    rounds = 1
    while _answer(client, _www(f"new{rounds}", "n")) is not None:
        rounds += 1
        assert rounds < 100
    assert rounds == 8


def test_later_request_uses_the_nonce_and_may_be_challenged_anew() -> None:
    client = DigestClient((_BOB,))
    assert _authorize(client) == []
    _answer(client, _www("r", "n1", ', qop="auth"'))
    assert _brief(_authorize(client)) == [("Authorization", "r", "n1", "00000002")]
    # A server may forget a nonce and not say stale: the first answer to it is due.
    fields = _answer(client, _www("r", "n2", ', qop="auth"'))
    assert _brief(fields) == [("Authorization", "r", "n2", "00000001")]
    assert _answer(client, _www("r", "n3", ', qop="auth"')) is None
    assert _authorize(client) == []


def test_realm_that_moved_to_an_unknown_algorithm_is_forgotten() -> None:
    client = DigestClient((_BOB,))
    _answer(client, _www("r", "n1"))
    _authorize(client)
    assert _answer(client, _www("r", "n2", ", algorithm=FUTURE")) is None
    assert _authorize(client) == []


def test_next_nonce() -> None:
    client = DigestClient((_BOB,))
    _answer(client, _www("r", "n1", ', qop="auth"'), _proxy("p", "m1", ', qop="auth"'))
    client.learn(
        _response(
            200,
            ("Authentication-Info", 'nextnonce="n2"'),
            ("Proxy-Authentication-Info", "qop=auth, nextnonce=m2"),
        )
    )
    assert _brief(_authorize(client)) == [
        ("Authorization", "r", "n2", "00000001"),
        ("Proxy-Authorization", "p", "m2", "00000001"),
    ]


def test_next_nonce_that_names_no_realm_among_several_is_left() -> None:
    client = DigestClient((_BOB,))
    _answer(client, _www("r", "n1"), _www("s", "m1"))
    client.learn(_response(200, ("Authentication-Info", 'nextnonce="n2"')))
    client.learn(_response(200, ("Authentication-Info", 'rspauth="00"')))
    assert _brief(_authorize(client)) == [
        ("Authorization", "r", "n1", ""),
        ("Authorization", "s", "m1", ""),
    ]


def test_only_a_final_response_that_is_no_challenge_ends_a_request() -> None:
    client = DigestClient((_BOB,))
    _answer(client, _www("r", "n1"))
    client.learn(_response(401))
    client.learn(_response(407))
    client.learn(_response(100))
    assert _answer(client, _www("r", "n2")) is None
    client.learn(_response(486))
    assert _answer(client, _www("r", "n3")) is not None


def test_secrets_do_not_show() -> None:
    client = DigestClient((_BOB,))
    _answer(client, _www("r", "n1"))
    key = _h("bob:r:zanzibar")
    shown = repr(client) + repr(vars(client))
    assert "zanzibar" not in shown and key not in shown


@pytest.mark.parametrize(
    ("entry", "detail"),
    [
        (Credentials(username="a\r\nb", password="p"), "control character in a name"),
        (Credentials(realm="a\nb", username="u", password="p"), "control character in a name"),
    ],
)
def test_names_that_would_break_the_header(entry: Credentials, detail: str) -> None:
    with pytest.raises(LocalProtocolError) as raised:
        DigestClient((_BOB, entry))
    assert str(raised.value) == f"credentials[1]: {detail}"


def test_ha1_of_no_known_form() -> None:
    with pytest.raises(LocalProtocolError) as raised:
        DigestClient((Credentials(username="u", ha1="abc"),))
    assert str(raised.value) == "credentials[0].ha1: must be 32 or 64 hexadecimal digits"
