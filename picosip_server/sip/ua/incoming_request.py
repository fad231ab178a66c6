"""A request outside dialogs that the application claimed, or that the stack answers itself."""

from __future__ import annotations

from picosip_server.sip.address import Address
from picosip_server.sip.errors import RemoteProtocolError
from picosip_server.sip.grammar import number
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Request, Response
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect, HoldFlow
from picosip_server.sip.ua.outputs import Failure
from picosip_server.sip.ua.pending import Pendings
from picosip_server.sip.ua.remains import Remains
from picosip_server.sip.ua.subscription.header import seconds_of
from picosip_server.sip.ua.user import Serving, TransactionUser
from picosip_server.sip.values import LARGEST_SECONDS

UNSAID = 3600.0
"""Seconds that a binding lasts where its registrar does not say."""


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

    def remains(self) -> Remains | None:
        """See ``TransactionUser.remains``."""
        return Remains.of(self)

    def hand_over(self, request: Request, hop: Hop, now: float) -> list[Effect]:
        """Gives the request to the application, for as long as it may wait."""
        serving = self.serve(request, hop, now)
        self.name = self._pendings.hand_over(
            serving,
            now,
            default=(480, ""),
            respond_by=now + self.context.respond_timeout,
            on_answer=lambda response, body, now: self._answered(serving, response, now),
        )
        return self.flush()

    def _answered(self, serving: Serving, response: Response, now: float) -> None:
        self.over = True
        if serving.hop.flow and serving.request.method == "REGISTER" and response.status < 300:
            self._out.append(
                HoldFlow(serving.hop.flow, now + registered_for(serving.request, response))
            )

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


def registered_for(request: Request, response: Response) -> float:
    """Seconds that the longest binding lasts after the 2xx to a REGISTER.

    The 2xx lists all of them (section 10.3, step 8). Where a registrar is too lazy for that, it
    is what was asked for (10.2.1.1).
    """
    unsaid = seconds_of(response, "Expires")
    unsaid = seconds_of(request, "Expires") if unsaid is None else unsaid
    unsaid = UNSAID if unsaid is None else unsaid
    bindings = response.headers.elements("Contact") or request.headers.elements("Contact")
    return max((_expires(each, unsaid) for each in bindings), default=0.0)


def _expires(contact: str, unsaid: float) -> float:
    try:
        expires = Address.parse(contact).params.get("expires") or ""
        return float(number(expires, LARGEST_SECONDS))
    except RemoteProtocolError:
        return unsaid
