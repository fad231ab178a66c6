"""A whole user agent in memory, under mutated dialogs: what must hold whatever comes."""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Callable

from picosip_server.engine.network import Source
from picosip_server.sip.errors import ParseError
from picosip_server.sip.message import Request, Response
from picosip_server.sip.parse import parse
from picosip_server.sip.ua import commands, events
from picosip_server.sip.uri import Uri
from tests.engine.memory import Everybody, Host, Simulation
from tests.fuzz.dialogs import FarEnd

# Loopback addresses: the guard leaves them alone, and nothing is blocked as garbage.
HERE = "127.0.0.1"
THERE = "127.0.0.2"
METHODS = ("MESSAGE", "SUBSCRIBE", "PUBLISH", "REGISTER", "REFER", "INFO", "NOTIFY")


class Application:
    """Does something or other with each event, by chance."""

    def __init__(self, host: Host, rng: random.Random) -> None:
        self._host = host
        self._rng = rng
        self._simulation = host.simulation
        host.on_event = self.heard

    def heard(self, event: events.Event) -> None:
        """Acts on an event, at once or after a while."""
        name = event.resource
        act: Callable[[], object] | None = None
        host, rng = self._host, self._rng
        if isinstance(event, events.CallReceived):
            choice = rng.random()
            if choice < 0.5:
                act = lambda: host.answer(name)  # noqa: E731
            elif choice < 0.7:
                act = lambda: host.on_call(commands.Progress, name, status=183)  # noqa: E731
            elif choice < 0.8:
                act = lambda: host.on_call(commands.Reject, name, status=486)  # noqa: E731
        elif isinstance(event, events.CallConfirmed) and rng.random() < 0.5:
            act = lambda: host.hangup(name)  # noqa: E731
        elif isinstance(event, events.IncomingRequest):
            status = rng.choice((200, 202, 202, 403))
            act = lambda: host.on_call(commands.Respond, event.name, status=status)  # noqa: E731
        if act is not None:
            self._simulation.after(rng.choice((0.0, 0.1, 3.0)), act)

    def act(self) -> None:
        """Begins something of its own."""
        host, rng = self._host, self._rng
        choice = rng.random()
        if choice < 0.6:
            host.invite(f"sip:fuzz@{THERE}")
        elif choice < 0.8:
            host.submit(
                lambda token: commands.Register(
                    token=token,
                    registrar=Uri.parse(f"sip:{THERE}"),
                    aor=commands.Address.parse(f"<sip:{rng.randrange(9)}@{THERE}>"),
                )
            )


class Fuzzed:
    """One run: ``messages`` of a far end with this seed, then silence, then the end of all."""

    def __init__(self, seed: int, *, transport: str = "UDP") -> None:
        self.rng = random.Random(seed)
        self.simulation = Simulation(seed)
        self.host = self.simulation.host(HERE, max_calls=500, max_transactions=5000)
        self.host.core.set_audience(Everybody(METHODS), self.simulation.now)
        self.application = Application(self.host, self.rng)
        self.transport = transport
        self.far_end = FarEnd(
            self.rng,
            here=f"{THERE}:5060",
            target=HERE,
            send=self._send,
            spoilt=self.rng.choice((0.1, 0.4, 0.8)),
            transport=transport,
        )
        self.simulation.peers[THERE] = self
        self._requests: list[Request] = []

    def arrive(self, data: bytes, source: Source) -> None:
        """The host sends something; the far end hears it."""
        self.far_end.heard(data)

    def _send(self, data: bytes) -> None:
        stream = self.transport != "UDP"
        try:
            message = parse(data, stream=stream)
        except ParseError:
            pass
        else:
            if isinstance(message, Request) and message.method != "ACK":
                self._requests.append(message)
        flow = self.simulation.flow(HERE, THERE) if stream else 0
        source = Source(self.transport, THERE, 5060, HERE, 5060, flow=flow)
        self.simulation.after(0.001, lambda: self.host.arrive(data, source))

    def run(self, messages: int) -> None:
        """Sends so many, and lets all come to its end."""
        while self.far_end.sent < messages:
            self.far_end.step()
            if self.rng.random() < 0.02:
                self.application.act()
            self.simulation.run(self.rng.choice((0.001, 0.01, 0.1, 1.0, 40.0)))
        self.far_end.end_dialogs()
        self.simulation.run(200.0)
        ended: list[bool] = []
        self.host.core.end_all(lambda: ended.append(True), self.simulation.now)
        self.simulation.run(300.0)
        if not ended:
            self.host.core.abandon_all(self.simulation.now)
        self.simulation.run()

    def check(self) -> None:
        """Nothing is left, and each request has its answer."""
        population = self.host.core._population
        left = {
            "calls": list(population.calls),
            "registrations": list(population.registrations),
            "subscribers": list(population.subscribers),
            "publications": list(population.publications),
            "routes": list(population.routes),
        }
        assert {name: values for name, values in left.items() if values} == {}
        assert population.idle
        unanswered = self._unanswered()
        assert unanswered == [], unanswered[0]

    def _unanswered(self) -> list[str]:
        answered: set[object] = set()
        for _, sender, _, data in self.simulation.wire:
            if sender == HERE and data.startswith(b"SIP/2.0 "):
                # A 400 repeats what the request has of these headers, right or wrong.
                with contextlib.suppress(ParseError):
                    response = parse(data)
                    assert isinstance(response, Response)
                    answered |= set(_marks(response))
        return [
            request.encode().decode("utf-8", "backslashreplace")
            for request in self._requests
            if not answered.intersection(_marks(request))
        ]


def _marks(message: Request | Response) -> tuple[object, ...]:
    """Either of these tells which request a response belongs to."""
    cseq = message.headers.get("CSeq") or ""
    via = message.headers.get("Via") or ""
    branch = re.search(r";\s*branch\s*=\s*([^;,\s]+)", via)
    return ((message.headers.get("Call-ID"), cseq), (branch and branch[1], cseq.split()[-1]))
