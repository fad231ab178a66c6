"""A call that a load places."""

from __future__ import annotations

from picosip_server.engine.load import causes
from picosip_server.engine.load.distributions import Distribution
from picosip_server.engine.load.mirror import answer_to
from picosip_server.engine.load.part import Part, Session
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.events import CallAnswered, CallConfirmed, CallEnded, CallProgressed
from picosip_server.sip.ua.listener import Errand
from picosip_server.sip.ua.outputs import Completed, Failed, Failure, Occurred, Output
from picosip_server.sip.ua.snapshots import Termination

BYE = Errand("bye")
_ANSWER = Errand("answer")


class PlacedCall(Session):
    """From the INVITE to the end of its BYE."""

    __slots__ = ("_answered", "_ended", "_ending", "_hold", "_hung_up", "_offer", "_rang", "offers")

    def __init__(self, part: Part, hold: Distribution | None, now: float) -> None:
        super().__init__(part, now)
        self.offers = True
        """Its INVITE has an offer."""
        self._hold = hold
        self._rang = False
        self._answered = False
        self._offer: Body | None = None
        """The far end's, where it awaits an answer."""
        self._ending: float | None = None
        """When this side began to end it."""
        self._hung_up = False
        self._ended: Termination | None = None

    def heard(self, output: Output, now: float) -> None:
        """See ``Listener.heard``."""
        if isinstance(output, Occurred):
            event = output.event
            if isinstance(event, CallConfirmed):
                self._confirmed(now)
            elif isinstance(event, CallAnswered):
                self._accepted(event, now)
            elif isinstance(event, CallProgressed):
                self._progressed(event, now)
            elif isinstance(event, CallEnded):
                self._over(event.termination, now)
        elif isinstance(output, Completed):
            if output.token == BYE:
                self._bye_done(None, now)
        elif isinstance(output, Failed):
            if output.token == BYE:
                self._bye_done(output.failure, now)
            elif self.user is None:
                # It never was a call.
                self.part.over_with(self, now, causes.of_failure(output.failure))

    def _progressed(self, event: CallProgressed, now: float) -> None:
        if not self._rang and 180 <= event.status < 190:
            self._rang = True
            self.part.figures.post_dial_delay.note(now - self.began)
        if event.reliable and event.description is not None:
            self._asked(event.description, now)

    def _accepted(self, event: CallAnswered, now: float) -> None:
        if self._answered:
            return
        self._answered = True
        figures = self.part.figures
        figures.responses[event.status] = figures.responses.get(event.status, 0) + 1
        figures.setup.note(now - self.began)
        if event.description is not None:
            self._asked(event.description, now)

    def _asked(self, description: Body, now: float) -> None:
        """RFC 3261 section 13.2.1: an INVITE without an offer is answered with one."""
        if not self.offers:
            self._offer = description
            self.part.soon(self, now)

    def _confirmed(self, now: float) -> None:
        if self._hold is None:
            self.part.soon(self, now)
        else:
            self.part.later(self, now + self._hold.draw(self.part.random))

    def act(self, now: float) -> None:
        """Answers what the far end offers, or hangs up."""
        if self._offer is None:
            self.hang_up(now)
        elif self._ended is None:
            offer, self._offer = self._offer, None
            assert self.user is not None
            answer = commands.Answer(
                token=_ANSWER, name=self.user.name, description=answer_to(offer, self.part.host)
            )
            self.part.do(self.user, answer, now)

    def hang_up(self, now: float) -> None:
        """BYE, or CANCEL where the far end has not answered."""
        if self._ended is None and self._ending is None and self.user is not None:
            self._ending = now
            self.part.do(self.user, commands.Hangup(token=BYE, name=self.user.name), now)

    def _bye_done(self, failure: Failure | None, now: float) -> None:
        self._hung_up = True
        if failure is not None:
            self.part.over_with(self, now, f"bye_{causes.of_failure(failure)}")
            return
        if self._answered and self._ending is not None:
            self.part.figures.teardown.note(now - self._ending)
        if self._ended is not None:
            self._settle(self._ended, now)

    def _over(self, termination: Termination, now: float) -> None:
        self._ended = termination
        status = termination.status
        if status and not self._answered:
            responses = self.part.figures.responses
            responses[status] = responses.get(status, 0) + 1
        if self._ending is None or self._hung_up:
            self._settle(termination, now)

    def _settle(self, termination: Termination, now: float) -> None:
        if self._ending is None:
            self.part.over_with(self, now, causes.of_termination(termination))
        else:
            self.part.over_with(self, now, "" if self._answered else causes.STOPPED)
