"""A client transaction of a request of ours, and of its CANCEL: RFC 3261 sections 8.1, 9.1."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Request, Response
from picosip_server.sip.transaction.client import ClientTransaction
from picosip_server.sip.transaction.client_invite import ClientInviteTransaction
from picosip_server.sip.transaction.effects import Deliver, Effect, Ended, Send
from picosip_server.sip.ua.user import TransactionUser

if TYPE_CHECKING:
    from picosip_server.sip.ua.exchange import Exchange


class Attempt:
    """One client transaction of an exchange."""

    __slots__ = ("exchange", "flow", "hop", "key", "machine", "request")

    def __init__(
        self,
        exchange: Exchange | Cancellation,
        machine: ClientInviteTransaction | ClientTransaction,
        hop: Hop,
        key: Hashable,
    ) -> None:
        self.exchange = exchange
        self.machine = machine
        self.request = machine.request
        self.hop = hop
        self.flow = hop.flow
        """The connection that the last response came by; 0 for datagrams."""
        self.key = key

    @property
    def waits(self) -> bool:
        """Whether its request is still on its way: whoever has said something to an INVITE was
        there, and gets it no more."""
        return self.request.method != "INVITE" or self.machine.state == "calling"


class Cancellation:
    """The CANCEL of an INVITE: a transaction of its own, over the same hop (section 9.1)."""

    __slots__ = ("hop", "key", "user")

    def __init__(self, user: TransactionUser, hop: Hop, key: Hashable) -> None:
        self.user = user
        self.hop = hop
        self.key = key

    def start(self, cancel: Request, now: float) -> None:
        """Sends it."""
        user = self.user
        machine = ClientTransaction(cancel, reliable=self.hop.reliable, timers=user.context.timers)
        attempt = Attempt(self, machine, self.hop, self.key)
        user.adopt(self.key, attempt)
        self.perform(attempt, machine.start(now), now)

    def perform(self, attempt: Attempt, effects: list[Effect], now: float) -> None:
        """Carries out what the transaction wants."""
        user = self.user
        for effect in effects:
            if isinstance(effect, Send):
                user.transmit(attempt.hop, effect, attempt.key)
            elif isinstance(effect, Deliver):
                assert isinstance(effect.message, Response)
                if effect.message.status >= 200:
                    user.on_cancel_answered(now)
            elif isinstance(effect, Ended):
                user.dismiss(attempt.key)
            else:
                user.on_cancel_answered(now)

    def close(self) -> None:
        """See ``Exchange.close``: nobody holds it but its transaction."""

    def transport_failed(self, attempt: Attempt, detail: str, now: float) -> None:
        """The CANCEL could not be sent; the INVITE's own timers decide what becomes of it."""
        self.user.dismiss(attempt.key)
        self.user.on_cancel_answered(now)
