"""Digest challenges of this server: which requests need them, and who passes."""

from __future__ import annotations

import secrets
from collections.abc import Hashable
from threading import Lock

from picosip_server.engine.config import EngineConfig
from picosip_server.engine.guard.guard import Guard
from picosip_server.engine.network import Source
from picosip_server.sip.auth.server import DigestServer, Verdict
from picosip_server.sip.message import Request
from picosip_server.sip.ua.call.incoming import IncomingCall
from picosip_server.sip.ua.inspect import Refusal

ALL = "*"
NEVER = frozenset({"ACK", "CANCEL"})
"""RFC 3261 section 22.1: they cannot be sent again with credentials."""
ONLY_BY_NAME = frozenset({"BYE", "PRACK"})
"""``ALL`` leaves them out: a client that cannot answer could not end its call."""


class Gate:
    """Shared by all workers: a nonce that one of them made is good for all, once."""

    def __init__(self, config: EngineConfig, guard: Guard) -> None:
        self._digest: DigestServer | None = None
        if config.users:
            # A proxy on the way may have rewritten the Request-URI, so it need not be the one
            # that was signed (RFC 8760 section 2.6); the nonce count keeps replays out.
            self._digest = DigestServer(config.users, secrets.token_bytes(32), match_uri=False)
        self._methods = frozenset(config.challenge) - NEVER
        self._listeners = config.challenge_listeners
        self._guard = guard
        self._lock = Lock()

    def check(self, request: Request, source: Source, now: float) -> Refusal | None:
        """None where the request may pass, and then it notes whom it proved to be from; else
        the 401 that asks for proof, or the 503 for a source that has guessed too often.

        Without users everybody may pass, as nobody.
        """
        if self._digest is None or not self._challenges(request.method, source.listener):
            return None
        values = request.headers.get_all("Authorization")
        wait = self._guard.must_wait(source.host, now) if values else 0.0
        if wait:
            # Not looked at: so it is slow to try many.
            return Refusal(503, (("Retry-After", str(1 + int(wait))),))
        verdict, challenges = self._verify(self._digest, request, values, now)
        if verdict.ok:
            request.authenticated_user = verdict.user
            return None
        if verdict.guessed:
            self._guard.guessed(source.host, now)
        return Refusal(401, tuple(("WWW-Authenticate", each) for each in challenges))

    def check_inside(
        self, request: Request, user: Hashable, source: Source, now: float
    ) -> Refusal | None:
        """The same for a request of a dialog of ``user``.

        Only who came to us has an account here: the far end of a call that we placed, or of
        a subscription of ours, need not.
        """
        came_in = isinstance(user, IncomingCall) or request.method == "SUBSCRIBE"
        if not came_in or request.method in NEVER:
            return None
        refusal = self.check(request, source, now)
        known = getattr(user, "authenticated_user", "")
        proven = request.authenticated_user
        if refusal is None and known and proven and known != proven:
            # 22.1: right credentials, but not of who began the call.
            return Refusal(403)
        return refusal

    def _challenges(self, method: str, listener: int) -> bool:
        if self._listeners is not None and listener not in self._listeners:
            return False
        if method in self._methods:
            return True
        return ALL in self._methods and method not in NEVER | ONLY_BY_NAME

    def _verify(
        self, digest: DigestServer, request: Request, values: list[str], now: float
    ) -> tuple[Verdict, list[str]]:
        with self._lock:
            verdict = digest.verify(
                authorization_values=values,
                method=request.method,
                uri=request.uri_text,
                body=request.body,
                now=now,
            )
            if verdict.ok:
                return verdict, []
            return verdict, digest.challenges(now, secrets.token_bytes(8), stale=verdict.stale)
