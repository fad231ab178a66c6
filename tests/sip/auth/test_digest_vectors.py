"""The published digest vectors, and every algorithm against hashlib."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from picosip_server.sip.auth import digest

_VECTORS = Path(__file__).parents[4] / "shared" / "corpora" / "digest" / "vectors.json"


def _response_of(vector: dict[str, str], password: str) -> str:
    algorithm = digest.find(vector["alg"])
    assert algorithm is not None
    ha1 = digest.ha1(algorithm, username=vector["user"], realm=vector["realm"], password=password)
    key = digest.session_key(algorithm, ha1=ha1, nonce=vector["nonce"], cnonce=vector["cnonce"])
    return digest.response(
        algorithm,
        key=key,
        method=vector["method"],
        uri=vector["uri"],
        nonce=vector["nonce"],
        qop=vector["qop"],
        nc=vector["nc"],
        cnonce=vector["cnonce"],
    )


@pytest.mark.skipif(not _VECTORS.exists(), reason="../shared/corpora/digest is not here")
def test_published_vectors() -> None:
    vectors = json.loads(_VECTORS.read_text(encoding="utf-8"))
    got = {
        (vector["source"], vector["alg"], vector["qop"]): _response_of(vector, vector["pw"])
        for vector in vectors
    }
    # RFC 7616 section 3.9.2 prints SHA-512 cut to 256 bits; SHA-512/256 is another hash.
    wanted = {
        (vector["source"], vector["alg"], vector["qop"]): (
            vector["expected"] if vector["ok"] else vector["recomputed"]
        )
        for vector in vectors
    }
    assert got == wanted
    assert [vector["source"] for vector in vectors if not vector["ok"]] == [
        "RFC 7616 3.9.2 (as printed)"
    ]


_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


@pytest.mark.parametrize("name", _HASHES)
@pytest.mark.parametrize("session", [False, True])
@pytest.mark.parametrize("qop", ["", "auth", "auth-int"])
def test_algorithm_is_its_formula(name: str, session: bool, qop: str) -> None:
    def h(text: str) -> str:
        return hashlib.new(_HASHES[name], text.encode()).hexdigest()

    a1 = h("jörg:example.com:päss")
    if session:
        a1 = h(f"{a1}:n0nce:c0nce")
    a2 = "BYE:sip:bob@example.com" + (":" + h("v=0\r\n") if qop == "auth-int" else "")
    middle = f"n0nce:00000002:c0nce:{qop}" if qop else "n0nce"
    expected = h(f"{a1}:{middle}:{h(a2)}")

    algorithm = digest.find((name + "-sess" if session else name).lower())
    assert algorithm is not None
    assert algorithm.name == name + ("-sess" if session else "")
    ha1 = digest.ha1(algorithm, username="jörg", realm="example.com", password="päss")
    assert expected == digest.response(
        algorithm,
        key=digest.session_key(algorithm, ha1=ha1, nonce="n0nce", cnonce="c0nce"),
        method="BYE",
        uri="sip:bob@example.com",
        nonce="n0nce",
        qop=qop,
        nc="00000002",
        cnonce="c0nce",
        body=b"v=0\r\n",
    )


def test_empty_body_is_hashed_as_the_rfc_prints_it() -> None:
    # RFC 8760 section 2.6 bullet 7.
    algorithm = digest.find("SHA-256")
    assert algorithm is not None
    assert algorithm.hash(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_absent_algorithm_is_md5_and_unknown_is_unsupported() -> None:
    absent = digest.find("")
    assert absent is not None and absent.name == "MD5"
    assert digest.find("AKAv1-MD5") is None
    assert digest.find("SHA-512-256-ses") is None


def test_octets_that_are_no_utf8_are_hashed_as_they_were() -> None:
    algorithm = digest.find("MD5")
    assert algorithm is not None
    name = b"j\xf6rg".decode("utf-8", "surrogateescape")
    expected = hashlib.md5(b"j\xf6rg:r:p").hexdigest()
    assert digest.ha1(algorithm, username=name, realm="r", password="p") == expected
