"""The session of a call: its dialogs, the descriptions of both ends, holds, and the timer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from picosip_server.sip.grammar import NO_PARAMS
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Message
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.call.session_timer import SessionTimer
from picosip_server.sip.ua.commands import Body, Policy
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.events import CallHeld, CallModified
from picosip_server.sip.ua.user import TransactionUser

SESSION_REFRESH = "session refresh"
"""Alarm: it is for us to refresh the session."""
SESSION_END = "session end"
"""Alarm: nobody has refreshed the session."""


class SessionUser(TransactionUser):
    """What a call is while it stands, whoever placed it."""

    __slots__ = (
        "contact_params",
        "contact_user",
        "given",
        "legs",
        "local_description",
        "local_hold",
        "policy",
        "remote_hold",
        "timer",
    )

    def __init__(
        self,
        name: str,
        context: Context,
        labels: Mapping[str, str],
        *,
        policy: Policy,
        contact_user: str,
    ) -> None:
        super().__init__(name, context, labels)
        self.policy = policy
        self.legs: tuple[Leg, ...] = ()
        """Its dialogs, in the order in which they began: nearly always one, rarely more."""
        self.contact_user = contact_user
        """User part of the Contact that is made from a hop."""
        self.contact_params = NO_PARAMS
        """Its parameters, as the application gave them last."""
        self.local_description: Body | None = None
        """What this side said last, and was not refused."""
        self.given: Body | None = None
        """What the application gave last: a hold differs from it, and so may an answer that the
        stack makes."""
        self.local_hold = False
        self.remote_hold = False
        self.timer = SessionTimer(context, policy.session_timer)

    def live_legs(self) -> list[Leg]:
        """The dialogs that count: those answered, while there is none the early ones; where
        all are over, the last state of all."""
        if len(self.legs) == 1:
            return [*self.legs]
        legs = [leg for leg in self.legs if not leg.over] or [*self.legs]
        return [leg for leg in legs if leg.answered] or legs

    def leg_of(self, remote_tag: str) -> Leg | None:
        """The dialog with this tag of the far end, over or not; None: there is none."""
        for leg in self.legs:
            if leg.dialog.remote_tag == remote_tag:
                return leg
        return None

    def main_leg(self) -> Leg | None:
        """The leg that the call's own figures speak of: the first answered, else the latest."""
        if len(self.legs) == 1:
            return self.legs[0]
        legs = self.live_legs()
        if not legs:
            return None
        return legs[0] if legs[0].answered else legs[-1]

    def contact(self, hop: Hop) -> str:
        """The value of our Contact in this call, where it is reached over a hop."""
        return f"{hop.contact(self.contact_user)}{self.contact_params}"

    def continued(self, body: Body) -> Body:
        """A description as what follows the one before it, where its o= line is ours to make.

        Raises:
            LocalProtocolError: one of the two cannot be read.
        """
        sent = self.local_description
        if not body.continues or sent is None:
            return body
        data = self.context.descriptions.resume(body.data, sent.data)
        return replace(body, data=data)

    def describe(self, body: Body) -> None:
        """This side's description is now the application's ``body``."""
        self.local_description = body
        self.given = body

    @property
    def description_unacknowledged(self) -> bool:
        """Whether a description of ours in a reliable provisional awaits its PRACK."""
        return False

    def modified(self, leg: Leg, now: float, message: Message | None) -> None:
        """The descriptions changed after the first offer and answer."""
        self.emit(
            CallModified(
                resource=self.name,
                at=now,
                labels=self.labels,
                message=message,
                local_description=self.local_description,
                remote_description=leg.remote_description,
            )
        )
        self.note_holds(leg, now)

    def offered(self, leg: Leg, now: float, message: Message) -> None:
        """The far end made an offer in its 2xx, which the application is to answer."""
        self.emit(
            CallModified(
                resource=self.name,
                at=now,
                labels=self.labels,
                message=message,
                local_description=None,
                remote_description=leg.remote_description,
            )
        )

    def note_offer(self, offer: Body, hold: bool | None, leg: Leg, now: float) -> None:
        """An offer of ours was accepted; ``hold`` None: it says itself whether it holds."""
        held = self.context.descriptions.holds(offer.data) if hold is None else hold
        self.note_holds(leg, now, local=held)

    def note_holds(self, leg: Leg, now: float, *, local: bool | None = None) -> None:
        """Tells the application where one end began or ceased to hold the other."""
        theirs = leg.remote_description
        remote = theirs is not None and self.context.descriptions.holds(theirs.data)
        local = self.local_hold if local is None else local
        if (local, remote) == (self.local_hold, self.remote_hold):
            return
        self.local_hold, self.remote_hold = local, remote
        self.emit(
            CallHeld(
                resource=self.name, at=now, labels=self.labels, local_hold=local, remote_hold=remote
            )
        )

    def run_timer(self, now: float) -> None:
        """The session was refreshed: its timer begins anew, or ends (RFC 4028 section 10)."""
        for alarm, after in (
            (SESSION_REFRESH, self.timer.refresh_after()),
            (SESSION_END, self.timer.end_after()),
        ):
            if after is None:
                self.disarm(alarm)
            else:
                self.alarm(alarm, now + after)
