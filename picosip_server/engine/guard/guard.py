"""The guard: what is known of each source, and what follows for its next message.

One serves all workers. Loopback addresses and those that are trusted have no limits here
(``Standing.exempt``); the lists of networks hold for all.
"""

from __future__ import annotations

from enum import Enum
from threading import Lock

from picosip_server.engine.complaints import Complaints
from picosip_server.engine.guard.config import GuardConfig
from picosip_server.engine.guard.rate import TokenBucket
from picosip_server.engine.guard.scanners import Agents, Garbage
from picosip_server.engine.guard.sources import Sources, Table
from picosip_server.sip.message import Request


class Screening(Enum):
    """How the next message of a source is met."""

    OPEN = "open"
    DENIED = "denied"
    """All that it sends is dropped."""
    BLOCKED = "blocked"
    """What is not part of a call or transaction that goes on is dropped."""
    LIMITED = "limited"
    """It is above its rate: what begins something is refused."""


class Guard:
    """``host`` is an IP address, ``now`` monotonic seconds."""

    def __init__(self, config: GuardConfig) -> None:
        self._config = config
        self._sources = Sources(config)
        self._agents = Agents(config)
        self._requests = Table(
            lambda: TokenBucket(config.rate, config.burst or max(1, round(2 * config.rate)))
        )
        self._calls = Table(
            lambda: TokenBucket(
                config.call_rate, config.call_burst or max(1, round(2 * config.call_rate))
            )
        )
        self._failures = Table(
            lambda: TokenBucket(config.auth_failures / config.auth_window, config.auth_failures)
        )
        self._garbage = Table(Garbage)
        self._blocked_until: Table[list[float]] = Table(lambda: [0.0])
        # Of its own: the source was complained about as the sender of what has it blocked.
        self._complaints = Complaints()
        self._lock = Lock()

    @property
    def drops(self) -> bool:
        """Whether what is above a rate is dropped without an answer."""
        return self._config.drop

    def admits(self, host: str) -> bool:
        """Whether the lists of networks let it in at all."""
        return self._sources.standing(host).admitted

    def screen(self, host: str, now: float) -> Screening:
        """What is known before its message is read."""
        standing = self._sources.standing(host)
        if not standing.admitted:
            return Screening.DENIED
        if standing.exempt:
            return Screening.OPEN
        with self._lock:
            if self._is_blocked(standing.key, now):
                return Screening.BLOCKED
            if self._config.rate:
                bucket = self._requests.known(standing.key)
                if bucket is not None and bucket.wait(now):
                    return Screening.LIMITED
        return Screening.OPEN

    def charge(self, host: str, now: float, *, a_call: bool) -> float:
        """A request begins something: seconds until the source may; 0: it may, and it counts."""
        config = self._config
        standing = self._sources.standing(host)
        if standing.exempt or not (config.rate or config.call_rate):
            return 0.0
        with self._lock:
            wait = self._requests.of(standing.key).take(now) if config.rate else 0.0
            if not wait and a_call and config.call_rate:
                wait = self._calls.of(standing.key).take(now)
            return wait

    # Scanners.

    def heard(self, host: str, now: float) -> None:
        """A message of this source could be read."""
        standing = self._sources.standing(host)
        if standing.exempt or not self._config.garbage:
            return
        with self._lock:
            garbage = self._garbage.known(standing.key)
            if garbage is not None:
                garbage.good(now)

    def heard_garbage(self, host: str, now: float) -> None:
        """A message of this source could not be read."""
        standing = self._sources.standing(host)
        most = self._config.garbage
        if standing.exempt or not most:
            return
        with self._lock:
            enough = self._garbage.of(standing.key).bad(now, most)
        if enough:
            self.block(host, now, "it sends garbage")

    def shuns(self, request: Request, host: str, now: float) -> str:
        """The counter for a request that is to be dropped for what its sender is; empty: none."""
        standing = self._sources.standing(host)
        if standing.exempt:
            return ""
        if self.is_blocked(host, now):
            return "dropped_blocked"
        agent = request.headers.get("User-Agent") or ""
        if self._agents.is_scanner(agent):
            self.block(host, now, "its User-Agent is that of a scanner", user_agent=agent[:80])
            return "dropped_scanner"
        return "dropped_scanner" if self._agents.is_unknown(agent) else ""

    def is_blocked(self, host: str, now: float) -> bool:
        """Whether only what goes on already is taken from it."""
        standing = self._sources.standing(host)
        if standing.exempt:
            return False
        with self._lock:
            return self._is_blocked(standing.key, now)

    def block(self, host: str, now: float, reason: str, **facts: str) -> None:
        """Takes nothing new from this source for a while."""
        seconds = self._config.block_time
        if not seconds:
            return
        key = self._sources.standing(host).key
        with self._lock:
            if self._is_blocked(key, now):
                return
            self._blocked_until.of(key)[0] = now + seconds
            self._garbage.drop(key)
        self._complaints.about(key, now, "source blocked", reason=reason, seconds=seconds, **facts)

    def _is_blocked(self, key: str, now: float) -> bool:
        until = self._blocked_until.known(key)
        if until is None:
            return False
        if until[0] > now:
            return True
        self._blocked_until.drop(key)
        return False

    # Guessed passwords.

    def must_wait(self, host: str, now: float) -> float:
        """Seconds until this source's credentials are looked at; 0: they are now."""
        standing = self._sources.standing(host)
        if standing.exempt or not self._config.auth_failures:
            return 0.0
        with self._lock:
            failures = self._failures.known(standing.key)
            return failures.wait(now) if failures is not None else 0.0

    def guessed(self, host: str, now: float) -> None:
        """This source's credentials were for a nonce of ours, and wrong."""
        standing = self._sources.standing(host)
        if standing.exempt or not self._config.auth_failures:
            return
        with self._lock:
            failures = self._failures.of(standing.key)
            failures.take(now)
            spent = failures.wait(now) > 0.0
        if spent and self._config.auth_block:
            self.block(host, now, "it guesses passwords")
        elif spent:
            self._complaints.about(standing.key, now, "source slowed: it guesses passwords")
