"""The transaction user: what calls, registrations and single requests have in common.

A user owns its transactions, in both roles, and its own alarms. It takes messages,
commands and the time, and returns effects; it performs nothing itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from picosip_server.mypyc import mypyc_attr
from picosip_server.sip.build import response_to
from picosip_server.sip.hop import Hop, Target
from picosip_server.sip.message import Request, Response
from picosip_server.sip.transaction.effects import Deliver, Effect as TransactionEffect, Ended, Send
from picosip_server.sip.transaction.machine import Machine
from picosip_server.sip.transaction.server import ServerTransaction
from picosip_server.sip.transaction.server_invite import ServerInviteTransaction
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.echo import Echo
from picosip_server.sip.ua.effects import Bind, Displace, Effect, Locate, Transmit, Unbind
from picosip_server.sip.ua.keys import merge_key, server_key
from picosip_server.sip.ua.listener import Listener
from picosip_server.sip.ua.outputs import Completed, Failed, Failure, FailureKind, Occurred

if TYPE_CHECKING:
    from picosip_server.sip.ua.attempt import Attempt
    from picosip_server.sip.ua.events import Event
    from picosip_server.sip.ua.remains import Remains


class Seeker(Protocol):
    """Who asked for the hops of a target."""

    def located(self, hops: tuple[Hop, ...], now: float) -> None:
        """The hops, in order of preference; maybe none."""

    def not_located(self, detail: str, now: float) -> None:
        """The name leads nowhere."""


@mypyc_attr(acyclic=True)
class Serving:
    """A server transaction with the request that it serves and the way back (18.2.2)."""

    __slots__ = ("hop", "key", "last", "machine", "merge", "request", "since")

    def __init__(
        self,
        request: Request,
        hop: Hop,
        machine: ServerInviteTransaction | ServerTransaction,
        key: Hashable,
        merge: Hashable | None,
        since: float,
    ) -> None:
        self.request = request
        self.hop = hop
        self.machine = machine
        self.key = key
        self.merge = merge
        self.since = since
        """When the request came."""
        self.last: Send | None = None
        """The latest response."""


# Whoever takes it out of the queue opens the circle that it is in with its user.
@mypyc_attr(acyclic=True)
class Entry:
    """When the engine is to wake a user; ``user`` None: it need not any more."""

    __slots__ = ("deadline", "number", "user")

    def __init__(self, deadline: float, number: int, user: TransactionUser) -> None:
        self.deadline = deadline
        self.number = number
        """Of several with one deadline the lower one comes first."""
        self.user: TransactionUser | None = user


class TransactionUser:
    """Base of all users. Subclasses override the ``on_...`` methods."""

    __slots__ = (
        "_alarms",
        "_attempts",
        "_located",
        "_out",
        "_servings",
        "_tickets",
        "anonymous",
        "aor",
        "context",
        "flow",
        "labels",
        "listener",
        "name",
        "over",
        "scheduled",
    )

    def __init__(self, name: str, context: Context, labels: Mapping[str, str]) -> None:
        self.name = name
        self.context = context
        self.labels = labels
        self.aor = ""
        """The address of record whose registration lends its contact; empty: none."""
        self.flow = 0
        """The connection that the far end was last heard over; 0: none."""
        self.anonymous = False
        """Its contact must not show who it is (RFC 3323)."""
        self.over = False
        """Nothing is left for the application; transactions may still linger."""
        self.listener: Listener | None = None
        """Who hears what comes of it in the place of the application; None: nobody."""
        self.scheduled: Entry | None = None
        """The engine's note: this user's entry among its timers."""
        self._out: list[Effect] = []
        self._alarms: dict[str, float] = {}
        self._attempts: dict[Hashable, Attempt] = {}
        self._servings: dict[Hashable, Serving] = {}
        self._located: dict[int, Seeker] = {}
        self._tickets = 0

    # What the engine calls.

    @property
    def finished(self) -> bool:
        """Whether the user can be forgotten."""
        return self.over and not (self._attempts or self._servings or self._located)

    def deadline(self) -> float | None:
        """The earliest time at which ``timeout`` has something to do."""
        # Asked for after each message: so it is written to be quick.
        earliest = min(self._alarms.values()) if self._alarms else None
        for attempt in self._attempts.values():
            due = attempt.machine.deadline()
            if due is not None and (earliest is None or due < earliest):
                earliest = due
        for serving in self._servings.values():
            due = serving.machine.deadline()
            if due is not None and (earliest is None or due < earliest):
                earliest = due
        return earliest

    def timeout(self, now: float) -> list[Effect]:
        """Fires what is due: transaction timers first, then alarms."""
        for attempt in list(self._attempts.values()):
            due = attempt.machine.deadline()
            if due is not None and due <= now:
                attempt.exchange.perform(attempt, attempt.machine.timeout(now), now)
        for serving in list(self._servings.values()):
            due = serving.machine.deadline()
            if due is not None and due <= now:
                self._perform(serving, serving.machine.timeout(now), now)
        if not self._alarms:
            return self.flush()
        for alarm, due in sorted(self._alarms.items(), key=lambda item: item[1]):
            if due <= now and self._alarms.get(alarm) == due:
                del self._alarms[alarm]
                self.on_alarm(alarm, now)
        return self.flush()

    def receive_response(
        self, key: Hashable, response: Response, now: float, *, flow: int = 0
    ) -> list[Effect]:
        """A response to one of this user's client transactions, and the connection it came by."""
        attempt = self._attempts.get(key)
        if attempt is not None:
            attempt.flow = flow
            self.flow = flow or self.flow
            attempt.exchange.perform(attempt, attempt.machine.receive(response, now), now)
        return self.flush()

    def receive_again(self, key: Hashable, request: Request, now: float) -> list[Effect]:
        """A request that matches one of this user's server transactions."""
        serving = self._servings.get(key)
        if serving is not None:
            self._perform(serving, serving.machine.receive(request, now), now)
        return self.flush()

    def receive_cancel(self, key: Hashable, cancel: Request, hop: Hop, now: float) -> list[Effect]:
        """A CANCEL for one of this user's server transactions (RFC 3261 section 9.2)."""
        own = self.serve(cancel, hop, now)
        # 9.2: its To tag is to be that of the responses to the request cancelled.
        self.respond(own, now, 200, to_tag=self.local_tag())
        serving = self._servings.get(key)
        if serving is not None:
            self.on_cancelled(serving, cancel, now)
        return self.flush()

    def located(self, ticket: int, hops: tuple[Hop, ...], now: float) -> list[Effect]:
        """The answer to ``Locate``: hops in order of preference."""
        exchange = self._located.pop(ticket, None)
        if not self._located:
            self._located = {}
        if exchange is not None:
            exchange.located(hops, now)
        return self.flush()

    def not_located(self, ticket: int, detail: str, now: float) -> list[Effect]:
        """The answer to ``Locate`` where the name leads nowhere."""
        exchange = self._located.pop(ticket, None)
        if exchange is not None:
            exchange.not_located(detail, now)
        return self.flush()

    def transport_failed(self, key: Hashable, detail: str, now: float) -> list[Effect]:
        """A ``Transmit`` with this key could not be carried out (section 17.1.4, 17.2.4)."""
        attempt = self._attempts.get(key)
        if attempt is not None:
            attempt.exchange.transport_failed(attempt, detail, now)
        return self.flush()

    def came_back(self, key: Hashable, detail: str, now: float) -> list[Effect]:
        """A datagram of this client transaction met with an ICMP error (section 18.4)."""
        attempt = self._attempts.get(key)
        if attempt is not None and attempt.waits:
            attempt.exchange.transport_failed(attempt, detail, now)
        return self.flush()

    def last_response(self, key: Hashable) -> Transmit | None:
        """What this server transaction has sent last; None: nothing, or it is none of these."""
        serving = self._servings.get(key)
        if serving is None or serving.last is None:
            return None
        last = serving.last
        return Transmit(serving.hop, last.data, last.message, key)

    def flow_answered(self, key: Hashable, now: float) -> list[Effect]:
        """A keep-alive on a flow that this user asked to keep was answered."""
        return self.flush()

    def flow_failed(self, key: Hashable, detail: str, now: float) -> list[Effect]:
        """A flow that this user asked to keep leads nowhere any more; it need not be left."""
        return self.flush()

    def let_go(self) -> None:
        """It is finished, and nothing comes to it any more: what refers back to it goes, so
        that its memory is free at once and need not wait for the collector."""

    def remains(self) -> Remains | None:
        """Who takes the place of this user for the rest of its transactions, now that it is over;
        None: it is still needed itself."""
        return None

    def rest(self, provided: Attempt | None = None) -> list[Echo] | None:
        """Gives its transactions away, where all of them rest and nothing else can come to it;
        None: that is not so yet. What may come to ``provided`` is provided for by whoever asks."""
        if self._alarms or self._located:
            return None
        attempts, servings = self._attempts.values(), self._servings.values()
        if not all(each is provided or each.machine.rests for each in attempts):
            return None
        if not all(each.machine.rests for each in servings):
            return None
        echoes = [_echo(each.key, None, each.hop, each.machine) for each in attempts]
        echoes += [_echo(each.key, each.merge, each.hop, each.machine) for each in servings]
        for attempt in attempts:
            attempt.exchange.close()
        self._attempts, self._servings = {}, {}
        return echoes

    def command(self, command: Command, now: float) -> list[Effect]:
        """A command of the application."""
        raise NotImplementedError

    def flush(self) -> list[Effect]:
        """The effects gathered so far."""
        out = self._out
        self._out = []
        return out

    # What subclasses override.

    def local_tag(self) -> str:
        """The To tag of this user's own responses; empty where it has none."""
        return ""

    def on_alarm(self, alarm: str, now: float) -> None:
        """An alarm went off."""

    def on_cancelled(self, serving: Serving, cancel: Request, now: float) -> None:
        """The peer cancelled a request that is being served."""

    def on_cancel_sent(self, now: float) -> None:
        """Our CANCEL is on its way."""

    def on_cancel_answered(self, now: float) -> None:
        """Our CANCEL was answered, or will not be."""

    def on_ack(self, serving: Serving, ack: Request, now: float) -> None:
        """An ACK came that belongs to an accepted INVITE transaction."""

    def on_served(self, serving: Serving) -> None:
        """A server transaction has ended."""

    def on_unacknowledged(self, serving: Serving, now: float) -> None:
        """Timer H: no ACK came for a refused INVITE (17.2.1)."""

    # What subclasses use.

    def emit(self, event: Event) -> None:
        """Tells the application."""
        self._out.append(Occurred(event=event))

    def complete(self, token: Hashable, value: object) -> None:
        """A command is done."""
        self._out.append(Completed(token=token, value=value))

    def fail(self, token: Hashable, failure: Failure) -> None:
        """A command failed."""
        self._out.append(Failed(token=token, failure=failure))

    def fail_state(self, token: Hashable, state: str, detail: str) -> None:
        """A command does not fit the present state."""
        self.fail(token, Failure(kind=FailureKind.WRONG_STATE, detail=detail, state=state))

    def alarm(self, name: str, deadline: float) -> None:
        """Sets an alarm, or moves it."""
        self._alarms[name] = deadline

    def disarm(self, *names: str) -> None:
        """Takes alarms back."""
        for name in names:
            self._alarms.pop(name, None)

    def bind(self, key: Hashable) -> None:
        """Claims a routing key."""
        self._out.append(Bind(key))

    def unbind(self, key: Hashable) -> None:
        """Gives a routing key back."""
        self._out.append(Unbind(key))

    def displace(self, call: str) -> None:
        """Has another call end, since this one takes its place."""
        self._out.append(Displace(call))

    def serve(self, request: Request, hop: Hop, now: float) -> Serving:
        """Begins a server transaction."""
        reliable = hop.reliable
        self.flow = hop.flow or self.flow
        timers = self.context.timers
        key = server_key(request)
        machine: ServerInviteTransaction | ServerTransaction
        if request.method == "INVITE":
            machine = ServerInviteTransaction(request, reliable=reliable, timers=timers)
        else:
            machine = ServerTransaction(request, reliable=reliable, timers=timers)
        # 8.2.2.2: only a request outside a dialog can be merged; a CANCEL is hop by hop.
        merge = None if request.to.tag or request.method == "CANCEL" else merge_key(request)
        serving = Serving(request, hop, machine, key, merge, now)
        self._servings[key] = serving
        self.bind(key)
        if merge is not None:
            self.bind(merge)
        return serving

    def respond(
        self,
        serving: Serving,
        now: float,
        status: int,
        reason: str = "",
        *,
        to_tag: str = "",
        headers: Iterable[tuple[str, str]] = (),
        content_type: str = "",
        body: bytes = b"",
    ) -> Response:
        """Sends a response through its server transaction, and returns it."""
        response = response_to(
            serving.request,
            status,
            reason,
            to_tag=to_tag,
            headers=headers,
            content_type=content_type,
            body=body,
            delay=now - serving.since,
        )
        self.send_response(serving, response, now)
        return response

    def send_response(self, serving: Serving, response: Response, now: float) -> None:
        """Sends a response that is already made (again, where it is a 2xx to INVITE)."""
        self._perform(serving, serving.machine.respond(response, now), now)

    def transmit(self, hop: Hop, send: Send, key: Hashable = None) -> None:
        """Puts a message on its way."""
        self._out.append(Transmit(hop, send.data, send.message, key, send.retransmission))

    def locate(self, exchange: Seeker, target: Target) -> None:
        """Asks for the hops of a target on behalf of an exchange."""
        self._tickets += 1
        self._located[self._tickets] = exchange
        self._out.append(Locate(self._tickets, target))

    def adopt(self, key: Hashable, attempt: Attempt) -> None:
        """Takes in a client transaction."""
        self._attempts[key] = attempt
        self.bind(key)

    def forsake(self) -> None:
        """Drops all requests of its own that are under way: nobody hears how they end."""
        for key in list(self._attempts):
            self.dismiss(key)
        self._located.clear()

    def dismiss(self, key: Hashable) -> None:
        """Forgets a client transaction."""
        if self._attempts.pop(key, None) is not None:
            self.unbind(key)
            if not self._attempts:
                self._attempts = {}

    def _perform(self, serving: Serving, effects: list[TransactionEffect], now: float) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                serving.last = effect
                self.transmit(serving.hop, effect, serving.key)
            elif isinstance(effect, Deliver):
                assert isinstance(effect.message, Request)
                self.on_ack(serving, effect.message, now)
            elif isinstance(effect, Ended):
                if self._servings.pop(serving.key, None) is not None:
                    self.unbind(serving.key)
                    if serving.merge is not None:
                        self.unbind(serving.merge)
                    if not self._servings:
                        # A dictionary keeps the size that it once had.
                        self._servings = {}
                    self.on_served(serving)
            else:
                self.on_unacknowledged(serving, now)


def _echo(key: Hashable, merge: Hashable | None, hop: Hop, machine: Machine) -> Echo:
    until = machine.deadline()
    assert until is not None, "a machine that rests has its last timer"
    return Echo(key, merge, hop, machine.again(), until)


def earlier(left: float | None, right: float | None) -> float | None:
    """The earlier of two deadlines, where None is never."""
    if left is None:
        return right
    return left if right is None or left <= right else right
