"""A call that a load answers."""

from __future__ import annotations

from dataclasses import replace

from picosip_server.engine.load import causes
from picosip_server.engine.load.calls import BYE
from picosip_server.engine.load.mirror import answer_to, audio_at
from picosip_server.engine.load.part import Part, Session
from picosip_server.engine.load.script import AnswerScript, Outcome
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.events import CallConfirmed, CallEnded, CallReceived
from picosip_server.sip.ua.listener import Errand
from picosip_server.sip.ua.outputs import Completed, Failed, Failure, Occurred, Output
from picosip_server.sip.ua.snapshots import Cause, Termination

_DONE = Errand("done")
"""Token of commands whose outcome the call's events tell."""


class AnsweredCall(Session):
    """From the INVITE to the end of the call, or its refusal."""

    __slots__ = (
        "_confirmed",
        "_ended",
        "_ending",
        "_fault",
        "_hung_up",
        "_offer",
        "_outcome",
        "_rings",
        "_script",
        "_status",
    )

    def __init__(self, part: Part, script: AnswerScript, outcome: Outcome, now: float) -> None:
        super().__init__(part, now)
        self._script = script
        self._outcome: Outcome | None = outcome
        """None once it was sent."""
        self._offer: Body | None = None
        self._rings = script.ringing
        self._status = 0
        """The final response that was sent."""
        self._fault = ""
        """Why it cannot be answered."""
        self._confirmed = False
        self._ending: float | None = None
        self._hung_up = False
        self._ended: Termination | None = None

    def may_send(self, host: str, port: int) -> bool:
        """It answers whoever calls."""
        return True

    def heard(self, output: Output, now: float) -> None:
        """See ``Listener.heard``."""
        if isinstance(output, Occurred):
            event = output.event
            if isinstance(event, CallReceived):
                self._received(event, now)
            elif isinstance(event, CallConfirmed):
                self._acknowledged(now)
            elif isinstance(event, CallEnded):
                self._over(event.termination, now)
        elif isinstance(output, Completed):
            if output.token == BYE:
                self._bye_done(None, now)
        elif isinstance(output, Failed):
            if output.token == BYE:
                self._bye_done(output.failure, now)
            elif self._ended is None:
                self._fault = causes.of_failure(output.failure)
                self.part.soon(self, now)

    def _received(self, event: CallReceived, now: float) -> None:
        self._offer = event.offer
        delay = self._script.delay
        if delay is None:
            self.part.soon(self, now)
            return
        if self._rings:
            self.part.soon(self, now)
        self.part.later(self, now + delay.draw(self.part.random))

    def _acknowledged(self, now: float) -> None:
        self._confirmed = True
        self.part.figures.setup.note(now - self.began)
        hold = self._script.hold
        if hold is not None:
            self.part.later(self, now + hold.draw(self.part.random))

    def act(self, now: float) -> None:
        """Rings, gives the final response, or hangs up: whatever is next."""
        if self._ended is not None:
            return
        if self._fault:
            self.hang_up(now)
            return
        if self._rings:
            self._rings = False
            self._do(commands.Progress(token=_DONE, name=self._name), now)
            if self._script.delay is not None:
                return
        if self._outcome is not None:
            outcome, self._outcome = self._outcome, None
            self._respond(outcome, now)
        elif self._confirmed:
            self.hang_up(now)

    def hang_up(self, now: float) -> None:
        """BYE, or a refusal where it is not answered."""
        if self._ended is None and self._ending is None:
            self._ending = now
            self._outcome = None
            self._do(commands.Hangup(token=BYE, name=self._name), now)

    @property
    def _name(self) -> str:
        assert self.user is not None
        return self.user.name

    def _do(self, command: commands.Command, now: float) -> None:
        assert self.user is not None
        self.part.do(self.user, command, now)

    def _respond(self, outcome: Outcome, now: float) -> None:
        responses = self.part.figures.responses
        responses[outcome.status] = responses.get(outcome.status, 0) + 1
        self._status = outcome.status
        if outcome.status >= 300:
            self._do(
                commands.Reject(
                    token=_DONE,
                    name=self._name,
                    status=outcome.status,
                    reason=outcome.reason,
                    options=commands.Options(headers=outcome.headers),
                ),
                now,
            )
            return
        answer = self._script.answer
        options = answer.options
        if outcome.headers:
            options = replace(options, headers=(*options.headers, *outcome.headers))
        self._do(
            commands.Answer(
                token=_DONE,
                name=self._name,
                description=answer.description or self._description(),
                options=options,
                policy=answer.policy,
                no_wait=True,
            ),
            now,
        )

    def _description(self) -> Body:
        host = self.part.host
        if self._offer is None:
            return audio_at(host)
        return answer_to(self._offer, host) or audio_at(host)

    def _bye_done(self, failure: Failure | None, now: float) -> None:
        self._hung_up = True
        if failure is not None:
            self.part.over_with(self, now, f"bye_{causes.of_failure(failure)}")
            return
        if self._confirmed and self._ending is not None:
            self.part.figures.teardown.note(now - self._ending)
        if self._ended is not None:
            self._settle(self._ended, now)

    def _over(self, termination: Termination, now: float) -> None:
        self._ended = termination
        if self._ending is None or self._hung_up:
            self._settle(termination, now)

    def _settle(self, termination: Termination, now: float) -> None:
        self.part.over_with(self, now, self._fault or self._why(termination))

    def _why(self, termination: Termination) -> str:
        """Why it did not come to the end that was wanted; empty: it did."""
        accepted = 0 < self._status < 300
        if self._ending is not None:
            return "" if self._confirmed else causes.STOPPED
        if accepted and termination.cause is Cause.REMOTE_HANGUP:
            # It came before its ACK, or before the time to hang up: the caller knows when.
            return ""
        if accepted and termination.cause is Cause.TIMEOUT and not self._confirmed:
            return causes.NO_ACK
        if not accepted and self._status and termination.status == self._status:
            return ""
        return causes.of_termination(termination)
