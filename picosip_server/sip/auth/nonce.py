"""Nonces that the server need not remember (RFC 7616 sections 3.3 and 5.4)."""

from __future__ import annotations

import base64
import binascii
import hmac

from picosip_server.frozen import dataclass

_TIME_OCTETS = 8
_MAC_OCTETS = 32
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Nonce:
    """A nonce that this server made; the lesser one was issued earlier."""

    issued: int
    """When, in microseconds of the clock that gave ``now``."""
    identity: bytes
    """What tells it from all others of its realm."""

    def age(self, now: float) -> float:
        """Seconds since it was made."""
        return now - self.issued / _MICROSECONDS


def make(secret: bytes, *, realm: str, now: float, salt: bytes) -> str:
    """base64(time, salt, HMAC-SHA-256 over both and the realm)."""
    stamp = round(now * _MICROSECONDS).to_bytes(_TIME_OCTETS, "big", signed=True)
    identity = stamp + salt
    return base64.b64encode(identity + _mac(secret, realm, identity)).decode("ascii")


def read(secret: bytes, text: str, *, realm: str) -> Nonce | None:
    """What ``make`` put into ``text``; None where it did not make it for this realm."""
    try:
        octets = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    identity, mac = octets[:-_MAC_OCTETS], octets[-_MAC_OCTETS:]
    if len(identity) < _TIME_OCTETS:
        return None
    if not hmac.compare_digest(mac, _mac(secret, realm, identity)):
        return None
    return Nonce(
        issued=int.from_bytes(identity[:_TIME_OCTETS], "big", signed=True), identity=identity
    )


def _mac(secret: bytes, realm: str, identity: bytes) -> bytes:
    # The length keeps what is salt apart from what is realm.
    message = len(identity).to_bytes(4, "big") + identity + realm.encode("utf-8", "surrogateescape")
    return hmac.digest(secret, message, "sha256")
