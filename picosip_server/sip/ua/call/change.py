"""One re-INVITE or UPDATE of ours, until it is answered: RFC 3261 section 14.1, RFC 3311 5.1."""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from picosip_server.frozen import dataclass
from picosip_server.sip.message import Response
from picosip_server.sip.offer_answer import Side
from picosip_server.sip.ua.acknowledgement import Acknowledgement
from picosip_server.sip.ua.bodies import description_of
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.exchange import Draft, Exchange
from picosip_server.sip.ua.inspect import capability_headers
from picosip_server.sip.ua.outputs import FailureKind
from picosip_server.sip.ua.snapshots import CallState

if TYPE_CHECKING:
    from picosip_server.sip.ua.call.base import Call


OVER = (CallState.TERMINATING, CallState.TERMINATED)


class Stage(enum.Enum):
    """Where a change stands."""

    WAITING = 1
    """To be sent, or sent again, when its alarm goes off."""
    ASKED = 2
    """Its request awaits the final response."""
    OFFERED = 3
    """The 2xx carries an offer, which awaits the application's answer."""
    DONE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be said to the far end."""

    method: str
    offer: Body | None = None
    headers: tuple[tuple[str, str], ...] = ()
    hold: bool | None = None
    """What ``local_hold`` becomes; None: what the offer says."""
    by_us: bool = False
    """A refresh that the stack makes for the session timer."""
    given: Body | None = None
    """The application's own description behind the offer, where it gave one."""


class Change:
    """Sends the request of a plan; ``answered`` and ``lost`` hear what became of it."""

    __slots__ = (
        "_acknowledgement",
        "_answered",
        "_call",
        "_exchange",
        "_lost",
        "attempts",
        "leg",
        "plan",
        "stage",
        "token",
    )

    def __init__(
        self,
        call: Call,
        leg: Leg,
        plan: Plan,
        token: Hashable,
        *,
        answered: Callable[[Change, Response, float], None],
        lost: Callable[[Change, FailureKind, str, float], None],
    ) -> None:
        self._call = call
        self.leg = leg
        self.plan = plan
        self.token = token
        """Of the command that asked for it; None: the stack did."""
        self.stage = Stage.WAITING
        self.attempts = 0
        self._answered = answered
        self._lost = lost
        self._exchange: Exchange | None = None
        self._acknowledgement: Acknowledgement | None = None

    def send(self, now: float) -> None:
        """Sends the request, for the first time or again."""
        self.stage = Stage.ASKED
        self.attempts += 1
        plan, call, dialog = self.plan, self._call, self.leg.dialog
        if plan.offer is not None:
            self.leg.offer_answer.offer(Side.LOCAL)
        has_contact = any(name.lower() in ("contact", "m") for name, _ in plan.headers)
        self._exchange = Exchange(
            call,
            Draft(
                method=plan.method,
                target=dialog.remote_target,
                route_set=dialog.route_set,
                from_=dialog.local,
                to=dialog.remote,
                call_id=dialog.call_id,
                # Not 100rel: a provisional response inside a dialog changes nothing here.
                headers=(
                    *capability_headers(reliably=False),
                    *call.timer.request_fields(),
                    *plan.headers,
                ),
                contact_user=None if has_contact else call.contact_user,
                contact_params=call.contact_params,
                body=plan.offer,
            ),
            self,
            next_cseq=dialog.next_cseq,
            auth=call.auth,
        )
        self._exchange.start(now)

    def withdraw(self) -> None:
        """The offer came to nothing: the session stays as it was (RFC 3261 section 14.1)."""
        if self.plan.offer is not None and self.leg.offer_answer.open is Side.LOCAL:
            self.leg.offer_answer.withdraw()

    def acknowledge(self, answer: Body | None, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Sends the ACK to the 2xx of a re-INVITE (13.2.2.4)."""
        assert self._exchange is not None and self._exchange.request is not None
        invite = self._exchange.request
        self._acknowledgement = Acknowledgement(
            self._call, self.leg.dialog, invite, answer, headers
        )
        self._acknowledgement.start()

    # As the handler of its exchange.

    def on_provisional(self, exchange: Exchange, response: Response, now: float) -> None:
        """A 1xx inside a dialog changes nothing: no 100rel was offered for it."""

    def on_final(self, exchange: Exchange, response: Response, now: float) -> None:
        """The final response; a 2xx to INVITE may come again, and gets its ACK again."""
        if exchange is not self._exchange or self.stage is not Stage.ASKED:
            if self._acknowledgement is not None and response.status < 300:
                self._acknowledgement.repeat()
            return
        if self._call.state in OVER:
            # RFC 5407 section 3.2.3: our BYE overtook it; its 2xx is acknowledged all the same.
            self.stage = Stage.DONE
            if self.plan.method == "INVITE" and response.status < 300:
                self.acknowledge(None)
            return
        self.leg.learn(response)
        if response.status < 300 and self.plan.method == "INVITE":
            offered = self.plan.offer is None and description_of(response) is not None
            self.leg.refresh_target(response)
            if not offered:
                self.acknowledge(None)
        elif response.status < 300:
            self.leg.refresh_target(response)
        self._answered(self, response, now)

    def on_failure(self, exchange: Exchange, kind: FailureKind, detail: str, now: float) -> None:
        """There was no final response."""
        over = self._call.state in OVER
        if exchange is self._exchange and self.stage is Stage.ASKED and not over:
            self._lost(self, kind, detail, now)
