"""All users of one worker: how messages find them, when they wake, and what they have done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable

from picosip_server.engine import tracing
from picosip_server.engine.accounts import Accounts
from picosip_server.engine.farewell import Farewell
from picosip_server.engine.flows import Flows, Held
from picosip_server.engine.network import Network, Sender, Source, Ticket, Unreachable
from picosip_server.engine.snapshot import Snapshot
from picosip_server.engine.timer_queue import TimerQueue
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Message, Response
from picosip_server.sip.ua.call.base import Call
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import (
    Bind,
    Displace,
    Effect,
    FlowAnswered,
    FlowEffect,
    HoldFlow,
    KeepFlow,
    LeaveFlow,
    Locate,
    Probe,
    Transmit,
    Unbind,
)
from picosip_server.sip.ua.events import Event, RegistrationChanged
from picosip_server.sip.ua.listener import Errand, Listener
from picosip_server.sip.ua.outputs import Completed, Failed, Failure, Occurred, Output, Traced
from picosip_server.sip.ua.publication import Publication
from picosip_server.sip.ua.quote import key_of_quote
from picosip_server.sip.ua.redelivery import Redelivery
from picosip_server.sip.ua.registration.user import Registration
from picosip_server.sip.ua.snapshots import RegistrationState
from picosip_server.sip.ua.subscription.events import (
    NotificationReceived,
    SubscriptionChanged,
    SubscriptionSnapshot,
)
from picosip_server.sip.ua.subscription.header import SubscriptionState
from picosip_server.sip.ua.subscription.incoming import IncomingSubscription
from picosip_server.sip.ua.subscription.outgoing import OutgoingSubscription
from picosip_server.sip.ua.subscription.referral import IncomingReferral
from picosip_server.sip.ua.user import TransactionUser

Subscriber = OutgoingSubscription | IncomingSubscription | IncomingReferral
_SENT = [f"responses_sent_{digit}xx" for digit in range(10)]

Standing = Registration | Subscriber | Publication
"""What stands for a time and is ended with the server, calls apart."""


class Population:
    """Carries out the effects of users, and forgets those that have none left to come."""

    def __init__(self, network: Network, accounts: Accounts, context: Context, worker: int) -> None:
        self._network = network
        self._accounts = accounts
        self._context = context
        self._worker = worker
        self.routes: dict[Hashable, TransactionUser] = {}
        self.calls: dict[str, Call] = {}
        self.registrations: dict[str, Registration] = {}
        self.flows = Flows(context)
        self.subscribers: dict[str, Subscriber] = {}
        self.publications: dict[str, Publication] = {}
        self.subscriptions: dict[str, SubscriptionSnapshot] = {}
        """Each as last told of, those inside calls included."""
        self.held = Held()
        self.timers = TimerQueue()
        self.counters: dict[str, int] = defaultdict(int)
        self.outbox: list[Output] = []
        self.tracing = False
        self._farewell = Farewell(context, self._end)
        self._waiting_for_end: list[Callable[[], None]] = []

    def run(self, user: TransactionUser, effects: list[Effect], now: float) -> None:
        """Carries out what a user wants, and what follows from it."""
        # The list grows while it is gone through: what follows from an effect comes last.
        for effect in effects:
            if isinstance(effect, Transmit):
                effects += self._transmit(user, effect, now)
            elif isinstance(effect, Bind):
                self.routes[effect.key] = user
            elif isinstance(effect, Occurred):
                listener = user.listener
                if listener is None:
                    self._learn(effect.event)
                    self.outbox.append(effect)
                else:
                    self._hear(listener, effect, now)
            elif isinstance(effect, Unbind):
                if self.routes.get(effect.key) is user:
                    del self.routes[effect.key]
            elif isinstance(effect, Locate):
                effects += self._locate(user, effect, now)
            elif isinstance(effect, (Completed, Failed)):
                listener = user.listener
                if listener is None or not isinstance(effect.token, (Listener, Errand)):
                    self.outbox.append(effect)
                else:
                    self._hear(listener, effect, now)
            elif isinstance(effect, Traced):
                self.outbox.append(effect)
            elif isinstance(effect, Displace):
                displaced = self.calls.get(effect.call)
                if displaced is not None:
                    self.run(displaced, displaced.displaced(now), now)
            else:
                self._flow(user, effect, now)
        if user.over:
            self._forget_name(user)
            if not user.finished:
                user = self._slimmed(user)
        if user.finished:
            self.timers.forget(user)
            user.let_go()
        else:
            self.timers.schedule(user)

    def learn(self, host: str, port: int, flow: int) -> None:
        """See ``Network.learn``."""
        self._network.learn(host, port, flow)

    def timeout(self, now: float) -> None:
        """Lets everything that is due happen."""
        for user in self.timers.due(now):
            self.run(user, user.timeout(now), now)

    def send_stateless(self, response: Response, hop: Hop, now: float) -> None:
        """Sends a response that no user stands behind."""
        self._transmit(None, Transmit(hop, response.encode(), response), now)

    def send_octets(self, data: bytes, status: int, hop: Hop) -> None:
        """The same of a response that was never a message: nobody traces it."""
        counters = self.counters
        counters["messages_sent"] += 1
        counters[_SENT[status // 100]] += 1
        try:
            self._network.send(hop, data, None)
        except Unreachable:
            # As ``send_stateless``: the request will be repeated.
            counters["transport_failures"] += 1

    def fail(self, token: Hashable, failure: Failure, now: float = 0.0) -> None:
        """A command came to nothing before it reached a user."""
        failed = Failed(token=token, failure=failure)
        if isinstance(token, Listener):
            token.heard(failed, now)
        else:
            self.outbox.append(failed)

    def trace(
        self,
        message: Message,
        data: bytes,
        source: Source,
        user: TransactionUser | None,
        now: float,
        *,
        again: bool = False,
    ) -> None:
        """A message came in, and this is whose it is; noted where somebody traces."""
        if self.tracing:
            resource = user.name if user is not None else ""
            self.outbox.append(tracing.received(message, data, source, resource, now, again=again))

    def _hear(self, listener: Listener, output: Occurred | Completed | Failed, now: float) -> None:
        """What a load hears in the place of the application, or besides it."""
        if isinstance(output, Occurred):
            self._learn(output.event)
            if listener.publishes:
                self.outbox.append(output)
        listener.heard(output, now)

    def _learn(self, event: Event) -> None:
        if isinstance(event, RegistrationChanged):
            registration = event.registration
            aor = registration.aor.uri.aor
            if registration.state is RegistrationState.TERMINATED:
                self._accounts.drop(aor, registration.name)
            else:
                self._accounts.learn(aor, registration)
        elif isinstance(event, (SubscriptionChanged, NotificationReceived)):
            self._note(event.subscription)

    def _note(self, subscription: SubscriptionSnapshot) -> None:
        if subscription.state is SubscriptionState.TERMINATED:
            self.subscriptions.pop(subscription.name, None)
        else:
            self.subscriptions[subscription.name] = subscription

    # Flows that are kept alive (RFC 5626 section 4.4).

    def _flow(self, user: TransactionUser, effect: FlowEffect, now: float) -> None:
        if isinstance(effect, KeepFlow):
            flow = self.flows.open(effect)
            self.run(flow.keeper, flow.keep(user, effect, now), now)
        elif isinstance(effect, HoldFlow):
            self.held.note(effect.flow, effect.until)
        elif isinstance(effect, LeaveFlow):
            left = self.flows.leave(user, effect.key)
            if left is not None:
                self.run(left, left.stop(), now)
        elif isinstance(effect, Probe):
            try:
                self._network.send(effect.hop, effect.data, None)
            except Unreachable as error:
                self.flow_failed(effect.hop.flow_key, str(error), now)
        elif isinstance(effect, FlowAnswered):
            key = self.flows.key_of(user)
            for each in self.flows.users(key):
                self.run(each, each.flow_answered(key, now), now)
        else:
            self.flow_failed(self.flows.key_of(user), effect.detail, now)

    def flows_needed(self, flows: frozenset[int], now: float) -> set[int]:
        """Those of these connections whose far end has a transaction, a dialog or a registration
        here, or that are kept alive."""
        needed = {user.flow for user in self.routes.values()}
        needed.update(user.flow for user in self.registrations.values())
        return {
            flow
            for flow in flows
            if flow in needed
            or self.held.needs(flow, now)
            or self.flows.keeper(("flow", flow)) is not None
        }

    def flow_failed(self, key: Hashable, detail: str, now: float) -> None:
        """A flow leads nowhere any more: whoever uses it is told."""
        flow = self.flows.drop(key)
        if flow is None:
            return
        self.counters["flows_failed"] += 1
        self.run(flow.keeper, flow.keeper.stop(), now)
        for user in flow.users:
            self.run(user, user.flow_failed(key, detail, now), now)

    def _locate(self, user: TransactionUser, effect: Locate, now: float) -> list[Effect]:
        try:
            hops = self._network.locate(effect.target, Ticket(user, effect.ticket))
        except Unreachable as error:
            return user.not_located(effect.ticket, str(error), now)
        return [] if hops is None else self.located(user, effect.ticket, hops, now)

    def located(
        self, user: TransactionUser, ticket: int, hops: tuple[Hop, ...], now: float
    ) -> list[Effect]:
        """Gives a user the hops that it asked for."""
        dressed = tuple(
            self._accounts.dress(hop, user.aor, anonymous=user.anonymous) for hop in hops
        )
        return user.located(ticket, dressed, now)

    def dress(self, hop: Hop, aor: str, *, anonymous: bool = False) -> Hop:
        """The way back to a peer, with what the registration of the address called knows."""
        return self._accounts.dress(hop, aor, incoming=True, anonymous=anonymous)

    def _transmit(self, user: TransactionUser | None, effect: Transmit, now: float) -> list[Effect]:
        counters = self.counters
        counters["messages_sent"] += 1
        listener = user.listener if user is not None else None
        if effect.retransmission:
            counters["retransmissions_sent"] += 1
            if listener is not None:
                listener.sent_again()
        if isinstance(effect.message, Response):
            counters[_SENT[effect.message.status // 100]] += 1
        if self.tracing:
            resource = user.name if user is not None else ""
            self.outbox.append(tracing.sent(effect, resource, now))
        sender = None if user is None else Sender(user, effect, self._worker)
        hop = effect.hop
        try:
            if listener is not None and not listener.may_send(hop.host, hop.port):
                raise Unreachable(f"{hop.host} is no target that a load may have")
            self._network.send(hop, effect.data, sender)
        except Unreachable as error:
            counters["transport_failures"] += 1
            if user is not None:
                return self._not_sent(user, effect, str(error), now)
        return []

    def failed(self, sender: Sender | None, detail: str, flow: int, now: float) -> None:
        """A message that the network had taken could not leave after all."""
        self.counters["transport_failures"] += 1
        if sender is None:
            return
        user, effect = sender.user, sender.effect
        closed = flow != 0 and flow == effect.hop.flow
        self.run(user, self._not_sent(user, effect, detail, now, closed=closed), now)

    def undelivered(self, quote: bytes, detail: str, now: float) -> None:
        """A datagram came back (RFC 3261 section 18.4)."""
        key = key_of_quote(quote)
        user = self.routes.get(key)
        if user is None:
            return
        self.counters["transport_failures"] += 1
        response = user.last_response(key)
        if response is None:
            self.run(user, user.came_back(key, detail, now), now)
        else:
            self.run(user, self._not_sent(user, response, detail, now), now)

    def _not_sent(
        self,
        user: TransactionUser,
        effect: Transmit,
        detail: str,
        now: float,
        *,
        closed: bool = False,
    ) -> list[Effect]:
        if isinstance(effect.message, Response) and not isinstance(user, Redelivery):
            again = Redelivery(user.name, self._context, effect)
            self.run(again, again.start(now, closed=closed), now)
            return []
        return user.transport_failed(effect.key, detail, now)

    # The end of users.

    def _slimmed(self, user: TransactionUser) -> TransactionUser:
        """A user that is over, or what is enough of it for as long as its transactions last."""
        remains = user.remains()
        if remains is None:
            return user
        for key in remains.keys:
            if self.routes.get(key) is user:
                self.routes[key] = remains
        self.timers.forget(user)
        user.let_go()
        listener = user.listener
        if listener is not None and listener.user is user:
            listener.user = remains
        return remains

    def _forget_name(self, user: TransactionUser) -> None:
        if isinstance(user, Call):
            self.calls.pop(user.name, None)
        elif isinstance(user, Registration):
            self.registrations.pop(user.name, None)
        elif isinstance(user, Subscriber):
            self.subscribers.pop(user.name, None)
        elif isinstance(user, Publication):
            self.publications.pop(user.name, None)
        else:
            return
        if self._farewell.left(user):
            self.timers.schedule(self._farewell)
        self._check_ended()

    def end_all(self, ended: Callable[[], None], now: float) -> None:
        """Ends all that lives; ``ended`` is called when the last one is gone."""
        users = (*self.standing(), *self.calls.values())
        self._waiting_for_end.append(ended)
        self.run(self._farewell, self._farewell.begin(users, now), now)
        self._check_ended()

    def _end(self, user: TransactionUser, now: float) -> None:
        assert isinstance(user, (Call, Registration, Subscriber, Publication)), user
        self.run(user, user.shut_down(now), now)

    def abandon_all(self, now: float) -> None:
        """Ends what is left at once: nobody answers, and the server goes."""
        for standing in self.standing():
            self.run(standing, standing.abandon(now), now)
        for call in list(self.calls.values()):
            self.run(call, call.abandon(now), now)

    def standing(self) -> list[Standing]:
        """All that stands for a time, calls apart."""
        return [
            *self.registrations.values(),
            *self.subscribers.values(),
            *self.publications.values(),
        ]

    @property
    def _lives(self) -> bool:
        return bool(self.calls or self.registrations or self.subscribers or self.publications)

    def _check_ended(self) -> None:
        if not self._lives:
            waiting, self._waiting_for_end = self._waiting_for_end, []
            for ended in waiting:
                ended()

    def compact(self) -> None:
        """Makes the tables as large as what is in them: a dict keeps the size that it once had."""
        self.routes = dict(self.routes)
        self.calls = dict(self.calls)
        self.registrations = dict(self.registrations)
        self.subscribers = dict(self.subscribers)
        self.publications = dict(self.publications)
        self.subscriptions = dict(self.subscriptions)

    # Figures.

    def snapshot(self) -> Snapshot:
        """All that lives."""
        return Snapshot(
            calls=tuple(call.snapshot() for call in self.calls.values()),
            registrations=tuple(each.snapshot() for each in self.registrations.values()),
            subscriptions=tuple(self.subscriptions.values()),
        )

    @property
    def idle(self) -> bool:
        """Whether nothing at all is left: no user, no routing key, no timer that matters."""
        return not (self._lives or self.routes) and self.timers.idle
