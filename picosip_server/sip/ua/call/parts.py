"""What only some calls need: changes of the session, transfers, requests of other kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from picosip_server.sip.message import Request
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.call.changes import Changes
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.call.proposals import Proposals
from picosip_server.sip.ua.call.referrals import Referrals
from picosip_server.sip.ua.call.requests_in import RequestsIn
from picosip_server.sip.ua.call.requests_out import RequestsOut
from picosip_server.sip.ua.call.session import SESSION_REFRESH
from picosip_server.sip.ua.call.transfers import Transfers
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.outputs import Failure
from picosip_server.sip.ua.pending import Pendings
from picosip_server.sip.ua.subscription.commands import SubscriptionCommand
from picosip_server.sip.ua.user import Serving

if TYPE_CHECKING:
    from picosip_server.sip.ua.call.base import Call


class Parts:
    """Those of one call. Each is made when it is first needed: a call that was only refreshed,
    and stands for hours, keeps what that needs and no more."""

    __slots__ = (
        "_call",
        "_changes",
        "_pendings",
        "_proposals",
        "_referrals",
        "_requests_in",
        "_requests_out",
        "_transfers",
    )

    def __init__(self, call: Call) -> None:
        self._call = call
        self._changes: Changes | None = None
        self._pendings: Pendings | None = None
        self._proposals: Proposals | None = None
        self._referrals: Referrals | None = None
        self._requests_in: RequestsIn | None = None
        self._requests_out: RequestsOut | None = None
        self._transfers: Transfers | None = None

    @property
    def changes(self) -> Changes:
        """Our changes of the session."""
        self._changes = part = self._changes or Changes(self._call)
        return part

    @property
    def pendings(self) -> Pendings:
        """Requests that the application is to answer."""
        self._pendings = part = self._pendings or Pendings(self._call)
        return part

    @property
    def proposals(self) -> Proposals:
        """The far end's changes of the session."""
        self._proposals = part = self._proposals or Proposals(self._call)
        return part

    @property
    def referrals(self) -> Referrals:
        """The far end's REFERs."""
        self._referrals = part = self._referrals or Referrals(self._call)
        return part

    @property
    def requests_in(self) -> RequestsIn:
        """Other requests of the far end."""
        self._requests_in = part = self._requests_in or RequestsIn(self._call)
        return part

    @property
    def requests_out(self) -> RequestsOut:
        """Other requests of ours."""
        self._requests_out = part = self._requests_out or RequestsOut(self._call)
        return part

    @property
    def transfers(self) -> Transfers:
        """Our REFERs."""
        self._transfers = part = self._transfers or Transfers(self._call)
        return part

    @property
    def alive(self) -> bool:
        """Whether one of them outlives the call."""
        return self._referrals is not None and self._referrals.alive

    def advertised(self, headers: tuple[tuple[str, str], ...]) -> None:
        """A message of ours told these."""
        if headers or self._requests_in is not None:
            self.requests_in.advertised(headers)

    # What comes from the application.

    def command(self, command: Command, now: float) -> None:
        """Carries out a command that is not about the call's own beginning or end."""
        if isinstance(command, commands.Modify):
            self.changes.modify(command, now)
        elif isinstance(command, (commands.Hold, commands.Resume)):
            self.changes.hold(command, now)
        elif isinstance(command, commands.Transfer):
            self.transfers.command(command, now)
        elif isinstance(command, SubscriptionCommand):
            self.referrals.command(command, now)
        elif not self.requests_out.command(command, now):
            assert isinstance(command, commands.Respond)
            failure = self.pendings.respond(command, now)
            if failure is None:
                self._call.complete(command.token, None)
            else:
                self._call.fail(command.token, failure)

    def on_answer(self, command: commands.Answer, now: float) -> bool:
        """Answer. False: no change of ours awaits it."""
        if self._changes is None or not self._changes.awaits_answer:
            return False
        self._changes.answer(command, now)
        return True

    # What comes from the far end.

    def take(self, leg: Leg, serving: Serving, now: float) -> None:
        """A request inside a dialog that is neither BYE nor PRACK."""
        method = serving.request.method
        if method == "INVITE":
            self.proposals.on_invite(leg, serving, now)
        elif method == "UPDATE":
            self.proposals.on_update(leg, serving, now)
        elif method == "REFER":
            self.referrals.on_refer(leg, serving, now)
        elif method == "SUBSCRIBE":
            if self._referrals is None or not self._referrals.on_subscribe(serving, now):
                # RFC 6665 section 4.5.2: none shares a dialog with a call, but those of REFER.
                self._call.respond(serving, now, 481)
        elif method == "NOTIFY":
            if self._transfers is None or not self._transfers.on_notify(serving, now):
                # RFC 6665 section 4.1.3: there is no such subscription.
                self._call.respond(serving, now, 481)
        else:
            self.requests_in.take(serving, now)

    def on_ack(self, leg: Leg, ack: Request, now: float) -> bool:
        """An ACK in the dialog. False: it is not for a re-INVITE."""
        return self._proposals is not None and self._proposals.on_ack(leg, ack, now)

    def on_cancelled(self, serving: Serving, now: float) -> bool:
        """The far end cancels its re-INVITE. False: it is none."""
        return self._proposals is not None and self._proposals.on_cancelled(serving, now)

    # Time, and the end.

    def alarm(self, alarm: str, now: float) -> bool:
        """An alarm of the call went off. False: it is none of theirs."""
        if alarm == SESSION_REFRESH:
            return self.changes.alarm(alarm, now)
        return (
            (self._pendings is not None and self._pendings.alarm(alarm, now))
            or (self._proposals is not None and self._proposals.alarm(alarm, now))
            or (self._changes is not None and self._changes.alarm(alarm, now))
            or (self._requests_out is not None and self._requests_out.alarm(alarm, now))
            or (self._transfers is not None and self._transfers.alarm(alarm, now))
            or (self._referrals is not None and self._referrals.alarm(alarm, now))
        )

    def close(self, failure: Failure, now: float) -> None:
        """The call is over, which is the ``failure`` of all that waits; a referral outlives it."""
        if self._pendings is not None:
            self._pendings.close_all(487, "", now)
        if self._requests_out is not None:
            self._requests_out.close(failure)
        if self._transfers is not None:
            self._transfers.close(failure, now)
        if self._proposals is not None:
            self._proposals.close()
        if self._changes is not None:
            self._changes.close(failure)

    def drop(self, now: float) -> None:
        """The server goes: nobody reports on a referral any more."""
        if self._referrals is not None:
            self._referrals.drop(now)
