"""What both ends of a subscription share: a usage of a dialog (RFC 6665 section 3.1.4.1).

The dialog may be the subscription's own, or that of a call (the implicit subscription
of REFER). A usage does not know which: it is given the transaction user that owns the
dialog, and the dialog. The owner

* hands ``alarm`` each alarm that goes off,
* hands ``command`` each ``SubscriptionCommand`` with the usage's name,
* hands ``receive`` each NOTIFY or SUBSCRIBE of the dialog that the usage ``matches``, after
  the checks that any request in a dialog gets (CSeq, Require).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import ClassVar

from picosip_server.sip.address import Address
from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.dialog import Dialog, contact_target
from picosip_server.sip.errors import ParseError, RemoteProtocolError
from picosip_server.sip.message import Message, Request
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.exchange import Draft, Exchange, Handler
from picosip_server.sip.ua.subscription.commands import SubscriptionCommand
from picosip_server.sip.ua.subscription.events import (
    SubscriptionChanged,
    SubscriptionRole,
    SubscriptionSnapshot,
)
from picosip_server.sip.ua.subscription.header import SubscriptionState, event_of, split_event
from picosip_server.sip.ua.user import Serving, TransactionUser

TIMER_N = 64
"""In units of T1 (section 4.1.2.4)."""


def subscription_key(name: str) -> Hashable:
    """Routing key by which commands find the user that has a subscription."""
    return ("n", name)


class Usage(ABC):
    """One subscription inside a dialog, from the side of one end."""

    __slots__ = (
        "auth",
        "call",
        "contact_user",
        "dialog",
        "event",
        "expire_time",
        "incoming_request",
        "local",
        "name",
        "reason",
        "remote",
        "state",
        "user",
    )

    ALARM_PREFIX: ClassVar[str] = "subscription "
    ROLE: ClassVar[SubscriptionRole]

    def __init__(
        self,
        user: TransactionUser,
        dialog: Dialog,
        *,
        name: str,
        event: str,
        state: SubscriptionState,
        local: Address,
        remote: Address,
        contact_user: str,
        auth: DigestClient | None,
        call: str = "",
        incoming_request: str = "",
    ) -> None:
        self.user = user
        self.dialog = dialog
        self.name = name
        self.event = event
        self.state = state
        self.local = local
        self.remote = remote
        self.contact_user = contact_user
        self.auth = auth
        self.call = call
        self.incoming_request = incoming_request
        self.expire_time: float | None = None
        self.reason = ""
        user.bind(subscription_key(name))

    @property
    def over(self) -> bool:
        """Whether nothing may be asked of it any more."""
        return self.state is SubscriptionState.TERMINATED

    def snapshot(self) -> SubscriptionSnapshot:
        """The subscription as plain values."""
        return SubscriptionSnapshot(
            name=self.name,
            role=self.ROLE,
            state=self.state,
            event=self.event,
            local=self.local,
            remote=self.remote,
            expire_time=self.expire_time,
            reason=self.reason,
            labels=self.user.labels,
            call=self.call,
            incoming_request=self.incoming_request,
        )

    def matches(self, request: Request) -> bool:
        """Whether its Event header field is this subscription's (section 8.2.1)."""
        try:
            return event_of(request) == split_event(self.event)
        except ParseError:
            return False

    @abstractmethod
    def command(self, command: SubscriptionCommand, now: float) -> None:
        """Carries out a command of the application."""

    @abstractmethod
    def receive(self, serving: Serving, now: float) -> None:
        """A NOTIFY or SUBSCRIBE of the far end."""

    @abstractmethod
    def on_alarm(self, alarm: str, now: float) -> None:
        """One of the usage's own alarms."""

    def alarm(self, alarm: str, now: float) -> bool:
        """An alarm of the user went off. False: it is none of this usage's."""
        prefix = self._alarm("")
        if not alarm.startswith(prefix):
            return False
        self.on_alarm(alarm.removeprefix(prefix), now)
        return True

    # For the two roles.

    def set_alarm(self, alarm: str, deadline: float) -> None:
        """Sets one of the usage's alarms, or moves it."""
        self.user.alarm(self._alarm(alarm), deadline)

    def disarm(self, *alarms: str) -> None:
        """Takes alarms back."""
        self.user.disarm(*map(self._alarm, alarms))

    def _alarm(self, alarm: str) -> str:
        return f"{self.ALARM_PREFIX}{self.name} {alarm}"

    def exchange(
        self,
        method: str,
        headers: tuple[tuple[str, str], ...],
        body: Body | None,
        handler: Handler,
    ) -> Exchange:
        """A request of ours in the dialog, to be started."""
        dialog = self.dialog
        return Exchange(
            self.user,
            Draft(
                method=method,
                target=dialog.remote_target,
                route_set=dialog.route_set,
                from_=dialog.local,
                to=dialog.remote,
                call_id=dialog.call_id,
                headers=headers,
                contact_user=self.contact_user,
                body=body,
            ),
            handler,
            next_cseq=dialog.next_cseq,
            auth=self.auth,
        )

    def refresh_target(self, request: Request) -> None:
        """SUBSCRIBE and NOTIFY are target refresh requests (section 3.1, RFC 3261 12.2.2)."""
        try:
            self.dialog.remote_target = contact_target(request)
        except RemoteProtocolError:
            # Without a usable Contact the target stays.
            return

    def changed(self, now: float, message: Message | None = None) -> None:
        """Tells the application."""
        self.user.emit(
            SubscriptionChanged(
                resource=self.name,
                at=now,
                labels=self.user.labels,
                message=message,
                subscription=self.snapshot(),
            )
        )

    def close(self, reason: str, now: float, message: Message | None = None) -> None:
        """The subscription is terminated, and the application is told."""
        self.disarm_all()
        self.state = SubscriptionState.TERMINATED
        self.reason = reason
        self.expire_time = None
        self.changed(now, message)
        self.user.unbind(subscription_key(self.name))

    @abstractmethod
    def disarm_all(self) -> None:
        """Takes all alarms back."""
