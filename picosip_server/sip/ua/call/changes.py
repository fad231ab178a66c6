"""What this side changes of a session that stands: Modify, Hold, Resume, refreshes.

RFC 3261 section 14.1, RFC 3311 section 5.1, RFC 4028 section 10, RFC 6141.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from picosip_server.sip.errors import LocalProtocolError
from picosip_server.sip.message import Response
from picosip_server.sip.offer_answer import Side
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.bodies import description_of
from picosip_server.sip.ua.call.change import Change, Plan, Stage
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.call.session import SESSION_REFRESH
from picosip_server.sip.ua.capabilities import SDP_TYPE
from picosip_server.sip.ua.commands import Body, ModifyMethod
from picosip_server.sip.ua.failures import invalid, refused, retry_after
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.snapshots import CallDirection, CallState, Cause

if TYPE_CHECKING:
    from picosip_server.sip.ua.call.base import Call

MOST_ATTEMPTS = 8
"""How often one change is tried, where it crosses changes of the far end."""
LONGEST_RETRY = 10.0
"""Seconds in a Retry-After that we wait out (RFC 3261 section 14.2: 0 to 10)."""
AGAIN = 2.0
"""Seconds until a refresh that found the session in the midst of a change."""


class Changes:
    """Those of one call; at most one at a time is under way."""

    __slots__ = ("_call", "current")

    CHANGE = "change"
    ANSWER = "change answer"

    def __init__(self, call: Call) -> None:
        self._call = call
        self.current: Change | None = None

    # Commands.

    def modify(self, command: commands.Modify, now: float) -> None:
        """Offers what the application gives, or refreshes."""
        leg = self._ready(command, needs_offer=command.offer is not None)
        if leg is None:
            return
        call = self._call
        offer = command.offer
        try:
            if offer is not None:
                offer = call.continued(offer)
        except LocalProtocolError as error:
            call.fail(command.token, invalid("offer", str(error)))
            return
        early = call.state is not CallState.CONFIRMED
        method = command.method
        if method is ModifyMethod.INVITE and early:
            self._wrong_state(command, "a re-INVITE needs a confirmed call (RFC 3261 section 14.1)")
            return
        if method is ModifyMethod.DEFAULT:
            by_update = early or (offer is None and "UPDATE" in leg.allow)
            name = "UPDATE" if by_update else "INVITE"
            if offer is None and not by_update:
                offer = call.local_description
        else:
            name = "INVITE" if method is ModifyMethod.INVITE else "UPDATE"
        call.contact_params = command.options.contact_params or call.contact_params
        plan = Plan(method=name, offer=offer, headers=command.options.headers, given=command.offer)
        self._begin(leg, plan, command, now)

    def hold(self, command: commands.Hold | commands.Resume, now: float) -> None:
        """Hold, and Resume."""
        call = self._call
        hold = isinstance(command, commands.Hold)
        leg = self._ready(command, needs_offer=True)
        if leg is None:
            return
        if hold is call.local_hold:
            call.done(command.token)
            return
        given, sent = call.given, call.local_description
        if given is None or sent is None or given.content_type != SDP_TYPE:
            self._wrong_state(command, "there is no session description to change")
            return
        descriptions = call.context.descriptions
        try:
            make = descriptions.hold if hold else descriptions.resume
            data = make(given.data, sent.data)
        except LocalProtocolError as error:
            self._wrong_state(command, str(error))
            return
        early = call.state is not CallState.CONFIRMED
        plan = Plan(
            method="UPDATE" if early else "INVITE",
            offer=Body(content_type=SDP_TYPE, data=data),
            hold=hold,
        )
        self._begin(leg, plan, command, now)

    def answer(self, command: commands.Answer, now: float) -> None:
        """The application answers the offer that a re-INVITE of ours invited."""
        change, call = self.current, self._call
        assert change is not None
        if command.description is None:
            detail = "the far end made an offer: the answer needs a description"
            call.fail(command.token, invalid("description", detail))
            return
        try:
            body = call.continued(command.description)
        except LocalProtocolError as error:
            call.fail(command.token, invalid("description", str(error)))
            return
        self._answer_offer(change, body, command.options.headers, now)
        call.given = command.description
        call.done(command.token)

    @property
    def awaits_answer(self) -> bool:
        """Whether the far end's offer, in a 2xx to our re-INVITE, waits for Answer."""
        return self.current is not None and self.current.stage is Stage.OFFERED

    @property
    def invites(self) -> bool:
        """Whether a re-INVITE of ours is open: one of the far end's crosses it (14.2)."""
        current = self.current
        return (
            current is not None
            and current.plan.method == "INVITE"
            and current.stage in (Stage.ASKED, Stage.OFFERED)
        )

    def _ready(self, command: commands.CallCommand, *, needs_offer: bool) -> Leg | None:
        call = self._call
        leg = call.main_leg()
        if call.state not in (CallState.EARLY, CallState.CONNECTING, CallState.CONFIRMED):
            self._wrong_state(command, "there is no session to change")
        elif leg is None:
            self._wrong_state(command, "there is no dialog yet")
        elif self.current is not None:
            self._wrong_state(command, "another change is under way")
        elif needs_offer and not self._may_offer(leg):
            self._wrong_state(command, "an offer is open already (RFC 3264 section 4)")
        else:
            return leg
        return None

    def _may_offer(self, leg: Leg) -> bool:
        turn = leg.offer_answer
        if turn.open is not None or self._call.parts.proposals.open:
            return False
        # RFC 3311 section 5.1: in an early dialog not before the first answer is out for sure.
        return self._call.state is CallState.CONFIRMED or (
            turn.stable and not self._call.description_unacknowledged
        )

    def _wrong_state(self, command: commands.CallCommand, why: str) -> None:
        call = self._call
        detail = f"{call.name} is {call.state.name}: {why}"
        call.fail_state(command.token, call.state.name, detail)

    # The session timer.

    def refresh(self, now: float) -> None:
        """The stack's own refresh (RFC 4028 section 10)."""
        call = self._call
        leg = call.main_leg()
        if leg is None or call.state is not CallState.CONFIRMED:
            return
        by_update = "UPDATE" in leg.allow
        if self.current is not None or not (by_update or self._may_offer(leg)):
            # Whatever is under way refreshes as well, if it succeeds.
            call.alarm(SESSION_REFRESH, now + AGAIN)
            return
        # 7.4: a refresh by re-INVITE carries the session as it is.
        plan = Plan(
            method="UPDATE" if by_update else "INVITE",
            offer=None if by_update else call.local_description,
            by_us=True,
        )
        self._begin(leg, plan, None, now)

    # The way of a change.

    def _begin(
        self, leg: Leg, plan: Plan, command: commands.CallCommand | None, now: float
    ) -> None:
        token = None if command is None else command.token
        self.current = Change(
            self._call, leg, plan, token, answered=self._answered, lost=self._lost
        )
        self._call.advertised(plan.headers)
        self.current.send(now)

    def _answered(self, change: Change, response: Response, now: float) -> None:
        status = response.status
        if status < 300:
            self._agreed(change, response, now)
            return
        change.withdraw()
        call = self._call
        if status in (408, 481):
            # 12.2.1.2: the far end has no such dialog.
            cause = Cause.TIMEOUT if status == 408 else Cause.REMOTE_HANGUP
            self._finish(change, refused(response, change.plan.method), now)
            call.lose(change.leg, cause, status, now)
        elif change.attempts >= MOST_ATTEMPTS:
            self._finish(change, refused(response, change.plan.method), now)
        elif status == 422 and call.timer.enlarge(response):
            # RFC 4028 section 7.3.
            change.send(now)
        elif status == 491:
            self._retry(change, now + self._glare_delay())
        elif status == 500 and 0 < retry_after(response) <= LONGEST_RETRY:
            self._retry(change, now + retry_after(response))
        else:
            self._refused(change, response, now)

    def _refused(self, change: Change, response: Response, now: float) -> None:
        leg, plan = change.leg, change.plan
        if plan.by_us and plan.method == "UPDATE" and response.status in (405, 501):
            # It said that it takes UPDATE, and does not: by re-INVITE then.
            leg.allow = leg.allow - {"UPDATE"}
            self._call.alarm(SESSION_REFRESH, now)
        self._finish(change, refused(response, plan.method), now)

    def _glare_delay(self) -> float:
        """14.1: in units of 10 ms, 2.1 to 4 s for the owner of the Call-ID, else 0 to 2 s."""
        fraction = self._call.context.identity.fraction()
        if self._call.DIRECTION is CallDirection.OUTGOING:
            return round(210 + fraction * 190) / 100
        return round(fraction * 200) / 100

    def _retry(self, change: Change, at: float) -> None:
        change.stage = Stage.WAITING
        self._call.alarm(self.CHANGE, at)

    def _lost(self, change: Change, kind: FailureKind, detail: str, now: float) -> None:
        change.withdraw()
        self._finish(change, Failure(kind=kind, detail=detail), now)
        if kind is FailureKind.TIMEOUT:
            # 12.2.1.2: no answer at all is a 408.
            self._call.lose(change.leg, Cause.TIMEOUT, 408, now)

    def _agreed(self, change: Change, response: Response, now: float) -> None:
        call, leg, plan = self._call, change.leg, change.plan
        call.timer.accepted(response)
        call.run_timer(now)
        description = description_of(response)
        turn = leg.offer_answer
        if plan.offer is not None and turn.open is Side.LOCAL:
            if description is None:
                turn.withdraw()
                detail = f"the {response.status} to {plan.method} carries no answer to the offer"
                self._finish(change, Failure(kind=FailureKind.REFUSED, detail=detail), now)
                return
            turn.answer()
            # One that changes nothing, as that of a refresh, is no news.
            changed = (call.local_description, leg.remote_description) != (plan.offer, description)
            call.local_description = plan.offer
            leg.remote_description = description
            if plan.given is not None:
                call.given = plan.given
            if changed:
                call.modified(leg, now, response)
            call.note_offer(plan.offer, plan.hold, leg, now)
        elif plan.method == "INVITE" and description is not None:
            # 14.1: without an offer of ours, the 2xx makes one.
            turn.offer(Side.REMOTE)
            leg.remote_description = description
            change.stage = Stage.OFFERED
            call.alarm(self.ANSWER, now + call.context.offer_timeout)
            call.offered(leg, now, response)
            if change.token is not None:
                call.done(change.token)
                change.token = None
            return
        self._finish(change, None, now)

    def _answer_offer(
        self, change: Change, body: Body | None, headers: tuple[tuple[str, str], ...], now: float
    ) -> None:
        call, leg = self._call, change.leg
        call.disarm(self.ANSWER)
        if body is None:
            leg.offer_answer.withdraw()
        else:
            leg.offer_answer.answer()
            call.local_description = body
        change.acknowledge(body, headers)
        if body is not None:
            call.modified(leg, now, None)
        self._finish(change, None, now)

    def _finish(self, change: Change, failure: Failure | None, now: float) -> None:
        change.stage = Stage.DONE
        self.current = None
        self._call.disarm(self.CHANGE, self.ANSWER)
        if failure is not None:
            self._call.parts.requests_in.roll_back()
        token, change.token = change.token, None
        if token is None:
            return
        if failure is None:
            self._call.done(token)
        else:
            self._call.fail(token, failure)

    # Time, and the end.

    def alarm(self, alarm: str, now: float) -> bool:
        """An alarm of the call went off. False: it is none of these."""
        change = self.current
        if alarm == SESSION_REFRESH:
            self.refresh(now)
        elif alarm == self.CHANGE:
            assert change is not None
            leg = change.leg
            if leg.offer_answer.open is not None or self._call.parts.proposals.open:
                # The far end's own change came in the meantime: it goes first.
                self._call.alarm(self.CHANGE, now + self._glare_delay() + 0.1)
            else:
                change.send(now)
        elif alarm == self.ANSWER:
            assert change is not None
            # The application is silent: the session goes on as this side described it before.
            self._answer_offer(change, self._call.local_description, (), now)
        else:
            return False
        return True

    def close(self, failure: Failure) -> None:
        """The call ends."""
        change, self.current = self.current, None
        if change is None:
            return
        if change.stage is Stage.OFFERED:
            change.acknowledge(None)
        if change.stage is not Stage.ASKED:
            change.stage = Stage.DONE
        if change.token is not None:
            self._call.fail(change.token, failure)
            change.token = None
