"""What the far end changes of a session that stands: its re-INVITEs and UPDATEs.

RFC 3261 section 14.2, RFC 3311 section 5.2, RFC 6141, RFC 5407.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from picosip_server.sip.errors import LocalProtocolError
from picosip_server.sip.message import Request, Response
from picosip_server.sip.offer_answer import Side
from picosip_server.sip.ua.bodies import description_of
from picosip_server.sip.ua.call.acceptance import Acceptance
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.capabilities import SDP_TYPE
from picosip_server.sip.ua.commands import Body, Offers
from picosip_server.sip.ua.inspect import Refusal, capability_headers, refuse_body
from picosip_server.sip.ua.snapshots import CallState, Cause
from picosip_server.sip.ua.user import Serving

if TYPE_CHECKING:
    from picosip_server.sip.ua.call.base import Call


class Accepted:
    """A re-INVITE that we have answered with 2xx, until its ACK is in."""

    __slots__ = ("acceptance", "leg", "offered", "serving")

    def __init__(
        self, leg: Leg, serving: Serving, acceptance: Acceptance, offered: Body | None
    ) -> None:
        self.leg = leg
        self.serving = serving
        self.acceptance = acceptance
        self.offered = offered
        """Our offer in the 2xx, whose answer comes in the ACK."""


class Proposals:
    """Those of one call."""

    __slots__ = ("_accepted", "_call", "_pending")

    REPEAT = "re-2xx"

    def __init__(self, call: Call) -> None:
        self._call = call
        self._pending: Serving | None = None
        """A re-INVITE or UPDATE that the application is to answer."""
        self._accepted: Accepted | None = None

    @property
    def open(self) -> bool:
        """Whether one is to be answered, or its ACK is to come: nothing of ours may cross it."""
        return self._pending is not None or self._accepted is not None

    def on_invite(self, leg: Leg, serving: Serving, now: float) -> None:
        """A re-INVITE."""
        call, request = self._call, serving.request
        if call.state is CallState.TERMINATING:
            # RFC 5407 section 3.2.2: our BYE has ended the dialog.
            call.respond(serving, now, 481)
            return
        if call.state is CallState.CONNECTING and leg.offer_answer.open is Side.LOCAL:
            # RFC 5407 section 3.1.5: our offer in the 2xx waits for the ACK.
            call.respond(serving, now, 491)
            return
        if call.state not in (CallState.CONNECTING, CallState.CONFIRMED):
            # 14.2: the INVITE that makes the session is not answered yet.
            self._crossed(leg, serving, now)
            return
        if self._accepted is not None and self._accepted.offered is None:
            # RFC 5407 section 3.1.4: the ACK before it got lost, or comes later.
            self._drop_accepted()
        if self._crosses(leg, serving, now):
            return
        self._consider(leg, serving, description_of(request), now)

    def on_update(self, leg: Leg, serving: Serving, now: float) -> None:
        """An UPDATE."""
        call = self._call
        if call.state is CallState.TERMINATING:
            call.respond(serving, now, 481)
            return
        offer = description_of(serving.request)
        if offer is None:
            # RFC 3311 section 5.2: only the target, or the session timer, is refreshed.
            if not self._refused(serving, now):
                self._answer(leg, serving, None, now)
            return
        if leg.offer_answer.untouched and call.state is not CallState.CONFIRMED:
            # RFC 3311 section 5.1: before there is a session, none can be changed.
            self._try_later(serving, now)
        elif not self._crosses(leg, serving, now):
            self._consider(leg, serving, offer, now)

    def on_ack(self, leg: Leg, ack: Request, now: float) -> bool:
        """An ACK in the dialog. False: it is not for a re-INVITE."""
        accepted = self._accepted
        if accepted is None or ack.cseq.number != accepted.serving.request.cseq.number:
            return False
        self._drop_accepted()
        if accepted.offered is not None:
            answer = description_of(ack)
            if answer is None:
                leg.offer_answer.withdraw()
            else:
                leg.offer_answer.answer()
                self._call.local_description = accepted.offered
                leg.remote_description = answer
                self._call.modified(leg, now, ack)
        return True

    def on_cancelled(self, serving: Serving, now: float) -> bool:
        """The far end cancels its re-INVITE (9.2). False: it is none."""
        if serving.request.method != "INVITE" or serving is not self._pending:
            return False
        self._call.parts.pendings.close(serving, 487, now)
        return True

    # What is in the way.

    def _crosses(self, leg: Leg, serving: Serving, now: float) -> bool:
        call = self._call
        invite = serving.request.method == "INVITE"
        if self._pending is not None:
            # 14.2 and RFC 3311 section 5.2: one at a time.
            self._try_later(serving, now)
            return True
        if leg.offer_answer.open is not None or (invite and call.parts.changes.invites):
            self._crossed(leg, serving, now)
            return True
        return False

    def _crossed(self, leg: Leg, serving: Serving, now: float) -> None:
        ours = leg.offer_answer.open is Side.LOCAL or self._call.parts.changes.invites
        if ours:
            self._call.respond(serving, now, 491)
        else:
            self._try_later(serving, now)

    def _try_later(self, serving: Serving, now: float) -> None:
        # 14.2: a random number of seconds from 0 to 10.
        seconds = round(self._call.context.identity.fraction() * 10)
        self._call.respond(serving, now, 500, headers=[("Retry-After", str(seconds))])

    def _refused(self, serving: Serving, now: float) -> bool:
        """Whether the request is refused for what it says of body or session timer."""
        call = self._call
        refusal = refuse_body(serving.request, call.context.accept)
        if refusal is None:
            least = call.timer.too_small(serving.request)
            if least is not None:
                refusal = Refusal(422, tuple(least))
        if refusal is None:
            return False
        call.respond(serving, now, refusal.status, headers=refusal.headers)
        return True

    # Who answers.

    def _consider(self, leg: Leg, serving: Serving, offer: Body | None, now: float) -> None:
        call = self._call
        if self._refused(serving, now):
            return
        if offer is not None:
            leg.offer_answer.offer(Side.REMOTE)
        policy = call.policy.offers
        if policy is Offers.REFUSE:
            if offer is not None:
                leg.offer_answer.withdraw()
            call.respond(serving, now, 488)
            return
        unchanged = offer is None or offer == leg.remote_description
        if policy is Offers.ACCEPT or (policy is Offers.ACCEPT_UNCHANGED and unchanged):
            body = self._from_present(offer)
            if body is not None:
                self._answer(leg, serving, body, now)
                return
        self._ask(leg, serving, offer, now)

    def _from_present(self, offer: Body | None) -> Body | None:
        """An answer, or an offer, from what stands; None where that cannot be read."""
        call = self._call
        given, sent = call.given, call.local_description
        if given is None or sent is None:
            return None
        descriptions = call.context.descriptions
        try:
            if offer is not None:
                data = descriptions.answer(given.data, sent.data, offer.data, hold=call.local_hold)
            elif call.local_hold:
                data = descriptions.hold(given.data, sent.data)
            else:
                data = descriptions.resume(given.data, sent.data)
        except LocalProtocolError:
            return None
        return Body(content_type=SDP_TYPE, data=data)

    def _ask(self, leg: Leg, serving: Serving, offer: Body | None, now: float) -> None:
        call, invite = self._call, serving.request.method == "INVITE"
        self._pending = serving
        if invite:
            call.respond(serving, now, 100)

        def answered(response: Response, body: Body | None, now: float) -> None:
            self._pending = None
            if call.over:
                return
            if response.status < 300:
                self._settle(leg, serving, response, offer, body, now)
                if body is not None:
                    call.given = body
            elif offer is not None:
                leg.offer_answer.withdraw()

        call.parts.pendings.hand_over(
            serving,
            now,
            default=(488, ""),
            respond_by=now + call.respond_timeout(),
            on_answer=answered,
            call=call.name,
            offer=offer,
            wants_description="" if offer else "the re-INVITE has no offer: a 2xx must make one",
            fields=lambda status: self._fields(serving) if status < 300 else [],
            prepare=call.continued,
        )

    def _answer(self, leg: Leg, serving: Serving, body: Body | None, now: float) -> None:
        """The stack's own 200."""
        offer = description_of(serving.request)
        response = self._call.respond(
            serving,
            now,
            200,
            headers=self._fields(serving),
            content_type=body.content_type if body is not None else "",
            body=body.data if body is not None else b"",
        )
        self._settle(leg, serving, response, offer, body, now)

    def _fields(self, serving: Serving) -> list[tuple[str, str]]:
        call = self._call
        contact = ("Contact", call.contact(serving.hop))
        return [contact, *capability_headers(), *call.timer.answer_fields(serving.request)]

    def _settle(
        self,
        leg: Leg,
        serving: Serving,
        response: Response,
        offer: Body | None,
        body: Body | None,
        now: float,
    ) -> None:
        """A 2xx of ours is out: target, timer, and descriptions are what it says."""
        call = self._call
        # RFC 6141 section 4.6: the target is that of the request, once it is accepted.
        leg.refresh_target(serving.request)
        call.run_timer(now)
        offered = None
        if offer is not None and leg.offer_answer.open is Side.REMOTE:
            leg.offer_answer.answer()
            changed = (call.local_description, leg.remote_description) != (body, offer)
            call.local_description = body
            leg.remote_description = offer
            if changed:
                call.modified(leg, now, serving.request)
        elif offer is None and body is not None:
            leg.offer_answer.offer(Side.LOCAL)
            offered = body
        if serving.request.method == "INVITE":
            acceptance = Acceptance(response, call.context.timers, now)
            self._accepted = Accepted(leg, serving, acceptance, offered)
            call.alarm(self.REPEAT, acceptance.due)

    # Time, and the end.

    def alarm(self, alarm: str, now: float) -> bool:
        """An alarm of the call went off. False: it is none of these."""
        if alarm != self.REPEAT:
            return False
        accepted = self._accepted
        assert accepted is not None
        if accepted.acceptance.repeat(now):
            self._call.send_response(accepted.serving, accepted.acceptance.response, now)
            self._call.alarm(self.REPEAT, accepted.acceptance.due)
        else:
            # 13.3.1.4: no ACK within 64*T1: the session is over.
            self._accepted = None
            self._call.send_byes(Cause.TIMEOUT, (), now)
        return True

    def _drop_accepted(self) -> None:
        self._accepted = None
        self._call.disarm(self.REPEAT)

    def close(self) -> None:
        """The call ends."""
        self._accepted = None
