"""The subscriber's end of a subscription, once its dialog is there: RFC 6665 section 4.1."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from picosip_server.frozen import dataclass
from picosip_server.sip.address import Address
from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.dialog import Dialog
from picosip_server.sip.errors import ParseError
from picosip_server.sip.message import Message, Response
from picosip_server.sip.ua.bodies import body_of
from picosip_server.sip.ua.exchange import Exchange
from picosip_server.sip.ua.failures import refused
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.subscription.commands import SubscriptionCommand, Unsubscribe
from picosip_server.sip.ua.subscription.events import NotificationReceived, SubscriptionRole
from picosip_server.sip.ua.subscription.header import (
    ENDS_USAGE,
    Status,
    SubscriptionState,
    seconds_of,
)
from picosip_server.sip.ua.subscription.usage import TIMER_N, Usage
from picosip_server.sip.ua.user import Serving, TransactionUser

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why a subscription of ours is over."""

    reason: str = ""
    """Of Subscription-State; ``timeout`` where no refresh came through in time."""
    retry_after: float | None = None
    wished: bool = False
    """This side, or the interval 0 that it asked for, ended it."""
    refused: bool = False
    """A refresh got a response that says there is no such thing any more."""
    message: Message | None = None


OnEnd = Callable[["SubscriberUsage", Ending, float], None]
"""Is told once that a subscription is over. It has the usage ``close``, so that the application
is told, or goes on under the usage's name by itself."""


def close(usage: SubscriberUsage, ending: Ending, now: float) -> None:
    """The ``OnEnd`` of an owner with whom a subscription just ends."""
    usage.close(ending.reason, now, ending.message)


class SubscriberUsage(Usage):
    """A subscription that this side refreshes and hears of.

    Made when the dialog exists: by the first NOTIFY, or inside a call. ``granted`` says how
    long it lasts by a 2xx; each NOTIFY may say so too. ``asked`` is the interval that each
    refresh asks for, ``headers`` goes with it.
    """

    __slots__ = (
        "_asked",
        "_ended",
        "_exchange",
        "_granted",
        "_headers",
        "_heard",
        "_leaving",
        "_on_end",
        "_unsubscribes",
    )

    ROLE = SubscriptionRole.SUBSCRIBER

    def __init__(
        self,
        user: TransactionUser,
        dialog: Dialog,
        *,
        name: str,
        event: str,
        local: Address,
        remote: Address,
        on_end: OnEnd = close,
        asked: float = 3600.0,
        headers: Fields = (),
        contact_user: str = "",
        auth: DigestClient | None = None,
    ) -> None:
        super().__init__(
            user,
            dialog,
            name=name,
            event=event,
            state=SubscriptionState.PENDING,
            local=local,
            remote=remote,
            contact_user=contact_user,
            auth=auth,
        )
        self._on_end = on_end
        self._asked = asked
        self._headers = headers
        self._granted: float | None = None
        self._exchange: Exchange | None = None
        """The SUBSCRIBE under way."""
        self._heard = False
        """A NOTIFY came."""
        self._leaving = False
        self._ended = False
        self._unsubscribes: list[Hashable] = []

    # Commands.

    def command(self, command: SubscriptionCommand, now: float) -> None:
        """Unsubscribe."""
        if isinstance(command, Unsubscribe):
            self._unsubscribes.append(command.token)
            self.leave(now)
        else:
            self.user.fail_state(
                command.token,
                self.state.name,
                f"{self.name} is a subscription of ours: {type(command).__name__} is for notifiers",
            )

    def leave(self, now: float) -> None:
        """Unsubscribes (section 4.1.2.3); over with the last NOTIFY."""
        if self._leaving or self.over:
            return
        self._leaving = True
        self.disarm("refresh", "expired")
        if self._exchange is None:
            self._subscribe(0, now)

    # How long it lasts.

    def grant(self, seconds: float | None, now: float) -> None:
        """A 2xx or a NOTIFY said how long the subscription lasts; None: what was asked for."""
        self._granted = self._asked if seconds is None else seconds
        self.expire_time = now + self._granted
        if self._asked == 0 or self._leaving:
            # No refresh: the last NOTIFY is on its way.
            return
        share = 0.80 + 0.10 * self.user.context.identity.fraction()
        self.set_alarm("refresh", now + max(self._granted * share, min(self._granted / 2, 1.0)))
        self.set_alarm("expired", self.expire_time)

    def on_alarm(self, alarm: str, now: float) -> None:
        """Refresh, the end of the interval, or timer N."""
        if alarm == "refresh":
            if self._exchange is None:
                self._subscribe(self._asked, now)
            return
        # 4.1.2.2: without a refresh, or without the NOTIFY that is to follow it.
        failure = None
        if self._leaving:
            detail = f"no last NOTIFY came after {self.name} was unsubscribed"
            failure = Failure(kind=FailureKind.TIMEOUT, detail=detail)
        self._end(Ending(reason="timeout", wished=self._leaving), now, failure)

    def disarm_all(self) -> None:
        """Takes all alarms back."""
        self.disarm("refresh", "expired", "N")

    # SUBSCRIBE.

    def _subscribe(self, expires: float, now: float) -> None:
        headers = (("Event", self.event), ("Expires", str(round(expires))), *self._headers)
        self._exchange = self.exchange("SUBSCRIBE", headers, None, self)
        self.set_alarm("N", now + TIMER_N * self.user.context.timers.t1)
        self._exchange.start(now)

    def on_provisional(self, exchange: Exchange, response: Response, now: float) -> None:
        """Says nothing."""

    def on_final(self, exchange: Exchange, response: Response, now: float) -> None:
        """The notifier has answered a refresh, or the end."""
        if exchange is not self._exchange:
            return
        self._exchange = None
        asked_to_end = exchange.draft.headers[1] == ("Expires", "0")
        if response.status < 300 and not asked_to_end:
            self.grant(seconds_of(response, "Expires"), now)
            if response.status == 204:
                # 4.1.2.2, RFC 5839: no NOTIFY will follow.
                self.disarm("N")
            self.changed(now, response)
            if self._leaving:
                self._subscribe(0, now)
        elif response.status in ENDS_USAGE or (asked_to_end and response.status >= 300):
            failure = None
            if asked_to_end and response.status not in (404, 481):
                failure = refused(response, "SUBSCRIBE")
            ending = Ending(refused=True, wished=asked_to_end, message=response)
            self._end(ending, now, failure)
        elif response.status >= 300:
            self._not_refreshed(response, now)

    def on_failure(self, exchange: Exchange, kind: FailureKind, detail: str, now: float) -> None:
        """The notifier was not reached."""
        if exchange is not self._exchange:
            return
        self._exchange = None
        if exchange.draft.headers[1] == ("Expires", "0"):
            self._end(Ending(wished=True), now, Failure(kind=kind, detail=detail))
        else:
            self._not_refreshed(None, now)

    def _not_refreshed(self, response: Response | None, now: float) -> None:
        """4.1.2.2: it stays valid while it lasts, and is worth another try."""
        self.disarm("N")
        if self._leaving:
            self._subscribe(0, now)
            return
        shortest = None
        if response is not None and response.status == 423:
            shortest = seconds_of(response, "Min-Expires")
        if shortest is not None and shortest > self._asked:
            self._asked = shortest
            self._subscribe(shortest, now)
            return
        left = (self.expire_time if self.expire_time is not None else now) - now
        wait = max(left / 2, 1.0)
        if response is not None:
            wait = max(wait, seconds_of(response, "Retry-After") or 0.0)
        if wait < left:
            self.set_alarm("refresh", now + wait)

    # NOTIFY.

    def receive(self, serving: Serving, now: float) -> None:
        """A NOTIFY in the dialog (section 4.1.3)."""
        user, request = self.user, serving.request
        if self.over:
            user.respond(serving, now, 481)
            return
        try:
            status = Status.of(request)
        except ParseError as error:
            warning = f'399 picosip "{error}"'
            user.respond(serving, now, 400, headers=[("Warning", warning)])
            return
        self.refresh_target(request)
        user.respond(serving, now, 200)
        if status.state is SubscriptionState.TERMINATED:
            self._notified(status.state, request, now)
            wished = self._leaving or self._asked == 0
            ending = Ending(
                reason=status.reason,
                retry_after=status.retry_after,
                wished=wished,
                message=request,
            )
            self._end(ending, now, None)
            return
        if not self._leaving:
            self.disarm("N")
        before = self.state if self._heard else None
        self._heard = True
        self.state = status.state or self.state
        if status.expires is not None or self._granted is None:
            self.grant(status.expires, now)
        if before is not self.state:
            self.changed(now, request)
        self._notified(self.state, request, now)

    def _notified(self, state: SubscriptionState, request: Message, now: float) -> None:
        self.state = state
        self.user.emit(
            NotificationReceived(
                resource=self.name,
                at=now,
                labels=self.user.labels,
                message=request,
                subscription=self.snapshot(),
                body=body_of(request),
            )
        )

    # The end.

    def drop(self, now: float) -> None:
        """Ends the subscription without a word: its dialog is gone."""
        self._end(Ending(wished=True), now, None)

    def _end(self, ending: Ending, now: float, failure: Failure | None) -> None:
        if self._ended:
            return
        self._ended = True
        self._exchange = None
        self.disarm_all()
        self.state = SubscriptionState.TERMINATED
        self._on_end(self, ending, now)
        for token in self._unsubscribes:
            if failure is None:
                self.user.complete(token, None)
            else:
                self.user.fail(token, failure)
        self._unsubscribes.clear()
