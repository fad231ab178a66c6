"""BYE: RFC 3261 section 15.1.1."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from picosip_server.sip.message import Response
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.exchange import Draft, Exchange
from picosip_server.sip.ua.failures import refused
from picosip_server.sip.ua.outputs import Failure, FailureKind

if TYPE_CHECKING:
    from picosip_server.sip.ua.call.base import Call


class Bye:
    """Ends one dialog; ``done`` hears of it once, with what went wrong if anything did."""

    __slots__ = ("_done", "_exchange", "_leg")

    def __init__(
        self,
        call: Call,
        leg: Leg,
        headers: tuple[tuple[str, str], ...],
        done: Callable[[Failure | None, float], None],
    ) -> None:
        dialog = leg.dialog
        self._done = done
        self._leg = leg
        self._exchange = Exchange(
            call,
            Draft(
                method="BYE",
                target=dialog.remote_target,
                route_set=dialog.route_set,
                from_=dialog.local,
                to=dialog.remote,
                call_id=dialog.call_id,
                headers=headers,
            ),
            self,
            next_cseq=dialog.next_cseq,
            auth=call.auth,
        )

    def start(self, now: float) -> None:
        """Sends it."""
        self._exchange.start(now)

    def on_provisional(self, exchange: Exchange, response: Response, now: float) -> None:
        """A 1xx to a BYE says nothing."""

    def on_final(self, exchange: Exchange, response: Response, now: float) -> None:
        """The far end knows; whatever it answers, the session is over (15.1.1)."""
        # Where its BYE crossed ours, a 481 only says so.
        fine = response.status < 300 or self._leg.left
        self._done(None if fine else refused(response, "BYE"), now)

    def on_failure(self, exchange: Exchange, kind: FailureKind, detail: str, now: float) -> None:
        """Nobody answered: over as well (15.1.1)."""
        self._done(Failure(kind=kind, detail=detail), now)
