"""The callee until it answers: RFC 3261 section 13.3.1.1, RFC 3262 section 3."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from picosip_server.sip.build import response_to
from picosip_server.sip.dialog import Dialog
from picosip_server.sip.errors import LocalProtocolError
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Request, Response
from picosip_server.sip.offer_answer import Side
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.bodies import description_of
from picosip_server.sip.ua.call.base import Call
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.call.reliable import ReliableSender
from picosip_server.sip.ua.call.turns import early_fault
from picosip_server.sip.ua.commands import Body, Options, Policy
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.failures import invalid
from picosip_server.sip.ua.inspect import ALLOW
from picosip_server.sip.ua.snapshots import CallDirection, CallState
from picosip_server.sip.ua.user import Serving, earlier

Describing = TypeVar("Describing", commands.Progress, commands.Answer)

UNANSWERED = (CallState.INCOMING, CallState.EARLY)

NO_POLICY = Policy()
"""Of all calls, until the application answers with one of its own."""

SAY_AGAIN = 60.0
"""Seconds between provisional responses while the call waits (RFC 3261 section 13.3.1.1)."""
SAY_AGAIN_RELIABLY = 150.0
"""The same where they are reliable (RFC 3262 section 3)."""


class RingingCall(Call):
    """What an incoming call does with provisional responses, and with descriptions in them."""

    __slots__ = ("_invite", "_leg", "_offered", "_progress", "_queued_answer", "_sender")

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
            policy=NO_POLICY,
            contact_user=request.uri.user or "",
            now=now,
        )
        self.authenticated_user = authenticated_user
        self._invite: Serving | None = self.serve(request, hop, now)
        self._leg = Leg(Dialog.uas(request, self.tag))
        self._leg.learn(request)
        self.legs = (self._leg,)
        self._offered = description_of(request)
        if self._offered is not None:
            self._leg.offer_answer.offer(Side.REMOTE)
            self._leg.remote_description = self._offered
        self._sender: ReliableSender | None = None
        self._progress: commands.Progress | None = None
        """The last one sent."""
        self._queued_answer: commands.Answer | None = None
        """Waits until a description of ours is acknowledged (RFC 3262 section 3)."""

    @property
    def invite(self) -> Serving:
        """The INVITE that made the call, while its transaction lasts."""
        assert self._invite is not None
        return self._invite

    def on_served(self, serving: Serving) -> None:
        """Timer L, H or I (RFC 6026): a call that stands for hours need not keep its INVITE."""
        if serving is self._invite and self.state is CallState.CONFIRMED:
            self._invite = None
            self._progress = None
            self._sender = None

    def progress(self, command: commands.Progress, now: float) -> None:
        """Sends a 1xx, reliably where asked or required."""
        if self.state not in UNANSWERED or self._queued_answer is not None:
            self._wrong_state(command, "only a call that is not answered yet can progress")
            return
        request = self.invite.request
        reliable = command.reliable or "100rel" in request.require
        if reliable and "100rel" not in request.require + request.supported:
            self.fail(
                command.token,
                invalid("reliable", "the far end does not support 100rel (RFC 3262)"),
            )
            return
        try:
            command = self._continuing(command)
        except LocalProtocolError as error:
            self.fail(command.token, invalid("description", str(error)))
            return
        body = command.description
        if body is not None and not self._describe(command, body, reliable):
            return
        self.state = CallState.EARLY
        if reliable and not command.reliable:
            command = replace(command, reliable=True)
        self._send_progress(command, now)
        self.done(command.token)

    def _send_progress(self, command: commands.Progress, now: float) -> None:
        body = command.description
        # RFC 3311 section 5.1: from here on, the caller may know that UPDATE is taken.
        own = [("Allow", ALLOW)] if command.reliable else []
        response = self._response(command.status, command.reason, command.options, body, own)
        if command.reliable:
            self._reliable().send(response, body is not None, now)
        else:
            self.send_response(self.invite, response, now)
        # Said again, lest a proxy cancels the call. What is known to arrive is said less often,
        # and without its description, which has arrived.
        self._progress = replace(command, description=None) if command.reliable else command
        self.alarm("extend", now + (SAY_AGAIN_RELIABLY if command.reliable else SAY_AGAIN))

    def _reliable(self) -> ReliableSender:
        if self._sender is None:
            context = self.context
            self._sender = ReliableSender(
                lambda response, now: self.send_response(self.invite, response, now),
                context.timers,
                context.identity.rseq(),
                self.invite.request.cseq.number,
            )
        return self._sender

    def _describe(self, command: commands.Progress, body: Body, reliable: bool) -> bool:
        """Follows what a description in a provisional is: offer, answer, or only a preview."""
        turn = self._leg.offer_answer
        if self._await_respond(command):
            return False
        fault = early_fault(turn, body, self.local_description, reliable)
        if fault:
            self.fail(command.token, invalid("description", fault))
            return False
        if turn.open is Side.REMOTE and reliable:
            turn.answer()
        elif turn.untouched:
            turn.offer(Side.LOCAL)
        self.describe(body)
        return True

    def _continuing(self, command: Describing) -> Describing:
        """The command with its description as what follows the one sent before."""
        body = command.description
        if body is None:
            return command
        continued = self.continued(body)
        return command if continued is body else replace(command, description=continued)

    def _await_respond(self, command: commands.CallCommand) -> bool:
        """Whether the far end's offer in a PRACK is to be answered before this command."""
        turn = self._leg.offer_answer
        waits = turn.open is Side.REMOTE and turn.rounds > 0
        if waits:
            self._wrong_state(command, "the offer in a PRACK awaits Respond first")
        return waits

    def on_prack(self, leg: Leg, serving: Serving, now: float) -> None:
        """RFC 3262 section 3: a PRACK that matches stops the repetition; else 481."""
        request = serving.request
        if self._sender is None or not self._sender.acknowledge(request, now):
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
            self.parts.pendings.hand_over(
                serving,
                now,
                default=(488, ""),
                respond_by=now + self.respond_timeout(),
                prepare=self.continued,
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
            self.describe(body)
            self._leg.remote_description = offer
            self.modified(self._leg, now, None)
        else:
            offer_answer.withdraw()
        self._after_prack(now)

    def _after_prack(self, now: float) -> None:
        self._reliable().proceed(now)
        if self._queued_answer is not None and self._may_accept():
            command, self._queued_answer = self._queued_answer, None
            self._accept(command, now)

    @property
    def description_unacknowledged(self) -> bool:
        """RFC 3262 section 3: a description of ours awaits its PRACK."""
        return self._sender is not None and self._sender.description_outstanding

    @abstractmethod
    def _accept(self, command: commands.Answer, now: float) -> None:
        """Sends the 2xx."""

    def _may_accept(self) -> bool:
        return not self.description_unacknowledged

    def _response(
        self,
        status: int,
        reason: str,
        options: Options,
        body: Body | None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Response:
        """A response that makes or keeps a dialog (12.1.1)."""
        request = self.invite.request
        self.contact_params = options.contact_params or self.contact_params
        self.advertised(options.headers)
        own = [("Record-Route", each) for each in request.headers.get_all("Record-Route")]
        own.append(("Contact", self.contact(self.invite.hop)))
        return response_to(
            request,
            status,
            reason,
            to_tag=self.tag,
            headers=[*own, *headers, *options.headers],
            content_type=body.content_type if body is not None else "",
            body=body.data if body is not None else b"",
        )

    def deadline(self) -> float | None:
        """Transactions, alarms, and the reliable provisional that is out."""
        due = super().deadline()
        return due if self._sender is None else earlier(due, self._sender.deadline())

    def _wrong_state(self, command: commands.CallCommand, why: str) -> None:
        self.fail_state(
            command.token,
            self.state.name,
            f"{self.name} is {self.state.name}, {type(command).__name__} is not possible: {why}",
        )
