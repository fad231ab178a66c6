"""The callee, from its answer on: RFC 3261 sections 13.3.1.2 to 13.3.1.4, 9.2 and 15."""

from __future__ import annotations

from collections.abc import Hashable

from picosip_server.sip.errors import LocalProtocolError
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Request
from picosip_server.sip.offer_answer import Side
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.bodies import description_of
from picosip_server.sip.ua.call.acceptance import Acceptance
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.call.ringing import UNANSWERED, RingingCall
from picosip_server.sip.ua.call.turns import final_fault
from picosip_server.sip.ua.commands import Options
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.events import CallAnswered, CallReceived
from picosip_server.sip.ua.failures import invalid
from picosip_server.sip.ua.inspect import capability_headers
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.snapshots import CallState, Cause, Termination
from picosip_server.sip.ua.user import Serving

RETRY_LATER = Options(headers=(("Retry-After", "10"),))
"""Seconds in Retry-After where no application took the call."""


class IncomingCall(RingingCall):
    """A call that an INVITE of the peer made. The INVITE was inspected before."""

    __slots__ = ("_acceptance", "_answer_by", "_answers", "_bye_headers", "_replaces")

    def __init__(
        self,
        name: str,
        context: Context,
        request: Request,
        hop: Hop,
        now: float,
        *,
        authenticated_user: str = "",
        replaces: str = "",
    ) -> None:
        super().__init__(name, context, request, hop, now, authenticated_user=authenticated_user)
        self._replaces = replaces
        """The call whose place this one takes when it is answered."""
        self._answers: tuple[Hashable, ...] = ()
        """The tokens of the Answer that waits for the ACK."""
        self._acceptance: Acceptance | None = None
        """Our 2xx, while its ACK is not in."""
        self._bye_headers: tuple[tuple[str, str], ...] = ()
        """Of the BYE that waits for the ACK."""
        self._answer_by = now + context.answer_timeout

    def start(self, now: float) -> None:
        """Answers 100 at once, and tells the application."""
        self.respond(self.invite, now, 100)
        # 13.3.1: an INVITE may say how long it is worth answering.
        expires = self.invite.request.expires
        if expires is not None:
            self.alarm("expires", now + expires)
        if self.listener is not None or self.context.hears(self.name, self.labels):
            self.alarm("answer", self._answer_by)
        else:
            self.alarm("attach", now + self.context.attach_wait)
        self.emit(
            CallReceived(
                resource=self.name,
                at=now,
                labels=self.labels,
                message=self.invite.request,
                call=self.shown(),
                offer=self._offered,
                answer_by=self._answer_by,
                replaces=self._replaces,
            )
        )

    def audience_changed(self, now: float) -> list[Effect]:
        """Somebody began to listen, or stopped."""
        if "attach" in self._alarms and self.context.hears(self.name, self.labels):
            self.disarm("attach")
            self.alarm("answer", self._answer_by)
        return self.flush()

    # The final response.

    def answer(self, command: commands.Answer, now: float) -> None:
        """Sends the 2xx, once RFC 3262 section 3 lets it."""
        if self.state not in UNANSWERED or self._queued_answer is not None:
            self._wrong_state(command, "it has been answered, refused or cancelled already")
            return
        if self._await_respond(command):
            return
        try:
            command = self._continuing(command)
        except LocalProtocolError as error:
            self.fail(command.token, invalid("description", str(error)))
            return
        fault = final_fault(self._leg.offer_answer, command.description, self.local_description)
        if fault:
            self.fail(command.token, invalid("description", fault))
            return
        if self._may_accept():
            self._accept(command, now)
        else:
            self._queued_answer = command
            self.disarm("answer", "attach", "expires", "extend")

    def _accept(self, command: commands.Answer, now: float) -> None:
        if command.policy is not None:
            self.policy = command.policy
            self.timer.wish(command.policy.session_timer)
        least = self.timer.too_small(self.invite.request)
        if least is not None:
            self._refuse_interval(command, least, now)
            return
        turn = self._leg.offer_answer
        body = command.description
        if turn.open is Side.REMOTE:
            turn.answer()
        elif turn.untouched:
            turn.offer(Side.LOCAL)
        else:
            # It went in a reliable provisional (RFC 6337 section 3.1.1).
            body = None
        if body is not None:
            self.describe(body)
        if self._sender is not None:
            self._sender.stop()
        self.disarm("answer", "attach", "expires", "extend")
        fields = [*capability_headers(), *self.timer.answer_fields(self.invite.request)]
        response = self._response(200, "", command.options, body, fields)
        self.state = CallState.CONNECTING
        self.answer_time = now
        self._leg.answered = True
        self._leg.dialog.early = False
        self.send_response(self.invite, response, now)
        self._acceptance = Acceptance(response, self.context.timers, now)
        self.alarm("2xx", self._acceptance.due)
        self.run_timer(now)
        self.emit(
            CallAnswered(
                resource=self.name,
                at=now,
                labels=self.labels,
                message=response,
                status=200,
                reason=response.reason,
                remote_tag=self._leg.dialog.remote_tag,
                description=body,
            )
        )
        if self._replaces:
            # RFC 3891 section 3: the one replaced ends once its successor is answered.
            self.displace(self._replaces)
        if command.no_wait:
            self.done(command.token)
        else:
            self._answers = (command.token,)

    def _refuse_interval(
        self, command: commands.Answer, least: list[tuple[str, str]], now: float
    ) -> None:
        """RFC 4028 section 9: its policy wants longer intervals than the INVITE asks for."""
        status = 422
        self._refuse(status, "", command.options, now, Cause.REJECTED, least)
        self.fail(
            command.token,
            Failure(
                kind=FailureKind.ENDED,
                detail=f"{self.name} asks for a session interval below {least[0][1]} s, the least "
                "that its policy takes: it was refused with 422",
                status=status,
                state=self.state.name,
            ),
        )

    def reject(self, command: commands.Reject, now: float) -> None:
        """Sends a 4xx, 5xx or 6xx."""
        if self.state not in UNANSWERED:
            self._wrong_state(command, "it has been answered, refused or cancelled already")
            return
        self._refuse(command.status, command.reason, command.options, now, Cause.REJECTED)
        self.done(command.token)

    def redirect(self, command: commands.Redirect, now: float) -> None:
        """Sends a 3xx with contacts (8.3, 21.3)."""
        if self.state not in UNANSWERED:
            self._wrong_state(command, "it has been answered, refused or cancelled already")
            return
        contacts = [("Contact", str(contact)) for contact in command.contacts]
        self._refuse(
            command.status, command.reason, command.options, now, Cause.REDIRECTED, contacts
        )
        self.done(command.token)

    def _refuse(
        self,
        status: int,
        reason: str,
        options: Options,
        now: float,
        cause: Cause,
        headers: list[tuple[str, str]] | None = None,
    ) -> None:
        response = self.respond(
            self.invite,
            now,
            status,
            reason,
            to_tag=self.tag,
            headers=[*(headers or ()), *options.headers],
        )
        self.end(
            Termination(cause=cause, status=status, reason=response.reason),
            now,
            message=response,
        )

    # After the 2xx.

    def on_ack(self, serving: Serving, ack: Request, now: float) -> None:
        """An ACK with the INVITE's own branch, as RFC 2543 peers send it."""
        self.acknowledged(self._leg, ack, now)

    def on_dialog_ack(self, leg: Leg, ack: Request, now: float) -> None:
        """The ACK to our 2xx (13.3.1.4)."""
        if self._acceptance is None or ack.cseq.number != self.invite.request.cseq.number:
            return
        self._acceptance = None
        self.disarm("2xx")
        description = None
        if leg.offer_answer.open is Side.LOCAL:
            description = description_of(ack)
            if description is not None:
                leg.offer_answer.answer()
                leg.remote_description = description
                self.note_holds(leg, now)
            else:
                leg.offer_answer.withdraw()
        if self.state is CallState.CONNECTING:
            self.confirmed(now, ack, description)
        for token in self._answers:
            self.done(token)
        self._answers = ()
        if self.state is CallState.TERMINATING:
            # The hangup that waited for this ACK.
            self.send_byes(Cause.LOCAL_HANGUP, self._bye_headers, now)

    def end_by_us(self, command: commands.Hangup, now: float) -> None:
        """A refusal before the 2xx, BYE after the ACK; between them the ACK comes first."""
        if self.state in UNANSWERED:
            self._refuse(
                command.status or 603, command.reason, command.options, now, Cause.REJECTED
            )
        elif self._acceptance is not None:
            # Section 15: no BYE from the callee before the ACK, or before 64*T1 are over.
            self.state = CallState.TERMINATING
            self._ending = self._ending or Cause.LOCAL_HANGUP
            self._bye_headers = command.options.headers
        else:
            self.send_byes(Cause.LOCAL_HANGUP, command.options.headers, now)

    def on_cancelled(self, serving: Serving, cancel: Request, now: float) -> None:
        """The caller cancelled: 487, unless a final response is out (9.2)."""
        if self._parts is not None and self._parts.on_cancelled(serving, now):
            return
        if serving is self._invite and self.state in UNANSWERED:
            self._withdrawn(tuple(cancel.headers.get_all("Reason")), now, cancel)

    def on_remote_bye(self, bye: Request, now: float) -> None:
        """15.1.2: a BYE in the early dialog ends the pending INVITE with 487."""
        if self.state in UNANSWERED:
            self.respond(self.invite, now, 487, to_tag=self.tag)
        super().on_remote_bye(bye, now)

    def _withdrawn(
        self, reasons: tuple[str, ...], now: float, message: Request | None = None
    ) -> None:
        response = self.respond(self.invite, now, 487, to_tag=self.tag)
        self.end(
            Termination(cause=Cause.CANCELLED, status=487, reason=response.reason, reasons=reasons),
            now,
            message=message,
        )

    def shut_down(self, now: float) -> list[Effect]:
        """The server stops: whoever rings may try again elsewhere, or later."""
        if self.state not in UNANSWERED:
            return super().shut_down(now)
        self._refuse(503, "", RETRY_LATER, now, Cause.SERVER_SHUTDOWN)
        return self.flush()

    def on_end(self, termination: Termination, now: float) -> None:
        """Tells an Answer that will not see its ACK."""
        super().on_end(termination, now)
        if self._sender is not None:
            self._sender.stop()
        if self._queued_answer is not None:
            self._answers += (self._queued_answer.token,)
        if self._answers:
            failure = self.ended_failure(termination)
            for token in self._answers:
                self.fail(token, failure)
            self._answers = ()

    # Time.

    def timeout(self, now: float) -> list[Effect]:
        """RFC 3262 section 3: without a PRACK within 64*T1 the INVITE gets a 5xx."""
        if self._sender is not None and not self._sender.timeout(now):
            self._refuse(504, "", Options(), now, Cause.TIMEOUT)
        return super().timeout(now)

    def on_alarm(self, alarm: str, now: float) -> None:
        """The alarms of an incoming call."""
        if alarm == "2xx":
            self._repeat_accepted(now)
        elif alarm in ("attach", "answer"):
            self._refuse(480, "", RETRY_LATER, now, Cause.TIMEOUT)
        elif alarm == "extend":
            assert self._progress is not None
            self._send_progress(self._progress, now)
        elif alarm == "expires":
            self._withdrawn((), now)
        else:
            super().on_alarm(alarm, now)

    def _repeat_accepted(self, now: float) -> None:
        acceptance = self._acceptance
        assert acceptance is not None
        if acceptance.repeat(now):
            self.send_response(self.invite, acceptance.response, now)
            self.alarm("2xx", acceptance.due)
        else:
            # 13.3.1.4: no ACK: the dialog stands, and is ended with BYE.
            self._acceptance = None
            self.send_byes(Cause.TIMEOUT, self._bye_headers, now)
