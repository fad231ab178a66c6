"""Challenges: the values of WWW-Authenticate and Proxy-Authenticate."""

from __future__ import annotations

from collections.abc import Iterable

from picosip_server.frozen import dataclass
from picosip_server.sip.auth import params


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One Digest challenge (RFC 7616 section 3.3); ``str()`` writes it."""

    realm: str
    nonce: str
    opaque: str | None = None
    algorithm: str = ""
    """As the server wrote it, supported or not; empty where it said none (MD5)."""
    qop: tuple[str, ...] = ()
    """In lower case, unknown ones kept; empty where the server is of RFC 2069."""
    stale: bool = False
    """The nonce had run out; the secret was right."""

    def __str__(self) -> str:
        return params.write(
            (
                ("realm", self.realm, True),
                ("nonce", self.nonce, True),
                ("opaque", self.opaque, True),
                ("algorithm", self.algorithm or None, False),
                ("qop", ",".join(self.qop) or None, True),
                ("stale", "true" if self.stale else None, False),
            )
        )


def parse_challenges(header_values: Iterable[str]) -> list[Challenge]:
    """The Digest challenges of some field values, in their order.

    Other schemes are skipped, Basic included (RFC 8760 section 2.6), and so is a
    challenge with bad syntax or without realm or nonce (section 2.4).
    """
    return [
        _challenge(found)
        for value in header_values
        for scheme, found in params.parse(value)
        if scheme == "digest" and "realm" in found and "nonce" in found
    ]


def _challenge(found: dict[str, str]) -> Challenge:
    return Challenge(
        realm=found["realm"],
        nonce=found["nonce"],
        opaque=found.get("opaque"),
        algorithm=found.get("algorithm", ""),
        qop=tuple(
            word for item in found.get("qop", "").split(",") if (word := item.strip().lower())
        ),
        stale=found.get("stale", "").lower() == "true",
    )
