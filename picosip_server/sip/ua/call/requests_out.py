"""Single requests that the application sends inside a call: MESSAGE, INFO, any method."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import TYPE_CHECKING

from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.call.dtmf import DtmfSender
from picosip_server.sip.ua.call.request_inside import Outcome, RequestInside, open_leg
from picosip_server.sip.ua.capabilities import needs_contact
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.outputs import Failure

if TYPE_CHECKING:
    from picosip_server.sip.ua.call.base import Call


class RequestsOut:
    """Those of one call that await their response."""

    __slots__ = ("_call", "_dtmf", "_messages", "_waiting")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._dtmf = DtmfSender(call)
        self._waiting: dict[Hashable, None] = {}
        self._messages: deque[commands.TransactInside] = deque()
        """The MESSAGE under way, and those behind it."""

    def command(self, command: Command, now: float) -> bool:
        """Carries out a command, if it is one of these."""
        if isinstance(command, commands.TransactInside):
            if command.method == "MESSAGE":
                # RFC 3428 section 8: those of one dialog do not overlap.
                self._messages.append(command)
                if len(self._messages) > 1:
                    return True
            self._transact(command, now)
        elif isinstance(command, commands.SendDtmf):
            self._dtmf.send(command, now)
        else:
            return False
        return True

    def alarm(self, alarm: str, now: float) -> bool:
        """An alarm of the call went off. False: it is none of these."""
        return self._dtmf.alarm(alarm, now)

    def close(self, failure: Failure) -> None:
        """The call is over: nobody needs to wait for what the far end may still say."""
        for token in self._waiting:
            self._call.fail(token, failure)
        self._waiting.clear()
        for command in list(self._messages)[1:]:
            self._call.fail(command.token, failure)
        self._messages.clear()
        self._dtmf.close(failure)

    def _transact(self, command: commands.TransactInside, now: float) -> None:
        call = self._call
        leg = open_leg(call)
        if leg is None:
            call.fail_state(command.token, call.state.name, f"{call.name} has no dialog to send in")
            self._after(command, now)
            return
        token, options = command.token, command.options
        self._waiting[token] = None

        def done(outcome: Outcome, now: float) -> None:
            if token not in self._waiting:
                # The call ended before.
                return
            del self._waiting[token]
            if isinstance(outcome, Failure):
                call.fail(token, outcome)
            else:
                call.complete(token, outcome)
            self._after(command, now)

        RequestInside(
            call,
            leg,
            command.method,
            done,
            headers=options.headers,
            body=command.body,
            with_contact=needs_contact(command.method, options.headers),
            next_hop=options.next_hop,
            auth=DigestClient(command.credentials) if command.credentials else None,
        ).start(now)

    def _after(self, command: commands.TransactInside, now: float) -> None:
        """A request has its outcome: the next MESSAGE may go."""
        if command.method == "MESSAGE":
            self._messages.popleft()
            if self._messages:
                self._transact(self._messages[0], now)
