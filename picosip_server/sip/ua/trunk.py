"""Whether a trunk answers: OPTIONS now and then, RFC 3261 section 11."""

from __future__ import annotations

from collections.abc import Callable

from picosip_server.sip.address import Address
from picosip_server.sip.message import Response
from picosip_server.sip.ua.capabilities import SDP_TYPE
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.exchange import Draft, Exchange
from picosip_server.sip.ua.inspect import ALLOW
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.user import TransactionUser
from picosip_server.sip.uri import Uri

FAILURES = 2
"""How many pings in a row must fail for a trunk to be down: one may have been lost."""

_PING, _PATIENCE = "ping", "patience"

Changed = Callable[[str, bool, str], None]
"""Is told the trunk's URI, whether it is up now, and why."""


class Trunk(TransactionUser):
    """Pings one URI for as long as the server runs.

    Whoever answers is up, be it with a refusal; but 503 says that it cannot work, and 408 comes
    from a proxy that did not reach it. A ping that is not answered within the interval, or
    within 64*T1, has failed.
    """

    __slots__ = ("_changed", "_cseq", "_draft", "_failures", "_interval", "_waiting", "up", "uri")

    def __init__(
        self, context: Context, uri: Uri, *, interval: float, call_id: str, changed: Changed
    ) -> None:
        super().__init__("", context, {})
        self.uri = str(uri)
        self.up: bool | None = None
        """None until the first pings have told."""
        self._interval = interval
        self._changed = changed
        self._failures = 0
        self._waiting = False
        """A ping is under way."""
        self._cseq = 0
        sender = Address(uri=Uri.parse("sip:ping@invalid"))
        self._draft = Draft(
            method="OPTIONS",
            target=uri,
            from_=str(sender.with_tag(context.identity.tag())),
            to=str(Address(uri=uri)),
            call_id=call_id,
            headers=(("Accept", SDP_TYPE), ("Allow", ALLOW)),
            contact_user="ping",
        )

    def start(self, now: float) -> list[Effect]:
        """Sends the first ping."""
        self._ping(now)
        return self.flush()

    def command(self, command: Command, now: float) -> list[Effect]:
        """There is nothing to command: it has no name."""
        return []

    def on_alarm(self, alarm: str, now: float) -> None:
        """It is time for the next ping, or too late for the answer to the last one."""
        if self._waiting:
            self._waiting = False
            self.forsake()
            self._failed(f"no answer within {self._patience:g} s")
        if alarm == _PING:
            self._ping(now)

    @property
    def _patience(self) -> float:
        return min(self._interval, self.context.timers.give_up)

    def _ping(self, now: float) -> None:
        self.alarm(_PING, now + self._interval)
        self.alarm(_PATIENCE, now + self._patience)
        self._waiting = True
        Exchange(self, self._draft, self, next_cseq=self._next_cseq).start(now)

    def _next_cseq(self) -> int:
        self._cseq += 1
        return self._cseq

    def on_provisional(self, exchange: Exchange, response: Response, now: float) -> None:
        """Only the final response tells."""

    def on_final(self, exchange: Exchange, response: Response, now: float) -> None:
        """Somebody answered."""
        self._waiting = False
        why = f"{response.status} {response.reason}".rstrip()
        if response.status in (408, 503):
            self._failed(why)
            return
        self._failures = 0
        self._turn(True, why)

    def on_failure(self, exchange: Exchange, kind: FailureKind, detail: str, now: float) -> None:
        """Nobody did, or the ping could not be sent."""
        self._waiting = False
        self._failed(detail)

    def _failed(self, why: str) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            self._turn(False, why)

    def _turn(self, up: bool, why: str) -> None:
        if self.up is not up:
            self.up = up
            self._changed(self.uri, up, why)
