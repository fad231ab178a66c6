"""The digest computations of RFC 7616 section 3.4, for the algorithms of RFC 8760.

All texts are hashed as UTF-8; octets that are none come through by surrogateescape.
"""

from __future__ import annotations

import hashlib

from picosip_server.frozen import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """One entry of the registry "Hash Algorithms for HTTP Digest Authentication"."""

    name: str
    """As it is written in a header field."""
    hash_name: str
    """The name that hashlib knows; the same for an algorithm and its ``-sess``."""
    session: bool
    """A ``-sess`` algorithm: the key is bound to the first nonce and cnonce."""

    def hash(self, data: bytes) -> str:
        """Lower-case hexadecimal digest of ``data`` (RFC 8760 section 2.2)."""
        return hashlib.new(self.hash_name, data, usedforsecurity=False).hexdigest()


_HASHES = (("MD5", "md5"), ("SHA-256", "sha256"), ("SHA-512-256", "sha512_256"))
_HASH_BY_DIGITS = {32: "md5", 64: "sha256"}
# SHA-512/256 is not in every build of the library beneath hashlib.
_ALGORITHMS = {
    (name + suffix).lower(): Algorithm(
        name=name + suffix, hash_name=hash_name, session=bool(suffix)
    )
    for name, hash_name in _HASHES
    if hash_name in hashlib.algorithms_available
    for suffix in ("", "-sess")
}


def find(name: str) -> Algorithm | None:
    """The algorithm of that name in any case; None where it is not supported.

    An empty name is a parameter that was not there, which means MD5
    (RFC 7616 section 3.3).
    """
    return _ALGORITHMS.get(name.lower() or "md5")


def ha1(algorithm: Algorithm, *, username: str, realm: str, password: str) -> str:
    """H(username:realm:password): what may be stored instead of the password."""
    return algorithm.hash(_octets(f"{username}:{realm}:{password}"))


def stored_ha1(
    algorithm: Algorithm,
    *,
    username: str,
    realm: str,
    password: str | None,
    ha1_hex: str | None,
) -> str | None:
    """The HA1 from whichever of password and ready HA1 there is; the password wins.

    None where the ready one is of another hash: 32 digits are MD5, 64 SHA-256.
    """
    if password is not None:
        return ha1(algorithm, username=username, realm=realm, password=password)
    if ha1_hex is not None and _HASH_BY_DIGITS[len(ha1_hex)] == algorithm.hash_name:
        return ha1_hex.lower()
    return None


def session_key(algorithm: Algorithm, *, ha1: str, nonce: str, cnonce: str) -> str:
    """H(A1) of RFC 7616 section 3.4.2.

    For a ``-sess`` algorithm it is made once, from the challenge's nonce and the
    client's first cnonce, and kept; otherwise it is ``ha1`` itself.
    """
    if not algorithm.session:
        return ha1
    return algorithm.hash(_octets(f"{ha1}:{nonce}:{cnonce}"))


def response(
    algorithm: Algorithm,
    *,
    key: str,
    method: str,
    uri: str,
    nonce: str,
    qop: str = "",
    nc: str = "",
    cnonce: str = "",
    body: bytes = b"",
) -> str:
    """The ``response`` parameter; ``key`` is what ``session_key`` gave.

    An empty ``qop`` gives the form of RFC 2069, into which neither ``nc`` nor
    ``cnonce`` enters.
    """
    a2 = f"{method}:{uri}"
    # RFC 8760 section 2.6 bullet 7: no body hashes like an empty one.
    if qop.lower() == "auth-int":
        a2 = f"{a2}:{algorithm.hash(body)}"
    middle = f"{nonce}:{nc}:{cnonce}:{qop}" if qop else nonce
    return algorithm.hash(_octets(f"{key}:{middle}:{algorithm.hash(_octets(a2))}"))


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
