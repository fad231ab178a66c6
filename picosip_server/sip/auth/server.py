"""Digest as user agent server (RFC 3261 section 22.2, RFC 7616, RFC 8760 section 2.3)."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable

from picosip_server.frozen import dataclass
from picosip_server.sip.auth import digest, nonce
from picosip_server.sip.auth.authorization import DigestResponse, parse_authorization
from picosip_server.sip.auth.challenge import Challenge
from picosip_server.sip.auth.digest import Algorithm
from picosip_server.sip.auth.replay import ReplayGuard
from picosip_server.sip.auth.users import User
from picosip_server.sip.errors import ParseError
from picosip_server.sip.uri import Uri

# RFC 8760 section 2.3: the preferred algorithm on top.
_OFFERED = tuple(found for name in ("SHA-256", "MD5") if (found := digest.find(name)) is not None)
_COUNT = re.compile(r"[0-9a-fA-F]{1,8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the credentials of a request are worth."""

    ok: bool
    user: str = ""
    """Empty unless ``ok``: a claimed name is no name."""
    realm: str = ""
    """The realm of the credentials; empty where none were for a realm of ours."""
    stale: bool = False
    """The secret was right, the nonce had run out: challenge with ``stale``."""
    guessed: bool = False
    """The nonce was one of ours and the secret wrong, as when somebody tries passwords."""


class DigestServer:
    """Challenges requests and checks what comes back.

    ``secret`` makes the nonces: another process with the same users, secret and
    clock accepts them too, though each counts uses by itself. ``lifetime`` of a
    nonce is in seconds. ``qop`` is what is offered, and only that is accepted,
    besides none at all (RFC 3261 section 22.4 bullet 8); "auth-int" is not offered
    unless asked for, since there are clients that take a list for a single word.
    ``match_uri`` False accepts a digest made over another Request-URI than the
    one that arrived, as happens behind a proxy that rewrites it (RFC 8760
    section 2.6 bullet 6).

    Raises ValueError without users.
    """

    def __init__(
        self,
        users: tuple[User, ...],
        secret: bytes,
        lifetime: float = 300.0,
        max_nonces: int = 100_000,
        *,
        qop: tuple[str, ...] = ("auth",),
        match_uri: bool = True,
    ) -> None:
        if not users:
            raise ValueError("digest needs at least one user")
        self._secret = secret
        self._lifetime = lifetime
        self._qop = qop
        self._match_uri = match_uri
        self._default_realm = users[0].realm
        self._ha1: dict[tuple[str, str, str], str] = {}
        self._algorithms: dict[str, list[Algorithm]] = {user.realm: [] for user in users}
        self._replay = ReplayGuard(lifetime=lifetime, max_nonces=max_nonces)
        for algorithm in _OFFERED:
            for user in users:
                self._add(user, algorithm)

    def _add(self, user: User, algorithm: Algorithm) -> None:
        secret = digest.stored_ha1(
            algorithm,
            username=user.username,
            realm=user.realm,
            password=user.password,
            ha1_hex=user.ha1,
        )
        if secret is None:
            return
        self._ha1.setdefault((user.realm, user.username, algorithm.name), secret)
        if algorithm not in self._algorithms[user.realm]:
            self._algorithms[user.realm].append(algorithm)

    def challenges(
        self, now: float, salt: bytes, *, stale: bool = False, realm: str = ""
    ) -> list[str]:
        """Field values for WWW-Authenticate or Proxy-Authenticate, in their order.

        One for each algorithm that some user of the realm has a secret for, SHA-256
        first. ``salt`` is random, fresh for each call. An empty ``realm`` means that
        of the first user; raises KeyError for one that has no users.
        """
        realm = realm or self._default_realm
        text = nonce.make(self._secret, realm=realm, now=now, salt=salt)
        return [
            str(
                Challenge(
                    realm=realm, nonce=text, algorithm=algorithm.name, qop=self._qop, stale=stale
                )
            )
            for algorithm in self._algorithms[realm]
        ]

    def verify(
        self,
        *,
        authorization_values: Iterable[str],
        method: str,
        uri: str,
        body: bytes,
        now: float,
    ) -> Verdict:
        """Checks the Authorization (or Proxy-Authorization) values of a request.

        ``uri`` is the Request-URI as it arrived. A verdict that is ok uses its nonce
        count up: the same credentials are stale from then on, so that a request is
        to be checked once, after retransmissions were absorbed.
        """
        verdict = Verdict(ok=False)
        for credentials in parse_authorization(authorization_values):
            if credentials.realm not in self._algorithms:
                continue
            found = self._check(credentials, method, uri, body, now)
            if found.ok:
                return found
            if not verdict.stale:
                verdict = found
        return verdict

    def _check(
        self, credentials: DigestResponse, method: str, uri: str, body: bytes, now: float
    ) -> Verdict:
        refused = Verdict(ok=False, realm=credentials.realm)
        issued = nonce.read(self._secret, credentials.nonce, realm=credentials.realm)
        if issued is None or (self._match_uri and not _same_uri(credentials.uri, uri)):
            return refused
        count = self._count(credentials)
        if count is None:
            return refused
        if not self._digest_is_right(credentials, method, body):
            return Verdict(ok=False, realm=credentials.realm, guessed=True)
        # RFC 7616 section 3.3: stale says that the secret was right, so only now.
        if issued.age(now) > self._lifetime or not self._replay.use(issued, count, now):
            return Verdict(ok=False, realm=credentials.realm, stale=True)
        return Verdict(ok=True, user=credentials.username, realm=credentials.realm)

    def _count(self, credentials: DigestResponse) -> int | None:
        """The nonce count; None where qop, nc and cnonce do not go together."""
        if not credentials.qop:
            # A client of RFC 2069 counts nothing: its nonce is good for one request.
            return 1
        if credentials.qop.lower() not in self._qop or not credentials.cnonce:
            return None
        return int(credentials.nc, 16) if _COUNT.fullmatch(credentials.nc) else None

    def _digest_is_right(self, credentials: DigestResponse, method: str, body: bytes) -> bool:
        algorithm = digest.find(credentials.algorithm)
        if algorithm not in self._algorithms[credentials.realm]:
            return False
        secret = self._ha1.get((credentials.realm, credentials.username, algorithm.name))
        # An unknown user costs the same time as a known one.
        key = secret if secret is not None else algorithm.hash(self._secret)
        expected = digest.response(
            algorithm,
            key=key,
            method=method,
            uri=credentials.uri,
            nonce=credentials.nonce,
            qop=credentials.qop,
            nc=credentials.nc,
            cnonce=credentials.cnonce,
            body=body,
        )
        given = credentials.response.lower().encode("utf-8", "surrogateescape")
        right = hmac.compare_digest(given, expected.encode("ascii"))
        return right and secret is not None


def _same_uri(left: str, right: str) -> bool:
    if left == right:
        return True
    try:
        return Uri.parse(left).equivalent(Uri.parse(right))
    except ParseError:
        return False
