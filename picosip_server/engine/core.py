"""One worker's world, without its thread and sockets.

The core hands each message, command and deadline to the user that it belongs to, and
carries out the effects. Time comes in as ``now``; what leaves is ``Network.send`` and
the outputs in ``outbox``. So it runs under a fake clock and in memory just as well.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace

from picosip_server.engine.accounts import Accounts
from picosip_server.engine.admission import Admission
from picosip_server.engine.audience import Audience
from picosip_server.engine.census import census
from picosip_server.engine.complaints import Complaints
from picosip_server.engine.config import EngineConfig
from picosip_server.engine.descriptions import SdpDescriptions
from picosip_server.engine.gate import Gate
from picosip_server.engine.guard.door import Door
from picosip_server.engine.guard.guard import Guard
from picosip_server.engine.guard.overload import Pressure
from picosip_server.engine.identity import RandomIdentity
from picosip_server.engine.load.loads import Loads
from picosip_server.engine.network import Network, Sender, Source, Ticket
from picosip_server.engine.orders import Orders
from picosip_server.engine.population import Population
from picosip_server.engine.reception import Reception
from picosip_server.engine.snapshot import Snapshot
from picosip_server.engine.stats import EngineStats
from picosip_server.engine.trunks import Trunks
from picosip_server.sip.dialog import loose_route
from picosip_server.sip.errors import ParseError
from picosip_server.sip.hop import Hop
from picosip_server.sip.stun import StunMessage
from picosip_server.sip.ua.call.incoming import IncomingCall
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.outputs import Output
from picosip_server.sip.ua.registration.pacing import Pacing
from picosip_server.sip.uri import Uri

_NODES = uuid.UUID("6f0b8a53-9c1e-4a53-8f6f-6d1f1f9f2c57")
"""Name space of the instance ids made from names of nodes (RFC 4122 section 4.3)."""


class Core:
    """Not thread-safe: all of it belongs to one thread."""

    def __init__(
        self,
        config: EngineConfig,
        network: Network,
        *,
        worker: int = 0,
        workers: int = 1,
        accounts: Accounts | None = None,
        gate: Gate | None = None,
        complaints: Complaints | None = None,
        identity: RandomIdentity | None = None,
        guard: Guard | None = None,
        pressure: Pressure | None = None,
    ) -> None:
        accounts = accounts if accounts is not None else Accounts()
        identity = identity or RandomIdentity(config.node, worker, workers=workers)
        self.context = Context(
            identity=identity,
            timers=config.timers,
            user_agent=config.user_agent,
            outbound_proxy=_as_route(config.outbound_proxy),
            instance_id=config.instance_id,
            node_instance=uuid.uuid5(_NODES, config.node).urn,
            # What is advertised is right, whatever others see.
            learns_contact=not config.advertise_host,
            pacing=Pacing(config.register_rate / workers),
            attach_wait=config.attach_wait,
            answer_timeout=config.answer_timeout,
            respond_timeout=config.respond_timeout,
            offer_timeout=config.offer_timeout,
            session_expires=config.session_expires,
            min_se=config.min_se,
            accept=config.accept,
            descriptions=SdpDescriptions(),
            min_expires=config.min_expires,
            allow_events=config.allow_events,
            hears=self._hears,
        )
        self._population = Population(network, accounts, self.context, worker)
        self._admission = Admission(config, self._population, pressure, workers=workers)
        guard = guard if guard is not None else Guard(config.guard)
        self._reception = Reception(
            config,
            self._population,
            self._admission,
            self.context,
            identity=identity,
            gate=gate if gate is not None else Gate(config, guard),
            door=Door(guard, self._admission, self._population),
            complaints=complaints if complaints is not None else Complaints(),
        )
        self._orders = Orders(
            self._population,
            self._admission,
            self.context,
            identity=identity,
            accounts=accounts,
        )

        self._trunks = Trunks(self._population, self.context, config.trunk_interval)
        self.loads = Loads(
            self._population,
            self._orders,
            self.context,
            identity,
            worker=worker,
            workers=workers,
        )
        self._reception.loads = self.loads

    # Time, messages and commands in.

    def deadline(self) -> float | None:
        """When ``timeout`` wants to be called."""
        return self._population.timers.deadline()

    def timeout(self, now: float) -> None:
        """Lets everything that is due happen."""
        self._population.timeout(now)

    def waited(self, delay: float, now: float) -> None:
        """The longest that anything of this round had to wait for its turn, in seconds.

        What then waits for the applications comes on top of it: a call that they are told of
        too late is of no use.
        """
        throttle = self._admission.throttle
        if throttle.is_due(delay, now):
            delay += self._reception.audience.lag(now)
        throttle.observe(delay, now)

    def receive(self, data: bytes, source: Source, now: float, *, stream: bool = False) -> None:
        """A datagram, or one frame of a stream."""
        self._reception.receive(data, source, now, stream=stream)

    def faulty(self, error: ParseError, source: Source, now: float) -> None:
        """A stream that holds no valid message any more."""
        self._reception.faulty(error, source, now)

    def submit(self, command: Command, now: float, call_id: str = "") -> None:
        """A command; ``call_id`` is for those that make something new."""
        self._orders.submit(command, now, call_id)

    def watch_trunk(self, uri: str, call_id: str, now: float) -> None:
        """Pings a trunk from now on."""
        self._trunks.watch(uri, call_id, now)

    # What the network reports later.

    def located(self, ticket: Ticket, hops: tuple[Hop, ...], now: float) -> None:
        """The hops that ``Network.locate`` promised."""
        user = ticket.user
        population = self._population
        population.run(user, population.located(user, ticket.number, hops, now), now)

    def not_located(self, ticket: Ticket, detail: str, now: float) -> None:
        """There are none."""
        user = ticket.user
        self._population.run(user, user.not_located(ticket.number, detail, now), now)

    def failed(self, sender: Sender | None, detail: str, now: float, *, flow: int = 0) -> None:
        """A message that was accepted for sending could not be sent after all.

        ``sender`` is None where nobody stands behind it. ``flow`` is the connection that failed;
        0 where none came about.
        """
        self._population.failed(sender, detail, flow, now)

    def undelivered(self, quote: bytes, detail: str, now: float) -> None:
        """An ICMP error came, which quotes the beginning of a datagram, perhaps of this core's."""
        self._population.undelivered(quote, detail, now)

    def flow_closed(self, flow: int, now: float) -> None:
        """A connection has ended."""
        self._population.held.drop(flow)
        self._population.flow_failed(("flow", flow), "the connection was closed", now)

    def flows_needed(self, flows: frozenset[int], now: float) -> set[int]:
        """Those of these connections that something here still needs."""
        return self._population.flows_needed(flows, now)

    def pong(self, flow: int, now: float) -> None:
        """A keep-alive on a connection was answered (RFC 5626 section 4.4.1)."""
        keeper = self._population.flows.keeper(("flow", flow))
        if keeper is not None:
            self._population.run(keeper, keeper.pong(now), now)

    def stun(self, message: StunMessage, source: Source, now: float) -> None:
        """A STUN response came in (RFC 5626 section 4.4.2)."""
        key = ("UDP", source.listener, source.host, source.port)
        keeper = self._population.flows.keeper(key)
        if keeper is not None:
            self._population.run(keeper, keeper.stun(message, now), now)

    # Outputs.

    def put(self, output: Output) -> None:
        """Adds an output behind those that are there."""
        self._population.outbox.append(output)

    def take(self) -> list[Output]:
        """All outputs since the last time, in order."""
        outbox = self._population.outbox
        if outbox:
            self._population.outbox = []
        return outbox

    # What the server asks.

    def _hears(self, resource: str, labels: Mapping[str, str]) -> bool:
        return self._reception.audience.hears(resource, labels)

    def set_audience(self, audience: Audience, now: float) -> None:
        """Other applications listen now."""
        self._reception.audience = audience
        for call in list(self._population.calls.values()):
            if isinstance(call, IncomingCall):
                self._population.run(call, call.audience_changed(now), now)

    def set_tracing(self, on: bool) -> None:
        """``Traced`` outputs are made while this is on."""
        self._population.tracing = on

    def snapshot(self) -> Snapshot:
        """All that lives."""
        return self._population.snapshot()

    def refuse_new_work(self) -> None:
        """From now on nothing new begins."""
        self._admission.draining = True

    def end_all(self, ended: Callable[[], None], now: float) -> None:
        """Ends all that lives; ``ended`` is called when the last one is gone."""
        self._population.end_all(ended, now)

    def abandon_all(self, now: float) -> None:
        """Ends what is left without the far ends' answers."""
        self._population.abandon_all(now)

    def stats(self) -> EngineStats:
        """Figures of this core; may be read from other threads."""
        return replace(census(self._population), trunks=self._trunks.states())

    def size(self) -> int:
        """How many transactions and dialogs there are; may be read from other threads."""
        return len(self._population.routes)

    def compact(self) -> None:
        """Its tables are no larger than what is in them."""
        self._population.compact()

    @property
    def idle(self) -> bool:
        """Whether nothing at all is left: no user, no routing key, no timer that matters."""
        return self._population.idle


def _as_route(proxy: str) -> str:
    return loose_route(Uri.parse(proxy)) if proxy else ""
