"""The callee: RFC 3261 sections 13.3 and 9.2, RFC 3262 section 3."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace

from picosip_server.sip.build import response_to
from picosip_server.sip.dialog import Dialog
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Request, Response
from picosip_server.sip.offer_answer import Side
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.bodies import description_of
from picosip_server.sip.ua.call.acceptance import Acceptance
from picosip_server.sip.ua.call.base import Call
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.call.reliable import ReliableSender
from picosip_server.sip.ua.commands import Body, Options, Policy
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.events import CallAnswered, CallReceived
from picosip_server.sip.ua.failures import invalid
from picosip_server.sip.ua.inspect import capability_headers
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.snapshots import CallDirection, CallState, Cause, Termination
from picosip_server.sip.ua.user import Serving, earlier

RETRY_AFTER_SILENCE = 10
"""Seconds in Retry-After where no application took the call."""

UNANSWERED = (CallState.INCOMING, CallState.EARLY)


class IncomingCall(Call):
    """A call that an INVITE of the peer made. The INVITE was inspected before."""

    __slots__ = (
        "_acceptance",
        "_answer_by",
        "_answers",
        "_bye_headers",
        "_invite",
        "_leg",
        "_offered",
        "_progress",
        "_queued_answer",
        "_reliable",
    )

    DIRECTION = CallDirection.INCOMING

    def __init__(
        self,
        name: str,
        context: Context,
        request: Request,
        hop: Hop,
        now: float,
        *,
        authenticated_user: str = "",
    ) -> None:
        super().__init__(
            name,
            context,
            {},
            state=CallState.INCOMING,
            from_address=request.from_,
            to_address=request.to,
            request_uri=request.uri_text,
            call_id=request.call_id,
            policy=Policy(),
            now=now,
        )
        self.authenticated_user = authenticated_user
        self._invite = self.serve(request, hop, now)
        self._leg = Leg(Dialog.uas(request, self.tag), request)
        self.legs[request.from_.tag] = self._leg
        self._offered = description_of(request)
        if self._offered is not None:
            self._leg.offer_answer.offer(Side.REMOTE)
            self._leg.remote_description = self._offered
        self._reliable = ReliableSender(
            lambda response, now: self.send_response(self._invite, response, now),
            context.timers,
            context.identity.rseq(),
            request.cseq.number,
        )
        self._answers: list[Hashable] = []
        self._progress: commands.Progress | None = None
        """The last one sent."""
        self._queued_answer: commands.Answer | None = None
        """Waits until a description of ours is acknowledged (RFC 3262 section 3)."""
        self._acceptance: Acceptance | None = None
        """Our 2xx, while its ACK is not in."""
        self._bye_headers: tuple[tuple[str, str], ...] = ()
        """Of the BYE that waits for the ACK."""
        self._answer_by = now + context.answer_timeout

    def start(self, now: float) -> None:
        """Answers 100 at once, and tells the application."""
        self.respond(self._invite, now, 100)
        # 13.3.1: an INVITE may say how long it is worth answering.
        expires = self._invite.request.expires
        if expires is not None:
            self.alarm("expires", now + expires)
        if self.context.hears(self.name, self.labels):
            self.alarm("answer", self._answer_by)
        else:
            self.alarm("attach", now + self.context.attach_wait)
        self.emit(
            CallReceived(
                resource=self.name,
                at=now,
                labels=self.labels,
                message=self._invite.request,
                call=self.snapshot(),
                offer=self._offered,
                answer_by=self._answer_by,
            )
        )

    def audience_changed(self, now: float) -> list[Effect]:
        """Somebody began to listen, or stopped."""
        if "attach" in self._alarms and self.context.hears(self.name, self.labels):
            self.disarm("attach")
            self.alarm("answer", self._answer_by)
        return self.flush()

    # Provisional responses.

    def progress(self, command: commands.Progress, now: float) -> None:
        """Sends a 1xx, reliably where asked or required."""
        if self.state not in UNANSWERED or self._queued_answer is not None:
            self._wrong_state(command, "only a call that is not answered yet can progress")
            return
        request = self._invite.request
        reliable = command.reliable or "100rel" in request.require
        if reliable and "100rel" not in (*request.require, *request.supported):
            self.fail(
                command.token,
                invalid("reliable", "the far end does not support 100rel (RFC 3262)"),
            )
            return
        body = command.description
        if body is not None and not self._describe(command, body, reliable):
            return
        self.state = CallState.EARLY
        self._send_progress(replace(command, reliable=reliable), now)
        self.complete(command.token, self.snapshot())

    def _send_progress(self, command: commands.Progress, now: float) -> None:
        body = command.description
        response = self._response(command.status, command.reason, command.options, body)
        if command.reliable:
            self._reliable.send(response, body is not None, now)
        else:
            self.send_response(self._invite, response, now)
        # 13.3.1.1: said again, lest a proxy cancels the call (RFC 3262 section 3: less often
        # where it is known to arrive, and then without the description, which has arrived).
        self._progress = replace(command, description=None) if command.reliable else command
        self.alarm("extend", now + (150.0 if command.reliable else 60.0))

    def _describe(self, command: commands.Progress, body: Body, reliable: bool) -> bool:
        """Follows what a description in a provisional is (RFC 3262 section 5, RFC 6337)."""
        offer_answer = self._leg.offer_answer
        if offer_answer.open is Side.REMOTE:
            if reliable:
                offer_answer.answer()
        elif offer_answer.untouched and reliable:
            offer_answer.offer(Side.LOCAL)
        elif offer_answer.untouched:
            detail = "the INVITE had no offer: an offer of ours must go reliably (set reliable)"
            self.fail(command.token, invalid("description", detail))
            return False
        elif body != self.local_description:
            detail = "the offer is answered already: a provisional cannot change the session"
            self.fail(command.token, invalid("description", detail))
            return False
        self.local_description = body
        return True

    def on_prack(self, leg: Leg, serving: Serving, now: float) -> None:
        """RFC 3262 section 3: a PRACK that matches stops the repetition; else 481."""
        request = serving.request
        if not self._reliable.acknowledge(request, now):
            self.respond(serving, now, 481)
            return
        description = description_of(request)
        offer_answer = leg.offer_answer
        if description is not None and offer_answer.open is Side.LOCAL:
            offer_answer.answer()
            leg.remote_description = description
            self.respond(serving, now, 200)
            self.modified(leg, now, request)
        elif description is not None and offer_answer.stable:
            # RFC 3262 section 5: a further offer, which the application answers.
            offer_answer.offer(Side.REMOTE)
            self.pendings.hand_over(
                serving,
                now,
                default=(488, ""),
                respond_by=now + self._respond_timeout(),
                on_answer=lambda response, body, now: self._prack_answered(
                    description, response, body, now
                ),
                call=self.name,
                offer=description,
            )
            return
        else:
            self.respond(serving, now, 200)
        self._after_prack(now)

    def _prack_answered(
        self, offer: Body, response: Response, body: Body | None, now: float
    ) -> None:
        if self.state is CallState.TERMINATED:
            return
        offer_answer = self._leg.offer_answer
        if response.status < 300 and body is not None:
            offer_answer.answer()
            self.local_description = body
            self._leg.remote_description = offer
            self.modified(self._leg, now, None)
        else:
            offer_answer.withdraw()
        self._after_prack(now)

    def _after_prack(self, now: float) -> None:
        self._reliable.proceed(now)
        if self._queued_answer is not None and self._may_accept():
            command, self._queued_answer = self._queued_answer, None
            self._accept(command, now)

    def _respond_timeout(self) -> float:
        wish = self.policy.respond_timeout
        return self.context.respond_timeout if wish is None else wish

    # The final response.

    def answer(self, command: commands.Answer, now: float) -> None:
        """Sends the 2xx, once RFC 3262 section 3 lets it."""
        if self.state not in UNANSWERED or self._queued_answer is not None:
            self._wrong_state(command, "it has been answered, refused or cancelled already")
            return
        offer_answer = self._leg.offer_answer
        if offer_answer.open is Side.REMOTE and offer_answer.rounds:
            self._wrong_state(command, "the offer in a PRACK awaits Respond first")
            return
        if command.description is None and offer_answer.open is Side.REMOTE:
            detail = "the INVITE carried an offer: the 2xx needs a description that answers it"
            self.fail(command.token, invalid("description", detail))
            return
        if command.description is None and offer_answer.untouched:
            detail = "the INVITE carried no offer: the 2xx needs a description that makes one"
            self.fail(command.token, invalid("description", detail))
            return
        if (
            command.description is not None
            and (offer_answer.stable or offer_answer.open is Side.LOCAL)
            and command.description != self.local_description
        ):
            detail = "offer and answer went in a reliable provisional already: leave it out"
            self.fail(command.token, invalid("description", detail))
            return
        if self._may_accept():
            self._accept(command, now)
        else:
            self._queued_answer = command
            self.disarm("answer", "attach", "expires", "extend")

    def _may_accept(self) -> bool:
        return not self._reliable.description_outstanding

    def _accept(self, command: commands.Answer, now: float) -> None:
        offer_answer = self._leg.offer_answer
        body = command.description
        if offer_answer.open is Side.REMOTE:
            offer_answer.answer()
        elif offer_answer.untouched:
            offer_answer.offer(Side.LOCAL)
        else:
            body = None
        if command.description is not None:
            self.local_description = command.description
        if command.policy is not None:
            self.policy = command.policy
        self._reliable.stop()
        self.disarm("answer", "attach", "expires", "extend")
        response = self._response(200, "", command.options, body, capability_headers())
        self.state = CallState.CONNECTING
        self._answer_time = now
        self._leg.answered = True
        self._leg.dialog.early = False
        self.send_response(self._invite, response, now)
        self._acceptance = Acceptance(response, self.context.timers, now)
        self.alarm("2xx", self._acceptance.due)
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
        if command.no_wait:
            self.complete(command.token, self.snapshot())
        else:
            self._answers.append(command.token)

    def reject(self, command: commands.Reject, now: float) -> None:
        """Sends a 4xx, 5xx or 6xx."""
        if self.state not in UNANSWERED:
            self._wrong_state(command, "it has been answered, refused or cancelled already")
            return
        self._refuse(command.status, command.reason, command.options, now, Cause.REJECTED)
        self.complete(command.token, self.snapshot())

    def redirect(self, command: commands.Redirect, now: float) -> None:
        """Sends a 3xx with contacts (8.3, 21.3)."""
        if self.state not in UNANSWERED:
            self._wrong_state(command, "it has been answered, refused or cancelled already")
            return
        contacts = [("Contact", str(contact)) for contact in command.contacts]
        self._refuse(
            command.status, command.reason, command.options, now, Cause.REDIRECTED, contacts
        )
        self.complete(command.token, self.snapshot())

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
            self._invite,
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

    def _response(
        self,
        status: int,
        reason: str,
        options: Options,
        body: Body | None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Response:
        """A response that makes or keeps a dialog (12.1.1)."""
        request = self._invite.request
        own = [("Record-Route", each) for each in request.headers.get_all("Record-Route")]
        own.append(("Contact", self._invite.hop.contact(request.uri.user or "")))
        return response_to(
            request,
            status,
            reason,
            to_tag=self.tag,
            headers=[*own, *headers, *options.headers],
            content_type=body.content_type if body is not None else "",
            body=body.data if body is not None else b"",
        )

    # After the 2xx.

    def on_ack(self, serving: Serving, ack: Request, now: float) -> None:
        """An ACK with the INVITE's own branch, as RFC 2543 peers send it."""
        self.on_dialog_ack(self._leg, ack, now)

    def on_dialog_ack(self, leg: Leg, ack: Request, now: float) -> None:
        """The ACK to our 2xx (13.3.1.4)."""
        if self._acceptance is None or ack.cseq.number != self._invite.request.cseq.number:
            return
        self._acceptance = None
        self.disarm("2xx")
        description = None
        if leg.offer_answer.open is Side.LOCAL:
            description = description_of(ack)
            if description is not None:
                leg.offer_answer.answer()
                leg.remote_description = description
            else:
                leg.offer_answer.withdraw()
        if self.state is CallState.CONNECTING:
            self.confirmed(now, ack, description)
        for token in self._answers:
            self.complete(token, self.snapshot())
        self._answers.clear()
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
        if serving is self._invite and self.state in UNANSWERED:
            self._withdrawn(tuple(cancel.headers.get_all("Reason")), now, cancel)

    def on_remote_bye(self, bye: Request, now: float) -> None:
        """15.1.2: a BYE in the early dialog ends the pending INVITE with 487."""
        if self.state in UNANSWERED:
            self.respond(self._invite, now, 487, to_tag=self.tag)
        super().on_remote_bye(bye, now)

    def _withdrawn(
        self, reasons: tuple[str, ...], now: float, message: Request | None = None
    ) -> None:
        response = self.respond(self._invite, now, 487, to_tag=self.tag)
        self.end(
            Termination(cause=Cause.CANCELLED, status=487, reason=response.reason, reasons=reasons),
            now,
            message=message,
        )

    def on_end(self, termination: Termination, now: float) -> None:
        """Tells an Answer that will not see its ACK."""
        self._reliable.stop()
        if self._queued_answer is not None:
            self._answers.append(self._queued_answer.token)
        if termination.cause is Cause.TIMEOUT:
            detail = "the far end sent no ACK, or no PRACK, in time"
            failure = Failure(kind=FailureKind.TIMEOUT, detail=detail)
        else:
            failure = self.ended_failure(termination)
        for token in self._answers:
            self.fail(token, failure)
        self._answers.clear()

    # Time.

    def deadline(self) -> float | None:
        """Transactions, alarms, and the reliable provisional that is out."""
        return earlier(super().deadline(), self._reliable.deadline())

    def timeout(self, now: float) -> list[Effect]:
        """RFC 3262 section 3: without a PRACK within 64*T1 the INVITE gets a 5xx."""
        if not self._reliable.timeout(now):
            self._refuse(504, "", Options(), now, Cause.TIMEOUT)
        return super().timeout(now)

    def on_alarm(self, alarm: str, now: float) -> None:
        """The alarms of an incoming call."""
        if alarm == "2xx":
            self._repeat_accepted(now)
        elif alarm in ("attach", "answer"):
            retry = Options(headers=(("Retry-After", str(RETRY_AFTER_SILENCE)),))
            self._refuse(480, "", retry, now, Cause.TIMEOUT)
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
            self.send_response(self._invite, acceptance.response, now)
            self.alarm("2xx", acceptance.due)
        else:
            # 13.3.1.4: no ACK: the dialog stands, and is ended with BYE.
            self._acceptance = None
            self.send_byes(Cause.TIMEOUT, self._bye_headers, now)

    def _wrong_state(self, command: commands.CallCommand, why: str) -> None:
        self.fail_state(
            command.token,
            self.state.name,
            f"{self.name} is {self.state.name}, {type(command).__name__} is not possible: {why}",
        )
