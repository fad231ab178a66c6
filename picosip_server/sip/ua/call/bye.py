"""BYE: RFC 3261 section 15.1.1."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.call.request_inside import Outcome, RequestInside
from picosip_server.sip.ua.failures import refused
from picosip_server.sip.ua.outputs import Failure

if TYPE_CHECKING:
    from picosip_server.sip.ua.call.ending import EndingUser


class Bye(RequestInside):
    """Ends one dialog; ``done`` hears of it once, with what went wrong if anything did.

    Whatever the far end answers, and where it does not, the session is over (15.1.1).
    """

    __slots__ = ()

    def __init__(
        self,
        call: EndingUser,
        leg: Leg,
        headers: tuple[tuple[str, str], ...],
        done: Callable[[Failure | None, float], None],
    ) -> None:
        def answered(outcome: Outcome, now: float) -> None:
            if isinstance(outcome, Failure):
                done(outcome, now)
            # Where its BYE crossed ours, a 481 only says so.
            elif outcome.status < 300 or leg.left:
                done(None, now)
            else:
                done(refused(outcome, "BYE"), now)

        super().__init__(call, leg, "BYE", answered, headers=headers, vital=False)
