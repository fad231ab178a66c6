"""A network in memory, a fake clock, and user agents on both ends of it.

Nothing here sleeps: the simulation moves its clock to whatever is due next.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from picosip_server.engine.config import EngineConfig, ListenerSpec
from picosip_server.engine.core import Core
from picosip_server.engine.identity import RandomIdentity
from picosip_server.engine.network import Sender, Source, Ticket, Unreachable
from picosip_server.sip import stun
from picosip_server.sip.address import Address
from picosip_server.sip.hop import Hop, Target
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.commands import Body, Command
from picosip_server.sip.ua.outputs import Completed, Failed, Failure, Occurred

SDP = Body(
    content_type="application/sdp", data=b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nt=0 0\r\n"
)
ANSWER = Body(
    content_type="application/sdp", data=b"v=0\r\no=- 2 2 IN IP4 192.0.2.8\r\ns=-\r\nt=0 0\r\n"
)

E = TypeVar("E", bound=events.Event)


@dataclass
class Faults:
    """What the network does to datagrams: probabilities, and delays in seconds."""

    loss: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.01
    jitter: float = 0.0


@dataclass
class Everybody:
    """An audience that hears everything and claims what it is told to."""

    methods: tuple[str, ...] = ()
    behind: float = 0.0
    """Seconds."""

    def hears(self, resource: str, labels: object) -> bool:
        return True

    def claims(self, method: str) -> bool:
        return method in self.methods

    def lag(self, now: float) -> float:
        return self.behind


@dataclass(order=True)
class _Due:
    at: float
    number: int
    act: Callable[[], object] = field(compare=False)


class Receiver(Protocol):
    """Whoever messages can be sent to."""

    def arrive(self, data: bytes, source: Source) -> None:
        """A datagram, or one frame of a stream."""


class Simulation:
    """Hosts on one network, and the time that passes for all of them."""

    def __init__(self, seed: int = 0, faults: Faults | None = None) -> None:
        self.now = 1000.0
        self.random = random.Random(seed)
        self.faults = faults or Faults()
        self.hosts: dict[str, Host] = {}
        self.peers: dict[str, Receiver] = {}
        """Hosts that are no user agents: tests play them."""
        self.wire: list[tuple[float, str, str, bytes]] = []
        """Every datagram sent: time, sender, receiver, octets."""
        self.seen_as: dict[str, tuple[str, int]] = {}
        """Hosts behind a NAT: the address and port that others see of them."""
        self._flows: dict[frozenset[str], int] = {}
        self._due: list[_Due] = []
        self._count = 0

    def host(self, address: str, **settings: object) -> Host:
        """A user agent at this address, port 5060, UDP and TCP."""
        host = Host(self, address, settings)
        self.hosts[address] = host
        return host

    def after(self, delay: float, act: Callable[[], object]) -> None:
        """Has something done later."""
        self._count += 1
        heapq.heappush(self._due, _Due(self.now + delay, self._count, act))

    def carry(self, sender: str, hop: Hop, data: bytes) -> None:
        """Takes a message from one host to another, or does not."""
        self.wire.append((self.now, sender, hop.host, data))
        faults = self.faults
        datagram = hop.transport == "UDP"
        if datagram and self.random.random() < faults.loss:
            return
        copies = 2 if datagram and self.random.random() < faults.duplicate else 1
        for _ in range(copies):
            delay = faults.delay
            if datagram:
                delay += faults.jitter * self.random.random()
            self.after(delay, lambda: self._arrive(sender, hop, data))

    def _arrive(self, sender: str, hop: Hop, data: bytes) -> None:
        inside = {seen: host for host, seen in self.seen_as.items()}
        where = inside.get((hop.host, hop.port), hop.host)
        receiver = self.hosts.get(where) or self.peers.get(where)
        if receiver is not None:
            host, port = self.seen_as.get(sender, (sender, 5060))
            flow = 0 if hop.transport == "UDP" else self.flow(sender, where)
            receiver.arrive(data, Source(hop.transport, host, port, where, 5060, flow=flow))

    def flow(self, one: str, other: str) -> int:
        """The number of the connection between two hosts, which is opened if need be."""
        return self._flows.setdefault(frozenset((one, other)), self._number())

    def _number(self) -> int:
        self._count += 1
        return self._count

    def cut(self, one: str, other: str) -> None:
        """The connection between two hosts ends."""
        flow = self._flows.pop(frozenset((one, other)))
        for address in (one, other):
            if address in self.hosts:
                self.hosts[address].core.flow_closed(flow, self.now)

    def step(self) -> bool:
        """Lets the next thing happen. False: nothing is due any more."""
        times = [host.core.deadline() for host in self.hosts.values()]
        timer = min((due for due in times if due is not None), default=None)
        event = self._due[0].at if self._due else None
        if timer is None and event is None:
            return False
        if event is not None and (timer is None or event <= timer):
            due = heapq.heappop(self._due)
            self.now = max(self.now, due.at)
            due.act()
        else:
            assert timer is not None
            self.now = max(self.now, timer)
            for host in self.hosts.values():
                host.core.timeout(self.now)
        for host in self.hosts.values():
            host.collect()
        return True

    def run(self, seconds: float = 0.0, *, until: Callable[[], bool] | None = None) -> None:
        """Lets time pass: that many seconds, or until something holds, or nothing is left."""
        end = self.now + seconds
        for _ in range(5_000_000):
            if until is not None and until():
                return
            times = [host.core.deadline() for host in self.hosts.values()]
            times += [self._due[0].at] if self._due else []
            due = min((each for each in times if each is not None), default=None)
            if seconds and (due is None or due > end):
                self.now = end
                return
            if due is None:
                return
            self.step()
        raise AssertionError("the simulation does not come to rest")


class Host:
    """One user agent with its application's view: events, and outcomes of commands."""

    def __init__(self, simulation: Simulation, address: str, settings: dict[str, object]) -> None:
        self.simulation = simulation
        self.address = address
        config = EngineConfig(
            listeners=(
                ListenerSpec(transport="UDP", host=address, port=5060),
                ListenerSpec(transport="TCP", host=address, port=5060),
            ),
            node="n" + address.replace(".", "")[-4:],
            **settings,  # type: ignore[arg-type]
        )
        seed = simulation.random.getrandbits(64)
        self.core = Core(config, self, identity=RandomIdentity(config.node, 0, seed))
        self.core.set_audience(Everybody(), simulation.now)
        self.events: list[events.Event] = []
        self.results: dict[object, object] = {}
        self.on_event: Callable[[events.Event], None] = lambda event: None
        self.unreachable: set[str] = set()
        self.mute = False
        """Answers no keep-alives."""
        self.names: dict[str, tuple[float, tuple[str, ...]]] = {}
        """Names that resolve: after so many seconds, to these addresses."""
        self._tokens = 0

    # As the network of its core.

    def send(self, hop: Hop, data: bytes, sender: Sender | None) -> None:
        if hop.host in self.unreachable:
            raise Unreachable(f"no route to {hop.host}")
        self.simulation.carry(self.address, hop, data)

    def learn(self, host: str, port: int, flow: int) -> None:
        raise AssertionError("there are no connections here")

    def locate(self, target: Target, ticket: Ticket) -> tuple[Hop, ...] | None:
        if target.host in self.names:
            delay, addresses = self.names[target.host]
            hops = tuple(self._hop(target, address) for address in addresses)
            self.simulation.after(
                delay, lambda: self.core.located(ticket, hops, self.simulation.now)
            )
            return None
        if not target.host[0].isdigit():
            raise Unreachable(f"the name {target.host!r} does not resolve")
        if target.transport not in ("", "UDP", "TCP"):
            raise Unreachable(f"the transport {target.transport} is not offered by this server")
        return (self._hop(target, target.host),)

    def _hop(self, target: Target, address: str) -> Hop:
        return Hop(
            transport=target.transport or "UDP",
            host=address,
            port=target.port or 5060,
            local_host=self.address,
            local_port=5060,
        )

    def arrive(self, data: bytes, source: Source) -> None:
        now = self.simulation.now
        if stun.looks_like_stun(data):
            message = stun.parse(data)
            if message.kind is stun.Kind.REQUEST:
                self._reply(stun.answer(message, source.host, source.port), source)
            else:
                self.core.stun(message, source, now)
        elif data == b"\r\n\r\n":
            self._reply(b"\r\n", source)
        elif data == b"\r\n":
            self.core.pong(source.flow, now)
        else:
            self.core.receive(data, source, now, stream=source.transport == "TCP")

    def _reply(self, data: bytes, source: Source) -> None:
        if not self.mute:
            hop = self._hop(Target(host=source.host, port=source.port), source.host)
            self.simulation.carry(self.address, replace(hop, transport=source.transport), data)

    def collect(self) -> None:
        while outbox := self.core.take():
            for output in outbox:
                if isinstance(output, Occurred):
                    self.events.append(output.event)
                    self.on_event(output.event)
                elif isinstance(output, Completed):
                    self.results[output.token] = output.value
                elif isinstance(output, Failed):
                    self.results[output.token] = output.failure

    # As the application.

    def submit(self, make: Callable[[object], Command]) -> object:
        """Submits the command that ``make`` builds from a token; gives the token back."""
        self._tokens += 1
        token = (self.address, self._tokens)
        self.core.submit(make(token), self.simulation.now, f"call-{self._tokens}-{self.address}")
        self.collect()
        return token

    def invite(self, to: str, **fields: object) -> object:
        fields.setdefault("offer", SDP)
        fields.setdefault("from_address", Address.parse(f"<sip:caller@{self.address}>"))
        return self.submit(
            lambda token: commands.Invite(
                token=token,
                to_address=Address.parse(f"<{to}>"),
                **fields,  # type: ignore[arg-type]
            )
        )

    def on_call(self, kind: type[commands.CallCommand], name: str, **fields: object) -> object:
        return self.submit(lambda token: kind(token=token, name=name, **fields))

    def answer(self, name: str, **fields: object) -> object:
        fields.setdefault("description", ANSWER)
        return self.on_call(commands.Answer, name, **fields)

    def hangup(self, name: str, **fields: object) -> object:
        return self.on_call(commands.Hangup, name, **fields)

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def call(self) -> str:
        """The name of the only call that this side has seen."""
        names = {
            event.resource
            for event in self.events
            if isinstance(event, events.CallCreated | events.CallReceived)
        }
        (name,) = names
        return name

    def failure(self, token: object) -> Failure:
        result = self.results[token]
        assert isinstance(result, Failure), result
        return result

    def kinds(self) -> list[str]:
        """The kinds of all events so far, in order."""
        return [type(event).__name__ for event in self.events]
