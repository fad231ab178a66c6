"""The caller: RFC 3261 sections 13.2, 9.1 and 8.1.3, RFC 3262 section 4."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.dialog import Dialog
from picosip_server.sip.errors import LocalProtocolError
from picosip_server.sip.message import Request, Response
from picosip_server.sip.offer_answer import Side
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.acknowledgement import Acknowledgement
from picosip_server.sip.ua.bodies import description_of
from picosip_server.sip.ua.call.base import Call
from picosip_server.sip.ua.call.invitation import draft_of, ring_limit
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.call.prack import Prack
from picosip_server.sip.ua.call.redirection import Redirection, redirect_contacts
from picosip_server.sip.ua.commands import Body, ForkedAnswers, WaitFor
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.events import (
    CallAnswered,
    CallCreated,
    CallForked,
    CallProgressed,
    CallRedirected,
)
from picosip_server.sip.ua.exchange import Exchange
from picosip_server.sip.ua.failures import invalid, refused
from picosip_server.sip.ua.listener import Listener
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.snapshots import (
    CallDirection,
    CallState,
    Cause,
    Termination,
)
from picosip_server.sip.uri import Uri

OFFER_ALARM = "offer "
"""Before the remote tag of the dialog whose offer awaits the application's answer."""


class OutgoingCall(Call):
    """A call that the application places with Invite."""

    __slots__ = (
        "_cseq",
        "_exchange",
        "_invite",
        "_redirection",
        "_wait_for",
    )

    DIRECTION = CallDirection.OUTGOING

    def __init__(
        self,
        name: str,
        context: Context,
        invite: commands.Invite,
        *,
        call_id: str,
        now: float,
    ) -> None:
        target = invite.request_uri or invite.to_address.uri
        super().__init__(
            name,
            context,
            invite.labels,
            state=CallState.CALLING,
            from_address=invite.from_address,
            to_address=invite.to_address,
            request_uri=str(target),
            call_id=call_id,
            policy=invite.policy,
            contact_user=invite.from_address.uri.user or "",
            now=now,
        )
        self.from_address = invite.from_address.with_tag(self.tag)
        self._invite = invite
        if isinstance(invite.token, Listener):
            self.listener = invite.token
        self._cseq = 0
        self._redirection = Redirection(target, invite.policy.max_redirects)
        self._wait_for = invite.wait_for
        """What the Invite still waits for; CREATED once it has been answered."""
        if invite.credentials:
            self.auth = DigestClient(invite.credentials)
        self.local_description = invite.offer
        self.contact_params = invite.options.contact_params
        self.advertised(invite.options.headers)
        self.local_description = self.given = invite.offer
        self._exchange = self._make_exchange(target)
        self.emit(
            CallCreated(
                resource=name, at=now, labels=self.labels, call=self.shown(), token=invite.token
            )
        )
        if invite.wait_for is WaitFor.CREATED:
            self.done(invite.token)
        limit = ring_limit(invite)
        if limit is not None:
            self.alarm("ring", now + limit)

    def start(self, now: float) -> None:
        """Sends the INVITE.

        Raises:
            LocalProtocolError: a preloaded route cannot be parsed.
        """
        self._exchange.start(now)

    def _make_exchange(self, target: Uri) -> Exchange:
        draft = draft_of(
            self._invite,
            target,
            from_tag=self.tag,
            call_id=self.call_id,
            proxy=self.context.outbound_proxy,
            timer=self.timer.request_fields(),
        )
        return Exchange(self, draft, self, next_cseq=self._next_cseq, auth=self.auth)

    def _next_cseq(self) -> int:
        self._cseq += 1
        return self._cseq

    # What the INVITE is answered with.

    def on_provisional(self, exchange: Exchange, response: Response, now: float) -> None:
        """A 1xx to the INVITE (13.2.2.1)."""
        if response.status == 100 or self.state not in (CallState.CALLING, CallState.EARLY):
            return
        description = description_of(response)
        leg: Leg | None = None
        reliable = False
        if response.to.tag:
            leg = self._leg(exchange, response, now, tell=True)
            reliable = "100rel" in response.require and response.rseq is not None
            if reliable and not self._in_order(leg, response):
                return
            if description is not None and leg.remote_description is None:
                leg.remote_description = description
            self.state = CallState.EARLY
        self.emit(
            CallProgressed(
                resource=self.name,
                at=now,
                labels=self.labels,
                message=response,
                status=response.status,
                reason=response.reason,
                remote_tag=response.to.tag,
                reliable=reliable,
                description=description,
            )
        )
        if self._wait_for is WaitFor.PROGRESS:
            self._settle()
        if leg is not None and response.status == 199:
            # RFC 6228 section 4: this early dialog has ended; the others go on.
            leg.left = True
        if leg is not None and reliable:
            self._owe_prack(leg, response, description, now)

    def _in_order(self, leg: Leg, response: Response) -> bool:
        rseq = response.rseq
        assert rseq is not None
        # RFC 3262 section 4: one out of order is neither acknowledged nor processed.
        if leg.rseq >= 0 and rseq != leg.rseq + 1:
            return False
        leg.rseq = rseq
        return True

    def _owe_prack(
        self, leg: Leg, response: Response, description: Body | None, now: float
    ) -> None:
        assert response.rseq is not None
        rack = (response.rseq, response.cseq.number, "INVITE")
        if description is not None:
            if leg.offer_answer.open is Side.LOCAL:
                leg.offer_answer.answer()
            elif leg.offer_answer.untouched:
                # RFC 3262 section 5: an offer in a reliable provisional is answered in PRACK.
                leg.offer_answer.offer(Side.REMOTE)
                leg.owed_prack = rack
                self._await_answer(leg, now)
                return
        Prack(self, leg, rack).start(now)

    def on_final(self, exchange: Exchange, response: Response, now: float) -> None:
        """The final response to the INVITE; of 2xx there may be several (13.2.2.4)."""
        if response.status < 300:
            self._accepted(exchange, response, now)
        elif response.status < 400 and not exchange.cancelling:
            self._redirected(response, now)
        elif response.status == 422 and not exchange.cancelling and self.timer.enlarge(response):
            # RFC 4028 section 7.3.
            self.legs.clear()
            self.state = CallState.CALLING
            self._exchange = self._make_exchange(exchange.draft.target)
            self._exchange.start(now)
        else:
            self._refused(exchange, response, now)

    def _leg(self, exchange: Exchange, response: Response, now: float, *, tell: bool) -> Leg:
        """The dialog of a response; ``tell`` the application where it is a further one."""
        assert exchange.current is not None
        invite = exchange.current.request
        leg = self.legs.get(response.to.tag)
        # What an attempt began that was challenged in the end has the CSeq of that one.
        if leg is not None and leg.invite is invite:
            return leg
        leg = Leg(Dialog.uac(invite, response), invite)
        leg.learn(response)
        if self._invite.offer is not None:
            leg.offer_answer.offer(Side.LOCAL)
        self.legs[response.to.tag] = leg
        if tell and len(self.legs) > 1:
            self.emit(
                CallForked(
                    resource=self.name,
                    at=now,
                    labels=self.labels,
                    message=response,
                    dialog=leg.snapshot(),
                )
            )
        return leg

    def _accepted(self, exchange: Exchange, response: Response, now: float) -> None:
        known = self.legs.get(response.to.tag)
        if known is not None and known.answered:
            if known.acknowledgement is not None:
                known.acknowledgement.repeat()
            return
        first = self.answer_time is None
        wanted = self.state in (CallState.CALLING, CallState.EARLY) or (
            self.state in (CallState.CONNECTING, CallState.CONFIRMED)
            and self.policy.forked_answers is ForkedAnswers.KEEP_ALL
        )
        leg = self._leg(exchange, response, now, tell=wanted)
        leg.dialog.confirm(response)
        leg.learn(response)
        leg.answered = True
        leg.left = False
        if first:
            self.answer_time = now
        if wanted:
            self._answered(leg, response, now, first=first)
        elif first:
            # The 2xx crossed our CANCEL (9.1): what was to be cancelled now is ended.
            self.send_byes(Cause.LOCAL_HANGUP, (), now)
        else:
            # 13.2.2.4: the surplus 2xx of a fork is acknowledged and its dialog ended.
            self.drop_leg(leg, (), lambda failure, now: None, now)

    def _answered(self, leg: Leg, response: Response, now: float, *, first: bool) -> None:
        description = description_of(response)
        if first:
            self.state = CallState.CONNECTING
            self.disarm("ring")
            self.timer.accepted(response)
            self.run_timer(now)
        if description is not None and leg.remote_description is None:
            leg.remote_description = description
        self.emit(
            CallAnswered(
                resource=self.name,
                at=now,
                labels=self.labels,
                message=response,
                status=response.status,
                reason=response.reason,
                remote_tag=response.to.tag,
                description=description,
            )
        )
        if leg.offer_answer.untouched and description is not None:
            # 13.2.1: an INVITE without offer is offered in the 2xx and answered in the ACK.
            leg.offer_answer.offer(Side.REMOTE)
            leg.remote_description = description
            self._await_answer(leg, now)
        else:
            # The answer is in the 2xx, or was in a provisional response before (13.2.1).
            if leg.offer_answer.open is Side.LOCAL and leg.remote_description is not None:
                leg.offer_answer.answer()
            self._acknowledge(leg, None)
            if first:
                self.confirmed(now, None, None)
                self.note_holds(leg, now)
        self._settle()

    def _settle(self, failure: Failure | None = None) -> None:
        """Answers the Invite, if it still waits."""
        if self._wait_for is WaitFor.CREATED:
            return
        self._wait_for = WaitFor.CREATED
        if failure is None:
            self.done(self._invite.token)
        else:
            self.fail(self._invite.token, failure)

    def _await_answer(self, leg: Leg, now: float) -> None:
        self.alarm(OFFER_ALARM + leg.dialog.remote_tag, now + self.context.offer_timeout)

    def _acknowledge(
        self, leg: Leg, body: Body | None, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        assert leg.invite is not None, "its transaction lasts until all is acknowledged"
        leg.acknowledged = True
        leg.acknowledgement = Acknowledgement(self, leg.dialog, leg.invite, body, headers)
        leg.acknowledgement.start()

    def _redirected(self, response: Response, now: float) -> None:
        contacts = redirect_contacts(response)
        self.emit(
            CallRedirected(
                resource=self.name,
                at=now,
                labels=self.labels,
                message=response,
                status=response.status,
                reason=response.reason,
                contacts=contacts,
            )
        )
        self._redirection.follow(contacts)
        if not self._try_next(now):
            self._finish_refused(response, Cause.REDIRECTED, now)

    def _try_next(self, now: float) -> bool:
        target = self._redirection.next()
        if target is None:
            return False
        self.legs.clear()
        self.state = CallState.CALLING
        self._exchange = self._make_exchange(target)
        self._exchange.start(now)
        return True

    def _refused(self, exchange: Exchange, response: Response, now: float) -> None:
        if exchange.cancelling:
            self._finish_refused(response, Cause.CANCELLED, now)
        # 8.1.3.4: the next of several redirection targets, unless a 6xx speaks for all.
        elif response.status >= 600 or not self._try_next(now):
            self._finish_refused(response, Cause.REJECTED, now)

    def _finish_refused(self, response: Response, cause: Cause, now: float) -> None:
        if cause is not Cause.CANCELLED:
            self._settle(refused(response, "INVITE"))
        termination = Termination(
            cause=cause,
            status=response.status,
            reason=response.reason,
            reasons=tuple(response.headers.get_all("Reason")),
        )
        self.end(termination, now, message=response)

    def on_failure(self, exchange: Exchange, kind: FailureKind, detail: str, now: float) -> None:
        """The INVITE got no final response."""
        if exchange.cancelling:
            self.end(Termination(cause=Cause.CANCELLED), now)
        elif not self._try_next(now):
            self._settle(Failure(kind=kind, detail=detail, state=self.state.name))
            timeout = kind is FailureKind.TIMEOUT
            self.end(Termination(cause=Cause.TIMEOUT if timeout else Cause.TRANSPORT_FAILURE), now)

    def on_end(self, termination: Termination, now: float) -> None:
        """The Invite will not see what it waits for."""
        if self._wait_for is not WaitFor.CREATED:
            self._settle(self.ended_failure(termination))

    # What the application does.

    def answer(self, command: commands.Answer, now: float) -> None:
        """Answers the far end's offer: in the ACK, or in the PRACK it is owed in."""
        waiting = [leg for leg in self.live_legs() if leg.offer_answer.open is Side.REMOTE]
        if not waiting or self.state is CallState.TERMINATING:
            self.fail_state(
                command.token, self.state.name, f"{self.name} has no offer that awaits an answer"
            )
            return
        if command.description is None:
            detail = "the far end made an offer: the answer needs a description"
            self.fail(command.token, invalid("description", detail))
            return
        try:
            body = self.continued(command.description)
        except LocalProtocolError as error:
            self.fail(command.token, invalid("description", str(error)))
            return
        leg = waiting[0]
        self.disarm(OFFER_ALARM + leg.dialog.remote_tag)
        leg.offer_answer.answer()
        self.describe(body)
        headers = command.options.headers
        if leg.owed_prack is not None:
            rack, leg.owed_prack = leg.owed_prack, None
            Prack(self, leg, rack, body, headers).start(now)
            self.modified(leg, now, None)
        else:
            self._acknowledge(leg, body, headers)
            if self.state is CallState.CONNECTING:
                self.confirmed(now, None, None)
        self.done(command.token)

    def end_by_us(self, command: commands.Hangup, now: float) -> None:
        """CANCEL while the INVITE is open, BYE afterwards (section 15)."""
        if self.state in (CallState.CALLING, CallState.EARLY):
            self._cancel(command.options.headers, now)
        else:
            self.send_byes(Cause.LOCAL_HANGUP, command.options.headers, now)

    def send_bye(
        self,
        leg: Leg,
        headers: tuple[tuple[str, str], ...],
        done: Callable[[Failure | None, float], None],
        now: float,
    ) -> None:
        """A 2xx is acknowledged before its dialog is ended (13.2.2.4)."""
        if not leg.acknowledged:
            self._acknowledge(leg, None)
        super().send_bye(leg, headers, done, now)

    def on_remote_bye(self, bye: Request, now: float) -> None:
        """The far end has ended its last dialog."""
        if self.answer_time is None:
            # Section 15: a callee must not do that in an early dialog. Its INVITE is still
            # open, and no other way than CANCEL ends it for sure.
            if self.state is not CallState.TERMINATING:
                self._ending = Cause.REMOTE_HANGUP
                self._cancel((), now)
            return
        for leg in self.live_legs():
            if not leg.acknowledged:
                self._acknowledge(leg, None)
        super().on_remote_bye(bye, now)

    def dismiss(self, key: Hashable) -> None:
        """Timer M (RFC 6026): no 2xx comes any more, and a call that stands for hours need not
        keep what it was made from."""
        super().dismiss(key)
        current = self._exchange.current
        if current is None or current.key != key or self.state is not CallState.CONFIRMED:
            return
        if all(leg.acknowledged for leg in self.legs.values() if leg.answered):
            self._exchange.shed()
            for leg in self.legs.values():
                leg.shed()

    def _cancel(self, headers: tuple[tuple[str, str], ...], now: float) -> None:
        self.state = CallState.TERMINATING
        self.clear_alarms()
        self._exchange.cancel(headers, now)

    def on_cancel_sent(self, now: float) -> None:
        """9.1: 64*T1 after the CANCEL the INVITE is given up, answered or not."""
        self.alarm("cancel", now + self.context.timers.give_up)

    def on_cancel_answered(self, now: float) -> None:
        """The 487 to the INVITE follows at once; Hangup does not wait for a peer that owes it.

        Where a 2xx crossed the CANCEL, it waits for the BYE.
        """
        if self.state is CallState.TERMINATING and self.answer_time is None:
            self.alarm("cancelled", now + self.context.timers.t1)

    def on_alarm(self, alarm: str, now: float) -> None:
        """The alarms of an outgoing call."""
        if alarm == "ring":
            self._ending = Cause.TIMEOUT
            self._cancel((("Reason", 'SIP;cause=480;text="No answer"'),), now)
        elif alarm.startswith(OFFER_ALARM):
            self._unanswered_offer(alarm.removeprefix(OFFER_ALARM), now)
        elif alarm == "cancelled":
            for token in self._hangups:
                self.done(token)
            self._hangups.clear()
        elif alarm == "cancel":
            assert self._exchange.current is not None
            self.dismiss(self._exchange.current.key)
            self.end(Termination(cause=Cause.CANCELLED), now)
        else:
            super().on_alarm(alarm, now)

    def _unanswered_offer(self, remote_tag: str, now: float) -> None:
        """The application said nothing to the far end's offer: that dialog ends."""
        live = self.live_legs()
        leg = self.legs.get(remote_tag)
        if leg is None or leg not in live:
            # It was over before, as that of a fork that did not answer the call.
            return
        if leg.answered and len(live) > 1:
            self.drop_leg(leg, (), lambda failure, now: None, now)
        else:
            self._ending = Cause.TIMEOUT
            self.end_by_us(commands.Hangup(token=None, name=self.name), now)
