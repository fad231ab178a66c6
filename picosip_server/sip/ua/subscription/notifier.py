"""The notifier's end of a subscription: RFC 6665 section 4.2."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable

from picosip_server.frozen import dataclass
from picosip_server.sip.address import Address
from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.dialog import Dialog
from picosip_server.sip.message import Message, Response
from picosip_server.sip.ua.commands import Body
from picosip_server.sip.ua.exchange import Exchange
from picosip_server.sip.ua.failures import refused
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.subscription.commands import Notify, SubscriptionCommand
from picosip_server.sip.ua.subscription.events import SubscriptionRole
from picosip_server.sip.ua.subscription.header import (
    ENDS_USAGE,
    Status,
    SubscriptionState,
    seconds_of,
)
from picosip_server.sip.ua.subscription.usage import Usage
from picosip_server.sip.ua.user import Serving, TransactionUser

DEFAULT_EXPIRES = 3600.0
"""Seconds granted where a SUBSCRIBE does not say (section 4.2.1.1 leaves it to the package)."""
MOST_WAITING = 100
"""NOTIFYs that wait for the one under way."""

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """A NOTIFY that is to be sent."""

    state: SubscriptionState
    reason: str
    body: Body | None
    headers: Fields = ()
    token: Hashable = None


class NotifierUsage(Usage):
    """A subscription that this side feeds. ``start`` it once.

    ``on_end`` is called once, when nothing is left to be sent: the dialog usage is gone. It is
    told the failure that ended it, if one did.
    """

    __slots__ = ("_body", "_current", "_ended", "_longest", "_on_end", "_queue")

    ROLE = SubscriptionRole.NOTIFIER

    def __init__(
        self,
        user: TransactionUser,
        dialog: Dialog,
        *,
        name: str,
        event: str,
        local: Address,
        remote: Address,
        on_end: Callable[[Failure | None, float], None],
        contact_user: str = "",
        auth: DigestClient | None = None,
        call: str = "",
        incoming_request: str = "",
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
            call=call,
            incoming_request=incoming_request,
        )
        self._on_end = on_end
        self._body: Body | None = None
        """The state as last reported, for whoever subscribes again."""
        self._longest: float | None = None
        self._current: _Report | None = None
        """What the NOTIFY under way reports."""
        self._queue: deque[_Report] = deque()
        self._ended = False

    def start(
        self,
        state: SubscriptionState,
        expires: float,
        body: Body | None,
        now: float,
        *,
        longest: float | None = None,
    ) -> None:
        """Sends the first NOTIFY (section 4.2.2: immediately). ``expires`` 0 makes it the last.

        ``longest`` bounds what a refresh is granted.
        """
        self._longest = longest
        self._body = body
        if expires == 0:
            # 4.4.3: who asked for the state once gets it, and that is all.
            self.terminate("timeout", now, body=body)
            return
        self.state = state
        self._run_until(now + expires)
        self.changed(now)
        self._report(_Report(state=state, reason="", body=body), now)

    def terminate(
        self,
        reason: str,
        now: float,
        *,
        body: Body | None = None,
        headers: Fields = (),
        token: Hashable = None,
        message: Message | None = None,
    ) -> None:
        """Ends the subscription with a last NOTIFY."""
        if self.over:
            return
        self.close(reason, now, message)
        self._report(
            _Report(
                state=SubscriptionState.TERMINATED,
                reason=reason,
                body=body,
                headers=headers,
                token=token,
            ),
            now,
        )

    def drop(self, now: float) -> None:
        """Ends the subscription without a word: its dialog is gone."""
        if not self.over:
            self.close("", now)
        self._end(None, now)

    def command(self, command: SubscriptionCommand, now: float) -> None:
        """Notify."""
        if not isinstance(command, Notify):
            self.user.fail_state(
                command.token,
                self.state.name,
                f"{type(command).__name__} does not fit {self.name}, which is fed by Notify",
            )
        elif len(self._queue) >= MOST_WAITING:
            detail = f"{MOST_WAITING} NOTIFYs of {self.name} already wait for the subscriber"
            self.user.fail(command.token, Failure(kind=FailureKind.EXHAUSTED, detail=detail))
        elif command.state is SubscriptionState.PENDING and self.state is SubscriptionState.ACTIVE:
            self.user.fail_state(
                command.token,
                self.state.name,
                "a subscription that is active does not become pending again",
            )
        else:
            self._notify(command, now)

    def _notify(self, notify: Notify, now: float) -> None:
        if notify.body is not None:
            self._body = notify.body
        if notify.state is SubscriptionState.TERMINATED:
            self.terminate(
                # 4.2.2: a reason SHOULD be there; the state is no longer to be had.
                notify.reason or "noresource",
                now,
                body=notify.body,
                headers=notify.options.headers,
                token=notify.token,
            )
            return
        if notify.state is not None and notify.state is not self.state:
            self.state = notify.state
            self.changed(now)
        self._report(
            _Report(
                state=self.state,
                reason="",
                body=notify.body,
                headers=notify.options.headers,
                token=notify.token,
            ),
            now,
        )

    def receive(self, serving: Serving, now: float) -> None:
        """A SUBSCRIBE in the dialog: refresh or unsubscribe (section 4.2.1.4)."""
        user = self.user
        if self.over:
            user.respond(serving, now, 481)
            return
        self.refresh_target(serving.request)
        asked = seconds_of(serving.request, "Expires")
        asked = DEFAULT_EXPIRES if asked is None else asked
        shortest = too_brief(asked, user.context.min_expires)
        if shortest is not None:
            user.respond(serving, now, 423, headers=[("Min-Expires", shortest)])
            return
        granted = asked if self._longest is None else min(asked, self._longest)
        user.respond(serving, now, 200, headers=acceptance(serving, granted, self.contact_user))
        if granted == 0:
            self.terminate("timeout", now, body=self._body, message=serving.request)
            return
        self._run_until(now + granted)
        self.changed(now, serving.request)
        # 4.2.1.4 with 4.2.2: each 200 is followed by the whole state.
        self._report(_Report(state=self.state, reason="", body=self._body), now)

    def on_alarm(self, alarm: str, now: float) -> None:
        """The time is over (section 4.2.1.4 and 4.2.2)."""
        self.terminate("timeout", now)

    def disarm_all(self) -> None:
        """Takes the only alarm back."""
        self.disarm("expired")

    def _run_until(self, expire_time: float) -> None:
        self.expire_time = expire_time
        self.set_alarm("expired", expire_time)

    # NOTIFY, one at a time: overtaken by a later one it would be refused (RFC 3261 12.2.2).

    def _report(self, report: _Report, now: float) -> None:
        self._queue.append(report)
        if self._current is None:
            self._send_next(now)

    def _send_next(self, now: float) -> None:
        if not self._queue:
            if self.over:
                self._end(None, now)
            return
        report = self._current = self._queue.popleft()
        left = None
        if report.state is not SubscriptionState.TERMINATED and self.expire_time is not None:
            left = max(0.0, self.expire_time - now)
        status = Status(state=report.state, expires=left, reason=report.reason)
        headers = (("Event", self.event), ("Subscription-State", str(status)), *report.headers)
        self.exchange("NOTIFY", headers, report.body, self).start(now)

    def on_provisional(self, exchange: Exchange, response: Response, now: float) -> None:
        """Says nothing."""

    def on_final(self, exchange: Exchange, response: Response, now: float) -> None:
        """The subscriber has answered."""
        if response.status < 300:
            self._reported(None, now)
        else:
            ends = response.status in ENDS_USAGE
            self._reported(refused(response, "NOTIFY"), now, ends=ends, message=response)

    def on_failure(self, exchange: Exchange, kind: FailureKind, detail: str, now: float) -> None:
        """Nobody answered: whoever subscribed is gone (section 4.2.2)."""
        self._reported(Failure(kind=kind, detail=detail), now, ends=True)

    def _reported(
        self,
        failure: Failure | None,
        now: float,
        *,
        ends: bool = False,
        message: Message | None = None,
    ) -> None:
        report, self._current = self._current, None
        if report is None:
            # Dropped meanwhile.
            return
        if report.token is not None:
            if failure is None:
                self.user.complete(report.token, None)
            else:
                self.user.fail(report.token, failure)
        if not ends:
            self._send_next(now)
            return
        if not self.over:
            self.close("", now, message)
        self._end(failure, now)

    def _end(self, failure: Failure | None, now: float) -> None:
        if self._ended:
            return
        self._ended = True
        waiting = [*([self._current] if self._current else []), *self._queue]
        self._current = None
        self._queue.clear()
        for report in waiting:
            if report.token is not None:
                detail = f"{self.name} ended before this was sent"
                self.user.fail(report.token, Failure(kind=FailureKind.ENDED, detail=detail))
        self._on_end(failure, now)


def acceptance(serving: Serving, expires: float, contact_user: str) -> list[tuple[str, str]]:
    """The header fields of the 200 to a SUBSCRIBE (section 4.2.1.1, RFC 3261 12.1.1)."""
    record_routes = serving.request.headers.get_all("Record-Route")
    return [
        *(("Record-Route", each) for each in record_routes),
        ("Expires", str(round(expires))),
        ("Contact", serving.hop.contact(contact_user)),
    ]


def too_brief(asked: float, shortest: float) -> str | None:
    """The Min-Expires of a 423, where the interval that is asked for is too short.

    Section 4.2.1.1: neither zero nor an hour and more is.
    """
    if asked == 0 or asked >= min(shortest, 3600.0):
        return None
    return str(round(shortest))
