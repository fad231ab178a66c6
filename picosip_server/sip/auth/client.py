"""Digest as user agent client (RFC 3261 sections 22.2 and 22.3, RFC 8760 section 2.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, replace

from picosip_server.frozen import dataclass
from picosip_server.sip.auth import digest, params
from picosip_server.sip.auth.authorization import DigestResponse
from picosip_server.sip.auth.challenge import Challenge, parse_challenges
from picosip_server.sip.auth.digest import Algorithm
from picosip_server.sip.auth.users import is_ha1, is_name
from picosip_server.sip.errors import LocalProtocolError
from picosip_server.sip.message import Response
from picosip_server.sip.ua.commands import Credentials

# A server may call every nonce stale, and one that is given credentials for any realm
# may name a new realm each time; neither keeps a request going for ever.
_MAX_ROUNDS = 8
_MAX_SESSIONS = 16

# Challenge field, credentials field, field with the next nonce.
_KINDS = (
    ("WWW-Authenticate", "Authorization", "Authentication-Info"),
    ("Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info"),
)


@dataclass(slots=True, kw_only=True)
class _Session:
    """The authentication session with one realm (RFC 7616 section 3.6)."""

    challenge: Challenge
    algorithm: Algorithm
    username: str
    key: str = field(repr=False)
    qop: str
    cnonce: str
    """Of a -sess algorithm: the one that the key was made with, kept for life."""
    count: int = 0
    answered: bool = True
    """This request has answered the realm's challenge already."""
    refused: bool = False


class DigestClient:
    """Answers challenges for one application object: a call, a registration, a request.

    A request begins with ``authorize``, each 401 or 407 goes to ``answer``, and the
    final response to ``learn``. The fields that ``authorize`` and ``answer`` give
    are all that the request is to have: those of an earlier attempt are replaced.
    The ACK for a 2xx repeats those of its INVITE (RFC 3261 section 22.1).

    Raises LocalProtocolError where a realm or user name holds a control character
    or an ha1 is neither 32 nor 64 hexadecimal digits.
    """

    def __init__(self, credentials: tuple[Credentials, ...]) -> None:
        for index, entry in enumerate(credentials):
            if not is_name(entry.realm) or not is_name(entry.username):
                raise LocalProtocolError(f"credentials[{index}]: control character in a name")
            if entry.ha1 is not None and not is_ha1(entry.ha1):
                raise LocalProtocolError(
                    f"credentials[{index}].ha1: must be 32 or 64 hexadecimal digits"
                )
        self._credentials = credentials
        self._sessions: dict[tuple[str, str], _Session] = {}
        self._rounds = 0

    def authorize(
        self, *, method: str, uri: str, body: bytes, cnonce: str
    ) -> list[tuple[str, str]]:
        """Begins a request: the fields for the realms known so far, none at first.

        ``uri`` is the Request-URI as it goes out, ``cnonce`` fresh for each call.
        """
        self._next_request()
        return self._fields(method, uri, body, cnonce)

    def answer(
        self, response: Response, *, method: str, uri: str, body: bytes, cnonce: str
    ) -> list[tuple[str, str]] | None:
        """The fields with which to send the request again after ``response``.

        All realms challenged in it are answered, whether it is a 401 or a 407: a
        forking proxy puts both kinds into one (RFC 3261 section 22.3). Realms
        answered before stay in. None where nothing new can be said: no credentials
        or no supported algorithm for any of the realms, or they refused our answer.
        """
        self._rounds += 1
        if self._rounds > _MAX_ROUNDS:
            return None
        progress = False
        for challenge_field, reply_field, _ in _KINDS:
            offers: dict[str, list[Challenge]] = {}
            for offer in parse_challenges(response.headers.get_all(challenge_field)):
                offers.setdefault(offer.realm, []).append(offer)
            for realm, choices in offers.items():
                progress |= self._challenged((reply_field, realm), choices, cnonce)
        return self._fields(method, uri, body, cnonce) if progress else None

    def learn(self, response: Response) -> None:
        """Takes the final response to a request: a next nonce may be in it.

        RFC 7616 section 3.5. The field names no realm, so that a next nonce from
        one of several realms behind the same field is left alone: the realm will
        say stale. A challenge or a provisional response changes nothing.
        """
        if response.status < 200 or response.status in (401, 407):
            return
        self._next_request()
        for _, reply_field, info_field in _KINDS:
            sessions = [
                session for (kind, _), session in self._sessions.items() if kind == reply_field
            ]
            for nonce in _next_nonces(response.headers.get_all(info_field)):
                if len(sessions) == 1:
                    sessions[0].challenge = replace(sessions[0].challenge, nonce=nonce)
                    sessions[0].count = 0

    def _next_request(self) -> None:
        self._rounds = 0
        self._sessions = {
            key: session for key, session in self._sessions.items() if not session.refused
        }
        for session in self._sessions.values():
            session.answered = False

    def _challenged(self, key: tuple[str, str], offers: list[Challenge], cnonce: str) -> bool:
        """Whether there is a new answer to a realm's challenge, now its session."""
        known = self._sessions.get(key)
        # RFC 8760 section 2.4: the topmost one that we can answer.
        fresh = next(filter(None, (self._session(offer, cnonce) for offer in offers)), None)
        if known is not None and known.answered:
            # RFC 3261 section 22.1: not the rejected credentials again, except that
            # they were stale, which a new nonce shows.
            offer = fresh.challenge if fresh is not None else known.challenge
            if not offer.stale or offer.nonce == known.challenge.nonce:
                known.refused = True
                return False
        if fresh is None:
            self._sessions.pop(key, None)
            return False
        if known is None and len(self._sessions) >= _MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[key] = fresh
        return True

    def _session(self, offer: Challenge, cnonce: str) -> _Session | None:
        algorithm = digest.find(offer.algorithm)
        qop = _choose_qop(offer.qop)
        # RFC 3261 section 22.4 bullet 8: a -sess algorithm needs a cnonce, and a
        # cnonce needs a qop.
        if algorithm is None or qop is None or (algorithm.session and not qop):
            return None
        for entry in self._candidates(offer.realm):
            secret = digest.stored_ha1(
                algorithm,
                username=entry.username,
                realm=offer.realm,
                password=entry.password,
                ha1_hex=entry.ha1,
            )
            if secret is not None:
                return _Session(
                    challenge=offer,
                    algorithm=algorithm,
                    username=entry.username,
                    key=digest.session_key(algorithm, ha1=secret, nonce=offer.nonce, cnonce=cnonce),
                    qop=qop,
                    cnonce=cnonce if algorithm.session else "",
                )
        return None

    def _candidates(self, realm: str) -> list[Credentials]:
        exact = [entry for entry in self._credentials if entry.realm == realm]
        return exact or [entry for entry in self._credentials if not entry.realm]

    def _fields(self, method: str, uri: str, body: bytes, cnonce: str) -> list[tuple[str, str]]:
        fields = []
        for (name, _), session in self._sessions.items():
            if not session.refused:
                session.count += 1
                fields.append((name, str(_reply(session, method, uri, body, cnonce))))
        return fields


def _reply(session: _Session, method: str, uri: str, body: bytes, cnonce: str) -> DigestResponse:
    offer = session.challenge
    # RFC 7616 section 3.4: neither cnonce nor nc where the server sent no qop.
    cnonce = (session.cnonce or cnonce) if session.qop else ""
    nc = f"{session.count:08x}" if session.qop else ""
    return DigestResponse(
        username=session.username,
        realm=offer.realm,
        nonce=offer.nonce,
        uri=uri,
        response=digest.response(
            session.algorithm,
            key=session.key,
            method=method,
            uri=uri,
            nonce=offer.nonce,
            qop=session.qop,
            nc=nc,
            cnonce=cnonce,
            body=body,
        ),
        # Not named by the server, not named back: servers of RFC 2069 know no such thing.
        algorithm=session.algorithm.name if offer.algorithm else "",
        opaque=offer.opaque,
        qop=session.qop,
        cnonce=cnonce,
        nc=nc,
    )


def _choose_qop(offered: tuple[str, ...]) -> str | None:
    """Empty where the server offers none, None where only unknown ones.

    "auth" where there is a choice: proxies may touch bodies on the way.
    """
    if not offered:
        return ""
    return next((known for known in ("auth", "auth-int") if known in offered), None)


def _next_nonces(values: list[str]) -> Iterator[str]:
    for value in values:
        for _, found in params.parse(value):
            if found.get("nextnonce"):
                yield found["nextnonce"]
