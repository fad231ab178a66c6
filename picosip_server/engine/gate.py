"""Digest challenges of this server: who may REGISTER and INVITE here."""

from __future__ import annotations

import secrets
from threading import Lock

from picosip_server.sip.auth.server import DigestServer
from picosip_server.sip.auth.users import User
from picosip_server.sip.message import Request
from picosip_server.sip.ua.inspect import Refusal

CHALLENGED = frozenset({"INVITE", "REGISTER"})


class Gate:
    """Shared by all workers: a nonce that one of them made is good for all, once."""

    def __init__(self, users: tuple[User, ...]) -> None:
        self._digest: DigestServer | None = None
        if users:
            # A proxy on the way may have rewritten the Request-URI, so it need not be the one
            # that was signed (RFC 8760 section 2.6); the nonce count keeps replays out.
            self._digest = DigestServer(users, secrets.token_bytes(32), match_uri=False)
        self._lock = Lock()

    def check(self, request: Request, now: float) -> tuple[str, Refusal | None]:
        """The user that the request proves to be from, or the 401 that asks for proof.

        Without users everybody may pass, as nobody.
        """
        if self._digest is None or request.method not in CHALLENGED:
            return "", None
        with self._lock:
            verdict = self._digest.verify(
                authorization_values=request.headers.get_all("Authorization"),
                method=request.method,
                uri=request.uri_text,
                body=request.body,
                now=now,
            )
            if verdict.ok:
                return verdict.user, None
            challenges = self._digest.challenges(now, secrets.token_bytes(8), stale=verdict.stale)
        return "", Refusal(401, tuple(("WWW-Authenticate", each) for each in challenges))
