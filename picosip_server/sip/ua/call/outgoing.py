"""The caller, from the answer on: RFC 3261 sections 13.2.2.4 and 15."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from picosip_server.sip.errors import LocalProtocolError
from picosip_server.sip.message import Request, Response
from picosip_server.sip.offer_answer import Side
from picosip_server.sip.transaction.client_invite import ACCEPTED, ClientInviteTransaction
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.acknowledgement import Acknowledgement
from picosip_server.sip.ua.bodies import description_of
from picosip_server.sip.ua.call.calling import OFFER_ALARM, CallingCall
from picosip_server.sip.ua.call.late_answers import Ack, LateAnswers
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.call.prack import Prack
from picosip_server.sip.ua.commands import Body, ForkedAnswers
from picosip_server.sip.ua.events import CallAnswered
from picosip_server.sip.ua.exchange import Exchange
from picosip_server.sip.ua.failures import invalid
from picosip_server.sip.ua.outputs import Failure
from picosip_server.sip.ua.remains import Remains
from picosip_server.sip.ua.snapshots import CallState, Cause, Termination


class OutgoingCall(CallingCall):
    """A call that the application places with Invite."""

    __slots__ = ()

    # The answer.

    def _accepted(self, exchange: Exchange, response: Response, now: float) -> None:
        known = self.leg_of(response.to.tag)
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
        if leg is known:
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

    def _acknowledge(
        self, leg: Leg, body: Body | None, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        assert leg.invite is not None, "its transaction lasts until all is acknowledged"
        leg.acknowledged = True
        leg.acknowledgement = Acknowledgement(self, leg.dialog, leg.invite, body, headers)
        leg.acknowledgement.start()

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
        current = None if self._exchange is None else self._exchange.current
        if current is None or current.key != key or self.state is not CallState.CONFIRMED:
            return
        if all(leg.acknowledged for leg in self.legs if leg.answered):
            self._exchange = self._invite = self._redirection = None
            for leg in self.legs:
                leg.shed()

    def remains(self) -> Remains | None:
        """See ``TransactionUser.remains``; answered calls are waited for by ``LateAnswers``."""
        current = None if self._exchange is None else self._exchange.current
        if current is None:
            return super().remains()
        machine = current.machine
        if not isinstance(machine, ClientInviteTransaction) or machine.state != ACCEPTED:
            return super().remains()
        acks: dict[str, Ack] = {}
        for leg in self.legs:
            sent = None if leg.acknowledgement is None else leg.acknowledgement.sent
            if sent is None:
                # A fork that rang may still answer, and has its own numbers (12.2.1.1).
                return None
            acks[leg.dialog.remote_tag] = sent
        echoes = self.rest(current)
        if echoes is None:
            return None
        return LateAnswers(
            self, echoes, key=current.key, invite=machine.data, acks=acks, auth=self.auth
        )

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
            self._hangups = ()
        elif alarm == "cancel":
            current = self.exchange.current
            assert current is not None
            self.dismiss(current.key)
            self.exchange.close()
            self.end(Termination(cause=Cause.CANCELLED), now)
        else:
            super().on_alarm(alarm, now)

    def _unanswered_offer(self, remote_tag: str, now: float) -> None:
        """The application said nothing to the far end's offer: that dialog ends."""
        live = self.live_legs()
        leg = self.leg_of(remote_tag)
        if leg is None or leg not in live:
            # It was over before, as that of a fork that did not answer the call.
            return
        if leg.answered and len(live) > 1:
            self.drop_leg(leg, (), lambda failure, now: None, now)
        else:
            self._ending = Cause.TIMEOUT
            self.end_by_us(commands.Hangup(token=None, name=self.name), now)
