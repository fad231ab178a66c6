"""A request outside dialogs that the application claimed, or that the stack answers itself."""

from __future__ import annotations

from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Request, Response
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Body, Command
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.outputs import Failure
from picosip_server.sip.ua.pending import Pendings
from picosip_server.sip.ua.user import TransactionUser


class IncomingRequestUser(TransactionUser):
    """Serves one request that is not an INVITE (RFC 3261 section 8.2)."""

    __slots__ = ("_pendings", "_tag")

    def __init__(self, context: Context) -> None:
        super().__init__("", context, {})
        self._tag = context.identity.tag()
        self._pendings = Pendings(self)

    def local_tag(self) -> str:
        """8.2.6.2: a response needs a To tag."""
        return self._tag

    def hand_over(self, request: Request, hop: Hop, now: float) -> list[Effect]:
        """Gives the request to the application, for as long as it may wait."""
        serving = self.serve(request, hop, now)
        self.name = self._pendings.hand_over(
            serving,
            now,
            default=(480, ""),
            respond_by=now + self.context.respond_timeout,
            on_answer=self._answered,
        )
        return self.flush()

    def _answered(self, response: Response, body: Body | None, now: float) -> None:
        self.over = True

    def command(self, command: Command, now: float) -> list[Effect]:
        """Respond."""
        assert isinstance(command, commands.Respond)
        failure: Failure | None = self._pendings.respond(command, now)
        if failure is None:
            self.complete(command.token, None)
        else:
            self.fail(command.token, failure)
        return self.flush()

    def on_alarm(self, alarm: str, now: float) -> None:
        """The time to respond is over."""
        self._pendings.alarm(alarm, now)
