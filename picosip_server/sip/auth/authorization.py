"""Credentials: the values of Authorization and Proxy-Authorization."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

from picosip_server.frozen import dataclass
from picosip_server.sip.auth import params


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestResponse:
    """One client's answer to a challenge (RFC 7616 section 3.4); ``str()`` writes it."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str = field(repr=False)
    algorithm: str = ""
    opaque: str | None = None
    qop: str = ""
    cnonce: str = ""
    nc: str = ""
    """As on the wire, since that text is hashed; should be eight hexadecimal digits."""

    def __str__(self) -> str:
        # RFC 7616 section 3.4: algorithm, qop and nc must not be quoted.
        return params.write(
            (
                ("username", self.username, True),
                ("realm", self.realm, True),
                ("nonce", self.nonce, True),
                ("uri", self.uri, True),
                ("response", self.response, True),
                ("algorithm", self.algorithm or None, False),
                ("cnonce", self.cnonce or None, True),
                ("opaque", self.opaque, True),
                ("qop", self.qop or None, False),
                ("nc", self.nc or None, False),
            )
        )


def parse_authorization(header_values: Iterable[str]) -> list[DigestResponse]:
    """The Digest credentials of some field values, in their order.

    Parameters are taken quoted or not. Other schemes are skipped, and so are
    credentials with bad syntax or without one of the five that must be there.
    """
    return [
        _digest_response(found)
        for value in header_values
        for scheme, found in params.parse(value)
        if scheme == "digest" and found.keys() >= _REQUIRED
    ]


_REQUIRED = {"username", "realm", "nonce", "uri", "response"}


def _digest_response(found: dict[str, str]) -> DigestResponse:
    return DigestResponse(
        username=found["username"],
        realm=found["realm"],
        nonce=found["nonce"],
        uri=found["uri"],
        response=found["response"],
        algorithm=found.get("algorithm", ""),
        opaque=found.get("opaque"),
        qop=found.get("qop", ""),
        cnonce=found.get("cnonce", ""),
        nc=found.get("nc", ""),
    )
