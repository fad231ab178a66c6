"""How a call ends, whoever placed it: Hangup, BYE, and what is told then (RFC 3261 section 15)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace

from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.message import Request, Response
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.call.bye import Bye
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.call.session import SessionUser
from picosip_server.sip.ua.commands import Policy
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.events import CallEnded
from picosip_server.sip.ua.keys import dialog_key
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.snapshots import CallState, Cause, Termination
from picosip_server.sip.ua.subscription.usage import Usage


class EndingUser(SessionUser, ABC):
    """A session with its state, and the ways out of it."""

    __slots__ = (
        "_bye_failure",
        "_byes",
        "_ending",
        "_hangups",
        "auth",
        "call_id",
        "end_time",
        "state",
        "tag",
        "termination",
    )

    def __init__(
        self,
        name: str,
        context: Context,
        labels: Mapping[str, str],
        *,
        state: CallState,
        call_id: str,
        policy: Policy,
        contact_user: str,
    ) -> None:
        super().__init__(name, context, labels, policy=policy, contact_user=contact_user)
        self.state = state
        self.call_id = call_id
        self.tag = context.identity.tag()
        self.auth: DigestClient | None = None
        self.termination: Termination | None = None
        self._ending: Cause | None = None
        """Why this side has begun to end the call, where it has."""
        self._hangups: tuple[Hashable, ...] = ()
        """The tokens of the Hangups that wait for the end."""
        self._byes = 0
        """How many BYEs of ours await their answer."""
        self._bye_failure: Failure | None = None
        self.end_time: float | None = None
        self.bind(dialog_key(call_id, self.tag))

    @abstractmethod
    def done(self, token: Hashable) -> None:
        """A command is done, and is answered with the call as it now stands."""

    # What asks for the end.

    def hang_up(self, command: commands.Hangup, now: float) -> None:
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
        self._hangups += (command.token,)
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
        self.on_end(termination, now)
        self.clear_alarms()
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
        self._hangups = ()
        self.unbind(dialog_key(self.call_id, self.tag))
        self.over = True

    def clear_alarms(self) -> None:
        """Takes all alarms of the session back; a referral outlives it."""
        if self._alarms:
            kept = {k: v for k, v in self._alarms.items() if k.startswith(Usage.ALARM_PREFIX)}
            self._alarms.clear()
            self._alarms.update(kept)

    def on_end(self, termination: Termination, now: float) -> None:
        """What is to do before the end is told: fail what still waits."""

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
