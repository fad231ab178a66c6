"""A subscription of ours: SUBSCRIBE outside dialogs, and the dialogs that NOTIFYs make of it.

RFC 6665 sections 4.1.2 and 4.4.1: it is the NOTIFY that makes a dialog, it may come before the
2xx, and where the SUBSCRIBE was forked several come, each of a subscription of its own.
"""

from __future__ import annotations

from collections.abc import Hashable

from picosip_server.sip.address import Address
from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.dialog import Dialog, contact_target
from picosip_server.sip.errors import RemoteProtocolError
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Message, Request, Response
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Effect
from picosip_server.sip.ua.exchange import Draft, Exchange
from picosip_server.sip.ua.failures import refused
from picosip_server.sip.ua.inspect import ALLOW
from picosip_server.sip.ua.keys import dialog_key
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.subscription.commands import (
    Subscribe,
    SubscriptionCommand,
    Unsubscribe,
)
from picosip_server.sip.ua.subscription.events import (
    SubscriptionChanged,
    SubscriptionRole,
    SubscriptionSnapshot,
)
from picosip_server.sip.ua.subscription.header import (
    SubscriptionState,
    event_of,
    seconds_of,
    split_event,
)
from picosip_server.sip.ua.subscription.inside import admit, answer_other
from picosip_server.sip.ua.subscription.renewal import Renewal
from picosip_server.sip.ua.subscription.subscriber import Ending, SubscriberUsage
from picosip_server.sip.ua.subscription.usage import TIMER_N, subscription_key
from picosip_server.sip.ua.user import TransactionUser

MOST_FORKS = 16
"""Subscriptions that may come of one SUBSCRIBE; further NOTIFYs get 481."""


class OutgoingSubscription(TransactionUser):
    """What came of one Subscribe command, under its name and those of its forks."""

    __slots__ = (
        "_auth",
        "_call_id",
        "_cseq",
        "_emitted",
        "_established",
        "_exchange",
        "_expires",
        "_granted",
        "_leaving",
        "_reason",
        "_renewal",
        "_subscribe",
        "_tag",
        "_unsubscribes",
        "_usages",
        "_waiting",
    )

    def __init__(self, name: str, context: Context, subscribe: Subscribe, *, call_id: str) -> None:
        super().__init__(name, context, subscribe.labels)
        self._subscribe = subscribe
        self._call_id = call_id
        self._tag = context.identity.tag()
        self._auth = DigestClient(subscribe.credentials) if subscribe.credentials else None
        self._cseq = 0
        self._expires = subscribe.expires
        self._granted: float | None = None
        """What the 2xx to the SUBSCRIBE said."""
        self._exchange: Exchange | None = None
        """The SUBSCRIBE outside a dialog that is under way."""
        self._usages: dict[str, SubscriberUsage] = {}
        """By remote tag."""
        self._waiting: Hashable | None = subscribe.token
        self._established = False
        """A 2xx or a NOTIFY came, at some time."""
        self._emitted = False
        self._reason = ""
        self._leaving = False
        self._unsubscribes: list[Hashable] = []
        self._renewal = Renewal(context)

    def start(self, now: float) -> list[Effect]:
        """Subscribes.

        Raises:
            LocalProtocolError: a preloaded route cannot be parsed.
        """
        self.bind(subscription_key(self.name))
        self._ask(now)
        return self.flush()

    def local_tag(self) -> str:
        """The tag of all our messages."""
        return self._tag

    def snapshot(self) -> SubscriptionSnapshot:
        """The subscription under this user's own name, while it has no dialog."""
        return SubscriptionSnapshot(
            name=self.name,
            role=SubscriptionRole.SUBSCRIBER,
            state=SubscriptionState.TERMINATED if self.over else SubscriptionState.PENDING,
            event=self._subscribe.event,
            local=self._subscribe.from_address,
            remote=Address(uri=self._subscribe.uri),
            reason=self._reason,
            labels=self.labels,
        )

    # SUBSCRIBE outside a dialog.

    def _ask(self, now: float) -> None:
        subscribe, options = self._subscribe, self._subscribe.options
        self.bind(dialog_key(self._call_id, self._tag))
        routes = options.routes
        if not routes and self.context.outbound_proxy and options.next_hop is None:
            routes = (self.context.outbound_proxy,)
        self._granted = None
        self._exchange = Exchange(
            self,
            Draft(
                method="SUBSCRIBE",
                target=subscribe.uri,
                route_set=routes,
                from_=str(subscribe.from_address.with_tag(self._tag)),
                to=str(Address(uri=subscribe.uri)),
                call_id=self._call_id,
                headers=(
                    ("Event", subscribe.event),
                    ("Expires", str(round(self._expires))),
                    *self._refresh_headers(),
                ),
                contact_user=subscribe.from_address.uri.user or "",
                body=subscribe.body,
                next_hop=options.next_hop,
            ),
            self,
            next_cseq=self._next_cseq,
            auth=self._auth,
        )
        self.alarm("N", now + TIMER_N * self.context.timers.t1)
        self._exchange.start(now)

    def _refresh_headers(self) -> tuple[tuple[str, str], ...]:
        subscribe = self._subscribe
        headers = [("Accept", ", ".join(subscribe.accept))] if subscribe.accept else []
        return (*headers, ("Allow", ALLOW), *subscribe.options.headers)

    def _next_cseq(self) -> int:
        self._cseq += 1
        return self._cseq

    def on_provisional(self, exchange: Exchange, response: Response, now: float) -> None:
        """Says nothing."""

    def on_final(self, exchange: Exchange, response: Response, now: float) -> None:
        """Some notifier has answered."""
        if exchange is not self._exchange:
            return
        self._exchange = None
        if response.status < 300:
            self._accepted(response, now)
        elif response.status == 423 and self._lengthen(response):
            self._ask(now)
        else:
            self._failed(refused(response, "SUBSCRIBE"), now, response)

    def on_failure(self, exchange: Exchange, kind: FailureKind, detail: str, now: float) -> None:
        """No notifier was reached."""
        if exchange is not self._exchange:
            return
        self._exchange = None
        if self._usages:
            # 4.4.1: a NOTIFY came of it, so that it did arrive.
            self._settle(now)
        else:
            self._failed(Failure(kind=kind, detail=detail), now)

    def _lengthen(self, response: Response) -> bool:
        """4.1.2.1: a 423 names the shortest interval that the notifier takes."""
        shortest = seconds_of(response, "Min-Expires")
        if shortest is None or shortest <= self._expires or self._expires == 0:
            return False
        self._expires = shortest
        return True

    def _accepted(self, response: Response, now: float) -> None:
        self._granted = seconds_of(response, "Expires")
        usage = self._usages.get(response.to.tag)
        if usage is not None:
            if not usage.over:
                usage.grant(self._granted, now)
        elif not self._usages:
            self._tell(now, response)
        if response.status == 204:
            # RFC 5839: no NOTIFY will follow, and without one there is no dialog.
            self._failed(refused(response, "SUBSCRIBE"), now, response)
            return
        self._settle(now)

    def _settle(self, now: float) -> None:
        """The Subscribe command is done."""
        self._established = True
        token, self._waiting = self._waiting, None
        if token is not None:
            own = next((each for each in self._usages.values() if each.name == self.name), None)
            self.complete(token, self.snapshot() if own is None else own.snapshot())
        self._check_over()

    def _failed(self, failure: Failure, now: float, response: Response | None = None) -> None:
        """There is no subscription, or no second one after the first has ended."""
        if self._waiting is None and self._established and not self._leaving:
            wait = self._renewal.after_failure(response)
            if wait is not None:
                self._wait(wait, now)
                return
        self._over(failure, now, response)

    # NOTIFY.

    def receive_request(self, request: Request, hop: Hop, now: float) -> list[Effect]:
        """A request whose Call-ID and To tag are this subscription's."""
        if request.method == "ACK":
            return self.flush()
        serving = self.serve(request, hop, now)
        usage = self._usages.get(request.from_.tag)
        if usage is None and request.method == "NOTIFY":
            usage = self._usage_of(request, now)
        if usage is None:
            self.respond(serving, now, 481)
            return self.flush()
        if not admit(self, usage.dialog, serving, now):
            return self.flush()
        if request.method != "NOTIFY":
            answer_other(self, serving, now)
        elif not usage.matches(request):
            self.respond(serving, now, 481)
        else:
            usage.receive(serving, now)
            if self._leaving:
                usage.leave(now)
        self._check_over()
        return self.flush()

    def _usage_of(self, notify: Request, now: float) -> SubscriberUsage | None:
        """The subscription that a NOTIFY in a new dialog begins (section 4.4.1)."""
        try:
            expected = event_of(notify) == split_event(self._subscribe.event)
            target = contact_target(notify)
        except RemoteProtocolError:
            return None
        # 4.1.2.4: not after timer N.
        if not expected or "N" not in self._alarms or len(self._usages) >= MOST_FORKS:
            return None
        first = not self._usages
        usage = SubscriberUsage(
            self,
            Dialog(
                call_id=self._call_id,
                local=notify.headers.get("To") or "",
                remote=notify.headers.get("From") or "",
                local_tag=self._tag,
                remote_tag=notify.from_.tag,
                remote_target=target,
                # The route set is the NOTIFY's own, not that of the 2xx.
                route_set=tuple(str(route) for route in notify.record_routes),
                local_cseq=self._cseq,
                early=False,
            ),
            name=self.name if first else self.context.identity.subscription_name(),
            event=self._subscribe.event,
            local=self._subscribe.from_address,
            remote=Address(uri=notify.from_.uri, display_name=notify.from_.display_name),
            on_end=self._usage_ended,
            asked=self._expires,
            headers=self._refresh_headers(),
            contact_user=self._subscribe.from_address.uri.user or "",
            auth=self._auth,
        )
        if self._granted is not None:
            usage.grant(self._granted, now)
        self._usages[notify.from_.tag] = usage
        self._established = True
        self._emitted = True
        self._renewal.began(now)
        return usage

    # The end, or a new beginning.

    def _usage_ended(self, usage: SubscriberUsage, ending: Ending, now: float) -> None:
        wait = self._renewal_of(ending, now)
        if wait is None:
            usage.close(ending.reason, now, ending.message)
            self._check_over()
            return
        self._reason = ending.reason
        self._usages.clear()
        self.unbind(dialog_key(self._call_id, self._tag))
        # 4.1.2.2: an unrelated SUBSCRIBE.
        self._call_id = self.context.identity.call_id()
        self._tag = self.context.identity.tag()
        self._cseq = 0
        self.disarm("N")
        self._wait(wait, now, ending.message)

    def _renewal_of(self, ending: Ending, now: float) -> float | None:
        """Seconds until there is to be a new subscription; None: there is not."""
        if ending.wished or ending.refused or self._leaving:
            return None
        if self._exchange is not None or self._waiting is not None:
            # The SUBSCRIBE itself is not answered yet: it tells what becomes of this.
            return None
        if not all(each.over for each in self._usages.values()):
            # Another fork goes on.
            return None
        return self._renewal.after(ending.reason, ending.retry_after, now)

    def _wait(self, wait: float, now: float, message: Message | None = None) -> None:
        self._tell(now, message)
        self.disarm("N")
        self.alarm("again", now + wait)

    def on_alarm(self, alarm: str, now: float) -> None:
        """Timer N, the time to subscribe again, or an alarm of a subscription."""
        if alarm == "again":
            self._ask(now)
            return
        if alarm != "N":
            for usage in list(self._usages.values()):
                if usage.alarm(alarm, now):
                    break
        elif not self._usages:
            self._exchange = None
            detail = f"no NOTIFY for {self.name} came within {TIMER_N} T1 (timer N)"
            self._reason = "timeout"
            self._failed(Failure(kind=FailureKind.TIMEOUT, detail=detail), now)
        self._check_over()

    def _check_over(self) -> None:
        """Over, once the last subscription is, and no SUBSCRIBE is under way or due."""
        if self.over or self._exchange is not None or "again" in self._alarms:
            return
        if self._usages and all(each.over for each in self._usages.values()):
            self._end()
            self._answer_all(None)

    def _over(self, failure: Failure | None, now: float, message: Message | None = None) -> None:
        """Everything ends, whatever stands."""
        for usage in self._usages.values():
            usage.drop(now)
        had_dialog = bool(self._usages)
        self._end()
        if self._emitted and not had_dialog:
            self._tell(now, message)
        self._answer_all(failure)

    def _end(self) -> None:
        self._alarms.clear()
        self.unbind(dialog_key(self._call_id, self._tag))
        self.unbind(subscription_key(self.name))
        self.over = True

    def _answer_all(self, failure: Failure | None) -> None:
        """Answers the commands that waited for what is over now."""
        token, self._waiting = self._waiting, None
        if token is not None:
            detail = f"{self.name} has ended before the notifier answered"
            self.fail(token, failure or Failure(kind=FailureKind.ENDED, detail=detail))
        for token in self._unsubscribes:
            self.complete(token, None)
        self._unsubscribes.clear()

    def _tell(self, now: float, message: Message | None = None) -> None:
        self._emitted = True
        self.emit(
            SubscriptionChanged(
                resource=self.name,
                at=now,
                labels=self.labels,
                message=message,
                subscription=self.snapshot(),
            )
        )

    # Commands.

    def command(self, command: Command, now: float) -> list[Effect]:
        """Unsubscribe, of this name or of a fork's."""
        assert isinstance(command, SubscriptionCommand)
        usage = next((each for each in self._usages.values() if each.name == command.name), None)
        if usage is not None:
            usage.command(command, now)
        elif isinstance(command, Unsubscribe):
            self._unsubscribes.append(command.token)
            self._leave(now)
        else:
            self.fail_state(
                command.token,
                SubscriptionState.PENDING.name,
                f"{self.name} is a subscription of ours: {type(command).__name__} is for notifiers",
            )
        self._check_over()
        return self.flush()

    def _leave(self, now: float) -> None:
        """Ends all: those that are there, and what the SUBSCRIBE under way may still bring."""
        self._leaving = True
        for usage in list(self._usages.values()):
            usage.leave(now)
        if not self._usages and "N" not in self._alarms:
            self._over(None, now)

    def shut_down(self, now: float) -> list[Effect]:
        """The server stops: nobody will take the NOTIFYs."""
        if not self.over:
            self._leave(now)
            self._check_over()
        return self.flush()

    def abandon(self, now: float) -> list[Effect]:
        """The server goes, and the notifier does not answer: over all the same."""
        self.forsake()
        if not self.over:
            self._exchange = None
            self._over(None, now)
        return self.flush()
