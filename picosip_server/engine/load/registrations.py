"""A registration that a load makes, and a request that it sends."""

from __future__ import annotations

from collections.abc import Callable

from picosip_server.engine.load import causes
from picosip_server.engine.load.distributions import Distribution
from picosip_server.engine.load.part import Part, Session
from picosip_server.sip.message import Response
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.events import RegistrationChanged
from picosip_server.sip.ua.listener import Errand
from picosip_server.sip.ua.outputs import Completed, Failed, Failure, Occurred, Output
from picosip_server.sip.ua.snapshots import RegistrationState

_REMOVAL = Errand("removal")


class MadeRegistration(Session):
    """From the first REGISTER to the removal of the binding."""

    __slots__ = ("_bound", "_ending", "_hold", "_made")

    def __init__(
        self,
        part: Part,
        hold: Distribution | None,
        bound: Callable[[Session, float], None],
        now: float,
    ) -> None:
        super().__init__(part, now)
        self._hold = hold
        self._bound = bound
        """Is told of those that stay until the load ends."""
        self._made = False
        self._ending: float | None = None

    def heard(self, output: Output, now: float) -> None:
        """See ``Listener.heard``."""
        if isinstance(output, Completed):
            if output.token == _REMOVAL:
                self._removed(None, now)
            elif output.token is self:
                self._registered(now)
        elif isinstance(output, Failed):
            if output.token == _REMOVAL:
                self._removed(output.failure, now)
            else:
                self._refused(output.failure, now)
        elif isinstance(output, Occurred):
            event = output.event
            if (
                isinstance(event, RegistrationChanged)
                and self._made
                and self._ending is None
                and event.registration.state is RegistrationState.TERMINATED
            ):
                self.part.over_with(self, now, causes.LOST)

    def _registered(self, now: float) -> None:
        self._made = True
        responses = self.part.figures.responses
        responses[200] = responses.get(200, 0) + 1
        self.part.figures.setup.note(now - self.began)
        if self._hold is None:
            self._bound(self, now)
        else:
            self.part.later(self, now + self._hold.draw(self.part.random))

    def _refused(self, failure: Failure, now: float) -> None:
        status = failure.status
        if status:
            responses = self.part.figures.responses
            responses[status] = responses.get(status, 0) + 1
        cause = causes.STOPPED if self._ending is not None else causes.of_failure(failure)
        self.part.over_with(self, now, cause)

    def act(self, now: float) -> None:
        """Takes the binding back."""
        self.hang_up(now)

    def hang_up(self, now: float) -> None:
        """Takes the binding back."""
        if self._ending is None and self.user is not None and not self.user.over:
            self._ending = now
            command = commands.Unregister(token=_REMOVAL, name=self.user.name)
            self.part.do(self.user, command, now)

    def _removed(self, failure: Failure | None, now: float) -> None:
        assert self._ending is not None
        if failure is not None:
            self.part.over_with(self, now, f"removal_{causes.of_failure(failure)}")
            return
        if self._made:
            self.part.figures.teardown.note(now - self._ending)
        self.part.over_with(self, now, "" if self._made else causes.STOPPED)


class SentRequest(Session):
    """From a request to its final response."""

    __slots__ = ()

    def heard(self, output: Output, now: float) -> None:
        """See ``Listener.heard``."""
        figures = self.part.figures
        if isinstance(output, Completed):
            response = output.value
            assert isinstance(response, Response)
            status = response.status
            figures.responses[status] = figures.responses.get(status, 0) + 1
            if status < 300:
                figures.setup.note(now - self.began)
                self.part.over_with(self, now)
            else:
                self.part.over_with(self, now, str(status))
        elif isinstance(output, Failed):
            self.part.over_with(self, now, causes.of_failure(output.failure))

    def act(self, now: float) -> None:
        """It has nothing to do but to wait."""

    def hang_up(self, now: float) -> None:
        """A request cannot be taken back; its timers end it."""
