"""One worker's world, without its thread and sockets: users, routing tables, timers.

The core hands each message, command and deadline to the user that it belongs to, and
carries out the effects. Time comes in as ``now``; what leaves is ``Network.send`` and
the outputs in ``outbox``. So it runs under a fake clock and in memory just as well.
"""

from __future__ import annotations

import heapq
import secrets
from collections import defaultdict, deque
from collections.abc import Callable, Hashable

from picosip_server.engine.accounts import Account, Accounts
from picosip_server.engine.audience import Audience, Nobody
from picosip_server.engine.complaints import Complaints
from picosip_server.engine.config import EngineConfig
from picosip_server.engine.gate import Gate
from picosip_server.engine.identity import RandomIdentity
from picosip_server.engine.intake import (
    answer_to_faulty,
    check,
    stamp,
    stateless_response,
    way_back,
)
from picosip_server.engine.network import Network, Sender, Source, Ticket, Unreachable
from picosip_server.engine.snapshot import Snapshot
from picosip_server.engine.stats import EngineStats
from picosip_server.sip.dialog import plan
from picosip_server.sip.errors import LocalProtocolError, ParseError, RemoteProtocolError
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Message, Request, Response
from picosip_server.sip.parse import parse
from picosip_server.sip.ua import commands, inspect
from picosip_server.sip.ua.call.base import Call
from picosip_server.sip.ua.call.incoming import IncomingCall
from picosip_server.sip.ua.call.outgoing import OutgoingCall
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.effects import Bind, Effect, Locate, Transmit, Unbind
from picosip_server.sip.ua.events import RegistrationChanged
from picosip_server.sip.ua.failures import invalid, not_found
from picosip_server.sip.ua.incoming_request import IncomingRequestUser
from picosip_server.sip.ua.keys import (
    dialog_key,
    is_transaction,
    merge_key,
    response_key,
    server_key,
)
from picosip_server.sip.ua.outgoing_request import OutgoingRequestUser
from picosip_server.sip.ua.outputs import (
    Completed,
    Failed,
    Failure,
    FailureKind,
    Occurred,
    Output,
    Traced,
)
from picosip_server.sip.ua.pending import request_key
from picosip_server.sip.ua.registration import Registration
from picosip_server.sip.ua.snapshots import RegistrationState
from picosip_server.sip.ua.user import TransactionUser
from picosip_server.sip.uri import Uri

RETRY_AFTER = (("Retry-After", "5"),)


class Core:
    """Not thread-safe: all of it belongs to one thread."""

    def __init__(
        self,
        config: EngineConfig,
        network: Network,
        *,
        worker: int = 0,
        accounts: Accounts | None = None,
        gate: Gate | None = None,
        identity: RandomIdentity | None = None,
    ) -> None:
        self._config = config
        self._worker = worker
        self._network = network
        self._accounts = accounts if accounts is not None else Accounts()
        self._gate = gate if gate is not None else Gate(config.users)
        self._identity = identity or RandomIdentity(config.node, worker)
        self._secret = secrets.token_bytes(16)
        self._context = Context(
            identity=self._identity,
            timers=config.timers,
            user_agent=config.user_agent,
            outbound_proxy=_as_route(config.outbound_proxy),
            attach_wait=config.attach_wait,
            answer_timeout=config.answer_timeout,
            respond_timeout=config.respond_timeout,
            offer_timeout=config.offer_timeout,
            hears=self._hears,
        )
        self.outbox: list[Output] = []
        self.tracing = False
        self._audience: Audience = Nobody()
        self._routes: dict[Hashable, TransactionUser] = {}
        self._calls: dict[str, Call] = {}
        self._registrations: dict[str, Registration] = {}
        self._timers: list[tuple[float, int, TransactionUser]] = []
        self._timer_count = 0
        self._counters: dict[str, int] = defaultdict(int)
        self._complaints = Complaints()
        self._refusing = False
        self._ended: Callable[[], None] | None = None

    # Time.

    def deadline(self) -> float | None:
        """When ``timeout`` wants to be called."""
        return self._timers[0][0] if self._timers else None

    def timeout(self, now: float) -> None:
        """Lets everything that is due happen."""
        timers = self._timers
        while timers and timers[0][0] <= now:
            due, _, user = heapq.heappop(timers)
            if user.scheduled != due:
                continue
            user.scheduled = None
            self._run(user, user.timeout(now), now)

    def _schedule(self, user: TransactionUser) -> None:
        due = user.deadline()
        if due is None:
            user.scheduled = None
            return
        # A later deadline than the one noted waits for the note to come up: most timers
        # are taken back long before they fire, and need no work then.
        if user.scheduled is None or due < user.scheduled:
            user.scheduled = due
            self._timer_count += 1
            heapq.heappush(self._timers, (due, self._timer_count, user))

    # Messages in.

    def receive(self, data: bytes, source: Source, now: float, *, stream: bool = False) -> None:
        """A datagram, or one frame of a stream."""
        self._counters["messages_received"] += 1
        try:
            message = parse(data, stream=stream)
        except ParseError as error:
            self.faulty(error, source, now)
            return
        try:
            check(message)
        except RemoteProtocolError as error:
            request = message if isinstance(message, Request) else None
            self.faulty(ParseError(str(error), error.status, request=request), source, now)
            return
        if isinstance(message, Response):
            self._receive_response(message, data, source, now)
        else:
            self._receive_request(message, data, source, now)

    def faulty(self, error: ParseError, source: Source, now: float) -> None:
        """Octets that are no valid message: answered if they can be, and counted."""
        self._counters["parse_errors"] += 1
        self._complaints.about(
            source.host, now, "bad message", fault=str(error), status=error.status
        )
        request = error.request
        if request is None:
            return
        try:
            stamp(request, source)
            hop = way_back(request, source)
        except RemoteProtocolError:
            # Its Via cannot be read: there is no way back (RFC 3261 section 18.2.2).
            return
        response = answer_to_faulty(request, error.status, str(error), self._secret)
        if response is not None:
            self._send_stateless(response, hop, now)

    def _receive_response(
        self, response: Response, data: bytes, source: Source, now: float
    ) -> None:
        self._counters[f"responses_received_{response.status // 100}xx"] += 1
        # 8.1.3.3: a response with a second Via is not for us.
        user = None
        if len(response.headers.elements("Via")) == 1:
            user = self._routes.get(response_key(response))
        if self.tracing:
            self._trace_in(response, data, source, user, now)
        if user is None:
            self._counters["responses_unmatched"] += 1
            return
        self._run(user, user.receive_response(response_key(response), response, now), now)

    def _receive_request(self, request: Request, data: bytes, source: Source, now: float) -> None:
        stamp(request, source)
        hop = way_back(request, source)
        key = server_key(request)
        user = self._routes.get(key)
        if user is not None and request.method != "CANCEL":
            again = request.method != "ACK"
            if again:
                self._counters["retransmissions_received"] += 1
            if self.tracing:
                self._trace_in(request, data, source, user, now, retransmission=again)
            self._run(user, user.receive_again(key, request, now), now)
            return
        if request.method == "CANCEL":
            self._receive_cancel(request, data, source, hop, now)
            return
        if request.to.tag:
            user = self._routes.get(dialog_key(request.call_id, request.to.tag))
            if self.tracing:
                self._trace_in(request, data, source, user, now)
            if isinstance(user, Call):
                self._run(user, user.receive_request(request, hop, now), now)
            elif request.method != "ACK":
                # 12.2.2: a request of a dialog that does not exist.
                self._refuse(request, hop, inspect.Refusal(481), now)
            return
        if request.method == "ACK":
            if self.tracing:
                self._trace_in(request, data, source, None, now)
            self._counters["acks_unmatched"] += 1
            return
        self._receive_new(request, data, source, hop, now)

    def _receive_cancel(
        self, request: Request, data: bytes, source: Source, hop: Hop, now: float
    ) -> None:
        key = server_key(request)
        user = self._routes.get(key)
        if user is not None:
            self._counters["retransmissions_received"] += 1
            if self.tracing:
                self._trace_in(request, data, source, user, now, retransmission=True)
            self._run(user, user.receive_again(key, request, now), now)
            return
        key = server_key(request, "INVITE")
        user = self._routes.get(key)
        if self.tracing:
            self._trace_in(request, data, source, user, now)
        if user is None:
            self._refuse(request, hop, inspect.Refusal(481), now)
            return
        self._run(user, user.receive_cancel(key, request, hop, now), now)

    # Requests outside dialogs.

    def _receive_new(
        self, request: Request, data: bytes, source: Source, hop: Hop, now: float
    ) -> None:
        method = request.method
        claimed = method != "INVITE" and self._audience.claims(method)
        who = ""
        try:
            refusal = self._refuse_new_work(request)
            refusal = refusal or inspect.refuse_method(request, claimed)
            if refusal is None:
                who, refusal = self._gate.check(request, now)
            refusal = refusal or self._inspect(request, claimed)
        except RemoteProtocolError as error:
            self.faulty(ParseError(str(error), error.status, request=request), source, now)
            return
        if refusal is not None or not (claimed or method == "INVITE"):
            if self.tracing:
                self._trace_in(request, data, source, None, now)
            accept = self._config.accept
            answer = refusal or inspect.Refusal(200, tuple(inspect.option_answer(accept)))
            self._refuse(request, hop, answer, now)
            return
        if method == "INVITE":
            call = IncomingCall(
                self._identity.call_name(),
                self._context,
                request,
                hop,
                now,
                authenticated_user=who,
            )
            self._calls[call.name] = call
            if self.tracing:
                self._trace_in(request, data, source, call, now)
            call.start(now)
            self._run(call, call.flush(), now)
            return
        user = IncomingRequestUser(self._context)
        effects = user.hand_over(request, hop, now, authenticated_user=who)
        if self.tracing:
            self._trace_in(request, data, source, user, now)
        self._run(user, effects, now)

    def _refuse_new_work(self, request: Request) -> inspect.Refusal | None:
        full = (
            len(self._calls) >= self._config.max_calls
            or len(self._routes) >= self._config.max_transactions
        )
        if self._refusing or (full and request.method != "OPTIONS"):
            self._counters["refused_draining" if self._refusing else "refused_overload"] += 1
            return inspect.Refusal(503, RETRY_AFTER)
        return None

    def _inspect(self, request: Request, claimed: bool) -> inspect.Refusal | None:
        refusal = inspect.refuse_uri(request)
        if refusal is None and merge_key(request) in self._routes:
            # 8.2.2.2: the same request by another way.
            refusal = inspect.Refusal(482)
        refusal = refusal or inspect.refuse_extensions(request, claimed)
        if refusal is None and request.method == "INVITE":
            refusal = inspect.refuse_invite(request, self._config.accept)
        return refusal

    def _refuse(self, request: Request, hop: Hop, refusal: inspect.Refusal, now: float) -> None:
        response = stateless_response(request, refusal.status, self._secret, refusal.headers)
        self._send_stateless(response, hop, now)

    def _send_stateless(self, response: Response, hop: Hop, now: float) -> None:
        self._transmit(None, Transmit(hop, response.encode(), response), now)

    # Commands in.

    def submit(self, command: Command, now: float, call_id: str = "") -> None:
        """A command; ``call_id`` is for those that make something new."""
        try:
            self._submit(command, now, call_id)
        except LocalProtocolError as error:
            self._fail(command.token, invalid("options", str(error)))

    def _submit(self, command: Command, now: float, call_id: str) -> None:
        user: TransactionUser | None
        if isinstance(command, commands.Invite | commands.Register | commands.Ping):
            self._create(command, now, call_id)
            return
        if isinstance(command, commands.CallCommand):
            user = self._calls.get(command.name)
            name = command.name
        elif isinstance(command, commands.RegistrationCommand):
            user = self._registrations.get(command.name)
            name = command.name
        else:
            assert isinstance(command, commands.Respond)
            user = self._routes.get(request_key(command.name))
            name = command.name
        if user is None:
            self._fail(command.token, not_found(name))
        else:
            self._run(user, user.command(command, now), now)

    def _create(
        self,
        command: commands.Invite | commands.Register | commands.Ping,
        now: float,
        call_id: str,
    ) -> None:
        if self._refusing:
            self._counters["refused_draining"] += 1
            detail = "this server drains: it takes no new work; use another one"
            self._fail(command.token, Failure(kind=FailureKind.UNAVAILABLE, detail=detail))
            return
        if len(self._routes) >= self._config.max_transactions or (
            isinstance(command, commands.Invite) and len(self._calls) >= self._config.max_calls
        ):
            self._counters["refused_overload"] += 1
            detail = "this server holds as many calls or transactions as it may"
            self._fail(command.token, Failure(kind=FailureKind.EXHAUSTED, detail=detail))
            return
        if command.options.routes:
            plan(_anywhere(command), command.options.routes)
        if isinstance(command, commands.Invite):
            command = self._accounts.complete(command)
            call = OutgoingCall(
                self._identity.call_name(), self._context, command, call_id=call_id, now=now
            )
            self._calls[call.name] = call
            call.start(now)
            self._run(call, call.flush(), now)
        elif isinstance(command, commands.Register):
            name = self._identity.registration_name()
            registration = Registration(name, self._context, command, call_id=call_id)
            self._registrations[name] = registration
            account = Account(registration=name, credentials=command.credentials)
            self._accounts.put(command.aor.uri.aor, account)
            self._run(registration, registration.start(now), now)
        else:
            ping = OutgoingRequestUser(
                self._context,
                command.token,
                uri=command.uri,
                from_address=command.from_address,
                options=command.options,
                call_id=call_id,
            )
            self._run(ping, ping.start(now), now)

    def _fail(self, token: Hashable, failure: Failure) -> None:
        self.outbox.append(Failed(token=token, failure=failure))

    # What the network reports later.

    def located(self, ticket: Ticket, hops: tuple[Hop, ...], now: float) -> None:
        """The hops that ``Network.locate`` promised."""
        self._run(ticket.user, ticket.user.located(ticket.number, hops, now), now)

    def not_located(self, ticket: Ticket, detail: str, now: float) -> None:
        """There are none."""
        self._run(ticket.user, ticket.user.not_located(ticket.number, detail, now), now)

    def failed(self, sender: Sender, detail: str, now: float) -> None:
        """A message that was accepted for sending could not be sent after all."""
        self._counters["transport_failures"] += 1
        self._run(sender.user, sender.user.transport_failed(sender.key, detail, now), now)

    # Effects out.

    def _run(self, user: TransactionUser, effects: list[Effect], now: float) -> None:
        queue = deque(effects)
        while queue:
            effect = queue.popleft()
            if isinstance(effect, Transmit):
                queue.extend(self._transmit(user, effect, now))
            elif isinstance(effect, Occurred | Completed | Failed | Traced):
                self._output(effect)
            elif isinstance(effect, Bind):
                self._routes[effect.key] = user
            elif isinstance(effect, Unbind):
                if self._routes.get(effect.key) is user:
                    del self._routes[effect.key]
            else:
                queue.extend(self._locate(user, effect, now))
        if user.over:
            self._forget_name(user)
        if user.finished:
            user.scheduled = None
        else:
            self._schedule(user)

    def _output(self, output: Output) -> None:
        if isinstance(output, Occurred) and isinstance(output.event, RegistrationChanged):
            registration = output.event.registration
            aor = registration.aor.uri.aor
            if registration.state is RegistrationState.TERMINATED:
                self._accounts.drop(aor, registration.name)
            elif registration.state is RegistrationState.ACTIVE:
                self._accounts.route(aor, registration.name, registration.service_route)
        self.outbox.append(output)

    def _locate(self, user: TransactionUser, effect: Locate, now: float) -> list[Effect]:
        try:
            hops = self._network.locate(effect.target, Ticket(user, effect.ticket))
        except Unreachable as error:
            return user.not_located(effect.ticket, str(error), now)
        return [] if hops is None else user.located(effect.ticket, hops, now)

    def _transmit(self, user: TransactionUser | None, effect: Transmit, now: float) -> list[Effect]:
        counters = self._counters
        counters["messages_sent"] += 1
        if effect.retransmission:
            counters["retransmissions_sent"] += 1
        if isinstance(effect.message, Response):
            counters[f"responses_sent_{effect.message.status // 100}xx"] += 1
        if self.tracing:
            self._trace_out(effect, user, now)
        sender = Sender(user, effect.key, self._worker) if user is not None else None
        try:
            self._network.send(effect.hop, effect.data, sender)
        except Unreachable as error:
            counters["transport_failures"] += 1
            if user is not None:
                return user.transport_failed(effect.key, str(error), now)
        return []

    def _forget_name(self, user: TransactionUser) -> None:
        if isinstance(user, Call):
            self._calls.pop(user.name, None)
        elif isinstance(user, Registration):
            self._registrations.pop(user.name, None)
        else:
            return
        self._check_ended()

    # What the server asks.

    def _hears(self, resource: str, labels: object) -> bool:
        return self._audience.hears(resource, labels)  # type: ignore[arg-type]

    def set_audience(self, audience: Audience, now: float) -> None:
        """Other applications listen now."""
        self._audience = audience
        for call in list(self._calls.values()):
            if isinstance(call, IncomingCall):
                self._run(call, call.audience_changed(now), now)

    def snapshot(self) -> Snapshot:
        """All that lives."""
        return Snapshot(
            calls=tuple(call.snapshot() for call in self._calls.values()),
            registrations=tuple(each.snapshot() for each in self._registrations.values()),
        )

    def refuse_new_work(self) -> None:
        """From now on nothing new begins."""
        self._refusing = True

    def end_all(self, ended: Callable[[], None], now: float) -> None:
        """Ends all calls and registrations; ``ended`` is called when the last one is gone."""
        for registration in list(self._registrations.values()):
            self._run(registration, registration.shut_down(now), now)
        for call in list(self._calls.values()):
            self._run(call, call.shut_down(now), now)
        self._ended = ended
        self._check_ended()

    def _check_ended(self) -> None:
        if self._ended is not None and not self._calls and not self._registrations:
            ended, self._ended = self._ended, None
            ended()

    def stats(self) -> EngineStats:
        """Figures of this core. Read from other threads: each figure is right, their sum
        of one moment only roughly."""
        by_state: dict[str, int] = defaultdict(int)
        for call in list(self._calls.values()):
            by_state[call.state.name.lower()] += 1
        return EngineStats(
            active_calls=len(self._calls),
            active_registrations=len(self._registrations),
            active_transactions=sum(map(is_transaction, list(self._routes))),
            calls_by_state=dict(by_state),
            counters=dict(self._counters),
        )

    @property
    def idle(self) -> bool:
        """Whether nothing at all is left: no user, no routing key, no timer that matters."""
        return not (
            self._calls
            or self._registrations
            or self._routes
            or any(user.scheduled == due for due, _, user in self._timers)
        )

    # Tracing.

    def _trace_in(
        self,
        message: Message,
        data: bytes,
        source: Source,
        user: TransactionUser | None,
        now: float,
        *,
        retransmission: bool = False,
    ) -> None:
        self.outbox.append(
            Traced(
                at=now,
                sent=False,
                message=message,
                raw=data,
                transport=source.transport,
                local=(source.local_host, source.local_port),
                remote=(source.host, source.port),
                resource=user.name if user is not None else "",
                retransmission=retransmission,
            )
        )

    def _trace_out(self, effect: Transmit, user: TransactionUser | None, now: float) -> None:
        hop = effect.hop
        self.outbox.append(
            Traced(
                at=now,
                sent=True,
                message=effect.message,
                raw=effect.data,
                transport=hop.transport,
                local=(hop.local_host, hop.local_port),
                remote=(hop.host, hop.port),
                resource=user.name if user is not None else "",
                retransmission=effect.retransmission,
            )
        )


def _anywhere(command: commands.Invite | commands.Register | commands.Ping) -> Uri:
    """The target that a command's routes lead to, for checking that they can be read."""
    if isinstance(command, commands.Invite):
        return command.request_uri or command.to_address.uri
    return command.registrar if isinstance(command, commands.Register) else command.uri


def _as_route(proxy: str) -> str:
    """An outbound proxy as a preloaded route: loose, since all proxies of today are."""
    if not proxy:
        return ""
    uri = Uri.parse(proxy)
    if not uri.params.has("lr"):
        uri = uri.with_(params=uri.params.with_("lr", None))
    return f"<{uri}>"
