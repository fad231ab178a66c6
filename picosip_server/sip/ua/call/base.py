"""What both roles of a call share: its state, its end, and requests inside its dialogs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import ClassVar

from picosip_server.sip.address import Address
from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.errors import RemoteProtocolError
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Request, Response
from picosip_server.sip.replaces import Replaces
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.call.bye import Bye
from picosip_server.sip.ua.call.changes import Changes
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.call.picture import UNSEEN, picture
from picosip_server.sip.ua.call.proposals import Proposals
from picosip_server.sip.ua.call.referrals import Referrals
from picosip_server.sip.ua.call.requests_in import RequestsIn
from picosip_server.sip.ua.call.requests_out import RequestsOut
from picosip_server.sip.ua.call.session import SESSION_END, SESSION_REFRESH, SessionUser
from picosip_server.sip.ua.call.transfers import Transfers
from picosip_server.sip.ua.commands import Body, Command, Policy
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.events import CallConfirmed, CallEnded
from picosip_server.sip.ua.inspect import unsupported
from picosip_server.sip.ua.keys import dialog_key
from picosip_server.sip.ua.listener import Errand, Listener
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.pending import Pendings
from picosip_server.sip.ua.snapshots import (
    CallDirection,
    CallSnapshot,
    CallState,
    Cause,
    Termination,
)
from picosip_server.sip.ua.subscription.commands import SubscriptionCommand
from picosip_server.sip.ua.subscription.usage import Usage
from picosip_server.sip.ua.user import Serving


class Call(SessionUser, ABC):
    """An INVITE session. Subclasses are its two roles."""

    __slots__ = (
        "_bye_failure",
        "_byes",
        "_changes",
        "_ending",
        "_hangups",
        "_pendings",
        "_proposals",
        "_referrals",
        "_requests_in",
        "_requests_out",
        "_transfers",
        "answer_time",
        "auth",
        "authenticated_user",
        "call_id",
        "create_time",
        "end_time",
        "from_address",
        "request_uri",
        "state",
        "tag",
        "termination",
        "to_address",
    )

    DIRECTION: ClassVar[CallDirection]

    def __init__(
        self,
        name: str,
        context: Context,
        labels: Mapping[str, str],
        *,
        state: CallState,
        from_address: Address,
        to_address: Address,
        request_uri: str,
        call_id: str,
        policy: Policy,
        contact_user: str,
        now: float,
    ) -> None:
        super().__init__(name, context, labels, policy=policy, contact_user=contact_user)
        self.state = state
        self.from_address = from_address
        self.to_address = to_address
        self.request_uri = request_uri
        self.call_id = call_id
        self.tag = context.identity.tag()
        self.auth: DigestClient | None = None
        self.authenticated_user = ""
        # Made when they are first needed: most calls need none of them.
        self._changes: Changes | None = None
        self._proposals: Proposals | None = None
        self._pendings: Pendings | None = None
        self._requests_in: RequestsIn | None = None
        self._requests_out: RequestsOut | None = None
        self._transfers: Transfers | None = None
        self._referrals: Referrals | None = None
        self.termination: Termination | None = None
        self._ending: Cause | None = None
        """Why this side has begun to end the call, where it has."""
        self._hangups: list[Hashable] = []
        self._byes = 0
        """How many BYEs of ours await their answer."""
        self._bye_failure: Failure | None = None
        self.create_time = now
        self.answer_time: float | None = None
        self.end_time: float | None = None
        self.bind(dialog_key(call_id, self.tag))

    @property
    def changes(self) -> Changes:
        """Our changes of the session."""
        part = self._changes
        if part is None:
            part = self._changes = Changes(self)
        return part

    @property
    def proposals(self) -> Proposals:
        """The far end's changes of the session."""
        part = self._proposals
        if part is None:
            part = self._proposals = Proposals(self)
        return part

    @property
    def pendings(self) -> Pendings:
        """Requests that the application is to answer."""
        part = self._pendings
        if part is None:
            part = self._pendings = Pendings(self)
        return part

    @property
    def requests_in(self) -> RequestsIn:
        """Other requests of the far end."""
        part = self._requests_in
        if part is None:
            part = self._requests_in = RequestsIn(self)
        return part

    @property
    def requests_out(self) -> RequestsOut:
        """Other requests of ours."""
        part = self._requests_out
        if part is None:
            part = self._requests_out = RequestsOut(self)
        return part

    @property
    def transfers(self) -> Transfers:
        """Our REFERs."""
        part = self._transfers
        if part is None:
            part = self._transfers = Transfers(self)
        return part

    @property
    def referrals(self) -> Referrals:
        """The far end's REFERs."""
        part = self._referrals
        if part is None:
            part = self._referrals = Referrals(self)
        return part

    def advertised(self, headers: tuple[tuple[str, str], ...]) -> None:
        """A message of ours told these."""
        if headers or self._requests_in is not None:
            self.requests_in.advertised(headers)

    def snapshot(self) -> CallSnapshot:
        """The call as plain values."""
        return picture(self)

    def shown(self, token: Hashable = None) -> CallSnapshot:
        """The call for an event, or for the outcome of a command with this token.

        A listener in the place of the application looks at no picture: it gets an empty one.
        """
        listener = self.listener
        if listener is None or listener.publishes:
            return picture(self)
        ours = token is None or isinstance(token, (Listener, Errand))
        return UNSEEN if ours else picture(self)

    def done(self, token: Hashable) -> None:
        """A command is done, and is answered with the call as it now stands."""
        brief = isinstance(token, commands.Brief)
        self.complete(token, self.name if brief else self.shown(token))

    @property
    def finished(self) -> bool:
        """Whether the call can be forgotten: over, and what outlives it as well."""
        if not super().finished:
            return False
        return self._referrals is None or not self._referrals.alive

    def local_tag(self) -> str:
        """The tag of all our messages in this call."""
        return self.tag

    def respond_timeout(self) -> float:
        """Seconds that a request inside the call may wait for the application."""
        wish = self.policy.respond_timeout
        return self.context.respond_timeout if wish is None else wish

    # Commands.

    def command(self, command: Command, now: float) -> list[Effect]:
        """Carries out a command of the application."""
        if isinstance(command, commands.GetCall):
            self.done(command.token)
        elif isinstance(command, commands.Hangup):
            self._hangup(command, now)
        elif isinstance(command, commands.Answer):
            if self._changes is not None and self._changes.awaits_answer:
                self._changes.answer(command, now)
            else:
                self.answer(command, now)
        elif isinstance(command, commands.Modify):
            self.changes.modify(command, now)
        elif isinstance(command, (commands.Hold, commands.Resume)):
            self.changes.hold(command, now)
        elif isinstance(command, commands.Transfer):
            self.transfers.command(command, now)
        elif isinstance(command, SubscriptionCommand):
            self.referrals.command(command, now)
        elif isinstance(command, commands.Progress):
            self.progress(command, now)
        elif isinstance(command, commands.Reject):
            self.reject(command, now)
        elif isinstance(command, commands.Redirect):
            self.redirect(command, now)
        elif not self.requests_out.command(command, now):
            assert isinstance(command, commands.Respond)
            failure = self.pendings.respond(command, now)
            if failure is None:
                self.complete(command.token, None)
            else:
                self.fail(command.token, failure)
        return self.flush()

    @abstractmethod
    def answer(self, command: commands.Answer, now: float) -> None:
        """The application answers, each role in its own way."""

    def progress(self, command: commands.Progress, now: float) -> None:
        """Only an incoming call can be progressed."""
        self._only_incoming(command)

    def reject(self, command: commands.Reject, now: float) -> None:
        """Only an incoming call can be rejected."""
        self._only_incoming(command)

    def redirect(self, command: commands.Redirect, now: float) -> None:
        """Only an incoming call can be redirected."""
        self._only_incoming(command)

    def _only_incoming(self, command: Command) -> None:
        self.fail_state(
            command.token,
            self.state.name,
            f"{type(command).__name__} is for incoming calls; {self.name} is an outgoing one",
        )

    def _hangup(self, command: commands.Hangup, now: float) -> None:
        if command.remote_tag:
            legs = {leg.dialog.remote_tag: leg for leg in self.live_legs() if leg.answered}
            leg = legs.get(command.remote_tag)
            if leg is None or self.state is CallState.TERMINATING:
                self.fail_state(
                    command.token,
                    self.state.name,
                    f"{self.name} has no answered dialog with remote tag {command.remote_tag!r}",
                )
                return
            if len(legs) > 1:
                self._hang_up_leg(leg, command, now)
                return
        self._hangups.append(command.token)
        if self.state is not CallState.TERMINATING:
            self.end_by_us(command, now)

    @abstractmethod
    def end_by_us(self, command: commands.Hangup, now: float) -> None:
        """Begins to end the call in the way that its state asks for."""

    def give_up(self, cause: Cause, headers: tuple[tuple[str, str], ...], now: float) -> None:
        """Ends the call, which cannot go on."""
        self._ending = cause
        options = commands.Options(headers=headers)
        self.end_by_us(commands.Hangup(token=None, name=self.name, options=options), now)

    def shut_down(self, now: float) -> list[Effect]:
        """The server stops: the call ends now, whatever the application wants."""
        if self.state not in (CallState.TERMINATING, CallState.TERMINATED):
            self._ending = Cause.SERVER_SHUTDOWN
            self.end_by_us(commands.Hangup(token=None, name=self.name, status=503), now)
        return self.flush()

    def abandon(self, now: float) -> list[Effect]:
        """The server goes, and the far end does not answer: over all the same."""
        self.forsake()
        if self._referrals is not None:
            self._referrals.drop(now)
        self.end(Termination(cause=Cause.SERVER_SHUTDOWN), now)
        return self.flush()

    def lose(self, leg: Leg, cause: Cause, status: int, now: float) -> None:
        """The far end knows a dialog no more, or says nothing: it is ended with BYE (12.2.1.2).

        An early dialog is the INVITE's to end.
        """
        if not leg.answered or leg.over:
            return
        if self.state not in (CallState.CONNECTING, CallState.CONFIRMED):
            return
        reason = (("Reason", f"SIP;cause={status}"),)
        if len([each for each in self.live_legs() if each.answered]) > 1:
            self.drop_leg(leg, reason, lambda failure, now: None, now)
        else:
            self.give_up(cause, reason, now)

    # Another call in the place of this one.

    def replaced_as(self) -> Replaces | None:
        """The dialog, for the far end to look up; None where there is none that stands."""
        leg = self.main_leg()
        if leg is None or self.state is not CallState.CONFIRMED:
            return None
        # For the far end the To tag is its own (RFC 3891 section 6.1).
        return Replaces(call_id=self.call_id, to_tag=leg.dialog.remote_tag, from_tag=self.tag)

    def refuse_replacing(self, replaces: Replaces) -> int:
        """The status that refuses an INVITE which names a dialog of this call; 0: it may take
        its place (RFC 3891 section 3)."""
        leg = self.legs.get(replaces.from_tag)
        if leg is None:
            return 481
        if leg.over or self.state in (CallState.TERMINATING, CallState.TERMINATED):
            return 603
        if leg.answered:
            return 486 if replaces.early_only else 0
        # An early dialog can be replaced by the one whom its caller calls, only.
        return 0 if self.DIRECTION is CallDirection.OUTGOING else 481

    def displaced(self, now: float) -> list[Effect]:
        """Another call was answered in the place of this one."""
        if self.state not in (CallState.TERMINATING, CallState.TERMINATED):
            self._ending = Cause.TRANSFERRED
            self.end_by_us(commands.Hangup(token=None, name=self.name), now)
        return self.flush()

    # BYE, from us.

    def send_byes(self, cause: Cause, headers: tuple[tuple[str, str], ...], now: float) -> None:
        """Ends all answered dialogs with BYE; the call is over when all are answered (15.1.1)."""
        self.state = CallState.TERMINATING
        self._ending = self._ending or cause
        self.clear_alarms()
        for leg in self.live_legs():
            self._byes += 1
            self.send_bye(leg, headers, self._bye_done, now)

    def send_bye(
        self,
        leg: Leg,
        headers: tuple[tuple[str, str], ...],
        done: Callable[[Failure | None, float], None],
        now: float,
    ) -> None:
        """Ends one answered dialog; ``done`` hears once what went wrong, if anything did."""
        Bye(self, leg, headers, done).start(now)

    def _bye_done(self, failure: Failure | None, now: float) -> None:
        self._byes -= 1
        self._bye_failure = self._bye_failure or failure
        if not self._byes:
            self.end(Termination(cause=Cause.LOCAL_HANGUP), now)

    def _hang_up_leg(self, leg: Leg, command: commands.Hangup, now: float) -> None:
        def done(failure: Failure | None, now: float) -> None:
            if failure is not None:
                self.fail(command.token, failure)
            else:
                self.done(command.token)

        self.drop_leg(leg, command.options.headers, done, now)

    def drop_leg(
        self,
        leg: Leg,
        headers: tuple[tuple[str, str], ...],
        done: Callable[[Failure | None, float], None],
        now: float,
    ) -> None:
        """Ends one answered dialog of a call that goes on without it."""
        leg.dropped = True
        self.send_bye(leg, headers, done, now)

    # The end.

    def end(
        self, termination: Termination, now: float, *, message: Response | Request | None = None
    ) -> None:
        """The call is over for the application; transactions may linger.

        Where this side had begun to end it, that is the cause, however it came about.
        """
        if self._ending is not None and self._ending is not termination.cause:
            termination = replace(termination, cause=self._ending)
        self.state = CallState.TERMINATED
        self.termination = termination
        self.end_time = now
        if self._pendings is not None:
            self._pendings.close_all(487, "", now)
        if self._requests_out is not None:
            self._requests_out.close(self.ended_failure(termination))
        if self._transfers is not None:
            self._transfers.close(self.ended_failure(termination), now)
        if self._proposals is not None:
            self._proposals.close()
        if self._changes is not None:
            self._changes.close(self.ended_failure(termination))
        self.clear_alarms()
        self.on_end(termination, now)
        self.emit(
            CallEnded(
                resource=self.name,
                at=now,
                labels=self.labels,
                message=message,
                termination=termination,
                sip_call_id=self.call_id,
            )
        )
        for token in self._hangups:
            if self._bye_failure is not None:
                self.fail(token, self._bye_failure)
            else:
                self.done(token)
        self._hangups.clear()
        self.unbind(dialog_key(self.call_id, self.tag))
        self.over = True

    def clear_alarms(self) -> None:
        """Takes all alarms of the session back; a referral outlives it."""
        if self._alarms:
            kept = {k: v for k, v in self._alarms.items() if k.startswith(Usage.ALARM_PREFIX)}
            self._alarms.clear()
            self._alarms.update(kept)

    def on_end(self, termination: Termination, now: float) -> None:
        """What a role does before the end is told: fail what still waits."""

    def ended_failure(self, termination: Termination) -> Failure:
        """For commands that the end of the call overtakes."""
        timeout = termination.cause is Cause.TIMEOUT
        return Failure(
            kind=FailureKind.TIMEOUT if timeout else FailureKind.ENDED,
            detail=f"{self.name} ended ({termination.cause.name}) before this was done",
            status=termination.status,
            reason=termination.reason,
            state=self.state.name,
        )

    def confirmed(self, now: float, message: Request | None, description: Body | None) -> None:
        """The ACK went out or came in."""
        self.state = CallState.CONFIRMED
        if self.policy.max_duration is not None:
            self.alarm("duration", now + self.policy.max_duration)
        self.emit(
            CallConfirmed(
                resource=self.name,
                at=now,
                labels=self.labels,
                message=message,
                description=description,
            )
        )

    def on_alarm(self, alarm: str, now: float) -> None:
        """Alarms of both roles."""
        for part in (
            self._pendings,
            self._proposals,
            self.changes if alarm == SESSION_REFRESH else self._changes,
            self._requests_out,
            self._transfers,
            self._referrals,
        ):
            if part is not None and part.alarm(alarm, now):
                return
        assert alarm in ("duration", SESSION_END)
        self.send_byes(Cause.SESSION_EXPIRED, (), now)

    # Requests of the peer inside the dialog.

    def receive_request(self, request: Request, hop: Hop, now: float) -> list[Effect]:
        """A request whose Call-ID and To tag are this call's (RFC 3261 section 12.2.2)."""
        leg = self.legs.get(request.from_.tag)
        if request.method == "ACK":
            if leg is not None and not (
                self._proposals is not None and self._proposals.on_ack(leg, request, now)
            ):
                self.on_dialog_ack(leg, request, now)
            return self.flush()
        serving = self.serve(request, hop, now)
        if leg is None or leg.left:
            self.respond(serving, now, 481)
            return self.flush()
        try:
            leg.dialog.admit(request)
            missing = unsupported(request)
        except RemoteProtocolError as error:
            self.respond(serving, now, error.status)
            return self.flush()
        if missing and request.method != "BYE":
            # 8.2.2.3; a BYE ends the dialog whatever it requires.
            self.respond(serving, now, 420, headers=[("Unsupported", ", ".join(missing))])
            return self.flush()
        leg.learn(request)
        self._dispatch(leg, serving, now)
        return self.flush()

    def _dispatch(self, leg: Leg, serving: Serving, now: float) -> None:
        method = serving.request.method
        if method == "BYE":
            self._on_bye(leg, serving, now)
        elif method == "PRACK":
            self.on_prack(leg, serving, now)
        elif method == "INVITE":
            self.proposals.on_invite(leg, serving, now)
        elif method == "UPDATE":
            self.proposals.on_update(leg, serving, now)
        elif method == "REFER":
            self.referrals.on_refer(leg, serving, now)
        elif method == "SUBSCRIBE":
            if self._referrals is None or not self._referrals.on_subscribe(serving, now):
                # RFC 6665 section 4.5.2: none shares a dialog with a call, but those of REFER.
                self.respond(serving, now, 481)
        elif method == "NOTIFY":
            if self._transfers is None or not self._transfers.on_notify(serving, now):
                # RFC 6665 section 4.1.3: there is no such subscription.
                self.respond(serving, now, 481)
        else:
            self.requests_in.take(serving, now)

    def on_prack(self, leg: Leg, serving: Serving, now: float) -> None:
        """A PRACK; without a reliable provisional of ours it matches nothing (RFC 3262 s3)."""
        self.respond(serving, now, 481)

    def on_dialog_ack(self, leg: Leg, ack: Request, now: float) -> None:
        """The ACK to a 2xx of ours."""

    def _on_bye(self, leg: Leg, serving: Serving, now: float) -> None:
        self.respond(serving, now, 200)
        others = [each for each in self.live_legs() if each is not leg]
        if self._byes or others:
            # Ours crosses it, or other dialogs live on: forks that ring, answers all kept.
            leg.left = True
        else:
            self.on_remote_bye(serving.request, now)

    def on_remote_bye(self, bye: Request, now: float) -> None:
        """The far end has ended the last dialog of the call (15.1.2)."""
        reasons = tuple(bye.headers.get_all("Reason"))
        self.end(Termination(cause=Cause.REMOTE_HANGUP, reasons=reasons), now, message=bye)
