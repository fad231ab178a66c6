"""Challenges and credentials as they are read and written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from picosip_server.sip.auth import params
from picosip_server.sip.auth.authorization import DigestResponse, parse_authorization
from picosip_server.sip.auth.challenge import Challenge, parse_challenges
from picosip_server.sip.auth.users import User

_CORPUS = Path(__file__).parents[4] / "shared" / "corpora"
_INDEX = _CORPUS / "digest" / "rfc_messages_with_credentials.json"


def test_challenge_with_everything() -> None:
    assert parse_challenges(
        [
            'Digest realm="a, \\"b\\"", domain="sip:x", nonce="n", opaque="", stale=TRUE,'
            ' algorithm=sha-256 ,qop="auth , AUTH-INT,new",charset=UTF-8'
        ]
    ) == [
        Challenge(
            realm='a, "b"',
            nonce="n",
            opaque="",
            algorithm="sha-256",
            qop=("auth", "auth-int", "new"),
            stale=True,
        )
    ]


def test_least_challenge_and_odd_spelling() -> None:
    assert parse_challenges(['dIgEsT\tREALM = r ,, nonce=abc/d+e==,stale="False"']) == [
        Challenge(realm="r", nonce="abc/d+e==")
    ]


def test_foreign_schemes_are_skipped() -> None:
    # RFC 8760 sections 2.4 and 2.6: what is not understood is ignored, Basic refused.
    assert parse_challenges(
        [
            'Basic realm="r"',
            "NoOneKnowsThisScheme opaque-data=here",
            "Negotiate YWJj==",
            "Negotiate",
            'Digest realm="r", nonce="n"',
        ]
    ) == [Challenge(realm="r", nonce="n")]


def test_several_challenges_in_one_value() -> None:
    value = 'Basic realm="x", Digest realm="a", nonce="1", Negotiate, Digest nonce="2", realm="b"'
    assert parse_challenges([value]) == [
        Challenge(realm="a", nonce="1"),
        Challenge(realm="b", nonce="2"),
    ]


@pytest.mark.parametrize(
    "value",
    [
        "",
        ",",
        "Digest",
        'Digest realm="r"',
        'Digest nonce="n"',
        'Digest realm="r", nonce="n", nonce="m"',
        'Digest realm="r, nonce="n"',
        'Digest realm="r", nonce="n',
        'Digest realm="r\r\nX: y", nonce="n"',
        'Digest realm="r\\\n", nonce="n"',
        'realm="r", nonce="n"',
        '"Digest" realm="r", nonce="n"',
        "\n",
        "\x0b, Digest",
    ],
)
def test_bad_syntax_is_skipped(value: str) -> None:
    assert parse_challenges([value, 'Digest realm="ok", nonce="n"']) == [
        Challenge(realm="ok", nonce="n")
    ]


def test_challenge_written() -> None:
    assert (
        str(
            Challenge(
                realm='a "b"',
                nonce="n",
                opaque="o",
                algorithm="SHA-256",
                qop=("auth", "auth-int"),
                stale=True,
            )
        )
        == 'Digest realm="a \\"b\\"", nonce="n", opaque="o", algorithm=SHA-256, '
        'qop="auth,auth-int", stale=true'
    )
    assert str(Challenge(realm="r", nonce="n")) == 'Digest realm="r", nonce="n"'


def test_credentials_written() -> None:
    full = DigestResponse(
        username="bob",
        realm="r",
        nonce="n",
        uri="sip:r",
        response="00ff",
        algorithm="MD5",
        opaque="o",
        qop="auth",
        cnonce="c",
        nc="00000001",
    )
    assert str(full) == (
        'Digest username="bob", realm="r", nonce="n", uri="sip:r", response="00ff", '
        'algorithm=MD5, cnonce="c", opaque="o", qop=auth, nc=00000001'
    )
    assert parse_authorization([str(full)]) == [full]


def test_credentials_quoted_or_not() -> None:
    assert parse_authorization(
        [
            'Digest username=bob,realm=r,nonce=n,uri=sip:r;x=y,response=00,nc="00000001",'
            'qop="auth",algorithm="MD5"'
        ]
    ) == [
        DigestResponse(
            username="bob",
            realm="r",
            nonce="n",
            uri="sip:r;x=y",
            response="00",
            algorithm="MD5",
            qop="auth",
            nc="00000001",
        )
    ]


def test_credentials_without_a_required_parameter_are_skipped() -> None:
    whole = ['username="u"', 'realm="r"', 'nonce="n"', 'uri="sip:r"', 'response="0"']
    for missing in whole:
        value = "Digest " + ", ".join(part for part in whole if part != missing)
        assert parse_authorization([value]) == []
    assert parse_authorization(["Basic YWJj", "Digest"]) == []


@pytest.mark.skipif(not _INDEX.exists(), reason="../shared/corpora/digest is not here")
def test_credentials_in_the_messages_of_rfcs() -> None:
    unread = set()
    for entry in json.loads(_INDEX.read_text(encoding="utf-8")):
        message = _CORPUS / entry["file"]
        if not message.exists():
            continue
        text = message.read_text(encoding="utf-8").replace("\n ", " ")
        found = [
            (got.username, got.realm)
            for name, _, value in (line.partition(": ") for line in text.split("\n"))
            if name in ("Authorization", "Proxy-Authorization")
            for got in parse_authorization([value])
        ]
        if (entry["username"], entry["realm"]) not in found:
            unread.add(entry["file"])
    # The RFC left out the comma after the realm there.
    assert unread == {"rfc3665/003-s2.1-REGISTER.sip"}


_text = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1)


@given(
    realm=_text,
    nonce=_text,
    opaque=st.none() | _text | st.just(""),
    qop=st.lists(st.sampled_from(["auth", "auth-int", "x"])).map(tuple),
    stale=st.booleans(),
)
def test_challenge_round_trip(
    realm: str, nonce: str, opaque: str | None, qop: tuple[str, ...], stale: bool
) -> None:
    challenge = Challenge(
        realm=realm, nonce=nonce, opaque=opaque, algorithm="MD5", qop=qop, stale=stale
    )
    assert parse_challenges([str(challenge)]) == [challenge]


@given(st.text() | st.text(alphabet='Dab=,"\\ \t').map("Digest ".__add__))
def test_no_text_breaks_the_reader(value: str) -> None:
    for scheme, found in params.parse(value):
        assert scheme == scheme.lower()
        assert all(name == name.lower() for name in found)


@pytest.mark.parametrize("flood", ['"', '\\"', ' "\\', ",", 'a="', "a ", "a=", "=", "\t"])
def test_a_long_value_costs_no_more_than_its_length(flood: str) -> None:
    # Quadratic time would run into the test's time limit.
    value = 'Digest "' + flood * (1_000_000 // len(flood))
    assert parse_challenges([value, value[7:]]) == []


def test_secrets_do_not_show() -> None:
    user = User(realm="r", username="u", password="geheim", ha1="0123456789abcdef" * 2)
    assert repr(user) == "User(realm='r', username='u')"
    answer = DigestResponse(username="u", realm="r", nonce="n", uri="sip:r", response="beef")
    assert "beef" not in repr(answer)


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({}, "a user needs a password or an ha1"),
        ({"ha1": "12"}, "ha1 must be 32 (MD5) or 64 (SHA-256) hexadecimal digits"),
        ({"ha1": "x" * 32}, "ha1 must be 32 (MD5) or 64 (SHA-256) hexadecimal digits"),
        ({"password": "p", "username": "a\nb"}, "realm and username must not hold control"),
        ({"password": "p", "realm": "\x00"}, "realm and username must not hold control"),
    ],
)
def test_impossible_users(fields: dict[str, str], detail: str) -> None:
    with pytest.raises(ValueError) as raised:
        User(**({"realm": "r", "username": "u"} | fields))
    assert str(raised.value).startswith(detail)
