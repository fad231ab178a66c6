"""What both roles of a call share: its state, its end, and requests inside its dialogs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping
from typing import ClassVar

from picosip_server.sip.address import Address
from picosip_server.sip.errors import RemoteProtocolError
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Request
from picosip_server.sip.replaces import Replaces
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.attempt import Attempt
from picosip_server.sip.ua.call.ending import EndingUser
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.call.parts import Parts
from picosip_server.sip.ua.call.picture import UNSEEN, picture
from picosip_server.sip.ua.call.session import SESSION_END, SESSION_REFRESH
from picosip_server.sip.ua.commands import Body, Command, Policy
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.echo import Echo
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.events import CallConfirmed
from picosip_server.sip.ua.inspect import unsupported
from picosip_server.sip.ua.listener import Errand, Listener
from picosip_server.sip.ua.remains import Remains
from picosip_server.sip.ua.snapshots import (
    CallDirection,
    CallSnapshot,
    CallState,
    Cause,
    Termination,
)
from picosip_server.sip.ua.user import Serving


class Call(EndingUser):
    """An INVITE session. Subclasses are its two roles."""

    __slots__ = (
        "_parts",
        "answer_time",
        "authenticated_user",
        "create_time",
        "from_address",
        "request_uri",
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
        super().__init__(
            name,
            context,
            labels,
            state=state,
            call_id=call_id,
            policy=policy,
            contact_user=contact_user,
        )
        self.from_address = from_address
        self.to_address = to_address
        self.request_uri = request_uri
        self.authenticated_user = ""
        self._parts: Parts | None = None
        """None until the first is needed: most calls need none."""
        self.create_time = now
        self.answer_time: float | None = None

    @property
    def parts(self) -> Parts:
        """What only some calls need."""
        parts = self._parts
        if parts is None:
            parts = self._parts = Parts(self)
        return parts

    def advertised(self, headers: tuple[tuple[str, str], ...]) -> None:
        """A message of ours told these."""
        if headers or self._parts is not None:
            self.parts.advertised(headers)

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
        return self._parts is None or not self._parts.alive

    def let_go(self) -> None:
        """Its dialogs and parts know it."""
        self.legs = ()
        self._parts = None

    def remains(self) -> Remains | None:
        """See ``TransactionUser.remains``."""
        return Remains.of(self)

    def rest(self, provided: Attempt | None = None) -> list[Echo] | None:
        """See ``TransactionUser.rest``: not while a part of it outlives the call."""
        if self._parts is not None and self._parts.alive:
            return None
        return super().rest(provided)

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
            self.hang_up(command, now)
        elif isinstance(command, commands.Answer):
            if self._parts is None or not self._parts.on_answer(command, now):
                self.answer(command, now)
        elif isinstance(command, commands.Progress):
            self.progress(command, now)
        elif isinstance(command, commands.Reject):
            self.reject(command, now)
        elif isinstance(command, commands.Redirect):
            self.redirect(command, now)
        else:
            self.parts.command(command, now)
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

    # Its end.

    def abandon(self, now: float) -> list[Effect]:
        """The server goes, and the far end does not answer: over all the same."""
        self.forsake()
        if self._parts is not None:
            self._parts.drop(now)
        self.end(Termination(cause=Cause.SERVER_SHUTDOWN), now)
        return self.flush()

    def on_end(self, termination: Termination, now: float) -> None:
        """Fails, or answers, what its parts still wait for."""
        if self._parts is not None:
            self._parts.close(self.ended_failure(termination), now)

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
        leg = self.leg_of(replaces.from_tag)
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
        needed = self._parts is not None or alarm == SESSION_REFRESH
        if needed and self.parts.alarm(alarm, now):
            return
        assert alarm in ("duration", SESSION_END)
        self.send_byes(Cause.SESSION_EXPIRED, (), now)

    # Requests of the peer inside the dialog.

    def receive_request(self, request: Request, hop: Hop, now: float) -> list[Effect]:
        """A request whose Call-ID and To tag are this call's (RFC 3261 section 12.2.2)."""
        leg = self.leg_of(request.from_.tag)
        if request.method == "ACK":
            if leg is not None:
                self.acknowledged(leg, request, now)
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
        else:
            self.parts.take(leg, serving, now)

    def acknowledged(self, leg: Leg, ack: Request, now: float) -> None:
        """An ACK: to the 2xx of a re-INVITE, or to that of the INVITE that made the call."""
        if self._parts is None or not self._parts.on_ack(leg, ack, now):
            self.on_dialog_ack(leg, ack, now)

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
