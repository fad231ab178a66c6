"""One server, and a peer that is nothing but octets."""

from __future__ import annotations

from picosip_server.engine.network import Sender, Source, Ticket
from picosip_server.sip.build import response_to
from picosip_server.sip.hop import Hop, Target
from picosip_server.sip.message import Message, Request, Response
from picosip_server.sip.parse import parse
from tests.engine.memory import Everybody, Host, Simulation
from tests.sip import messages

HERE, FAR = "10.0.0.1", "10.0.0.2"
SOURCE = Source("UDP", FAR, 5099, HERE, 5060)
"""Where the peer sends from; its Via says port 5062."""


class Server(Host):
    """A host that keeps what it sends, with the hops. Names that begin with ``slow`` are
    found only when the test says so."""

    def __init__(self, *methods: str, **settings: object) -> None:
        super().__init__(Simulation(), HERE, settings)
        self.simulation.hosts[HERE] = self
        self.out: list[tuple[float, Hop, bytes]] = []
        self.senders: list[Sender | None] = []
        self.tickets: list[Ticket] = []
        self.core.set_audience(Everybody(methods), self.simulation.now)

    def send(self, hop: Hop, data: bytes, sender: Sender | None) -> None:
        super().send(hop, data, sender)
        self.out.append((self.simulation.now, hop, data))
        self.senders.append(sender)

    def locate(self, target: Target, ticket: Ticket) -> tuple[Hop, ...] | None:
        if target.host.startswith("slow"):
            self.tickets.append(ticket)
            return None
        return super().locate(target, ticket)

    def hear(self, data: bytes, source: Source = SOURCE) -> list[Message]:
        """Octets come; what was sent in the same moment."""
        before = len(self.out)
        self.arrive(data, source)
        self.collect()
        return [parse(sent) for _, _, sent in self.out[before:]]

    def ask(self, data: bytes, source: Source = SOURCE) -> Response:
        """A request that is to get exactly one response at once."""
        (response,) = self.hear(data, source)
        assert isinstance(response, Response)
        return response

    def reply(self, status: int, *headers: tuple[str, str], to: str = "") -> list[Message]:
        """The peer answers the last request (with that method)."""
        response = response_to(self.request(to), status, to_tag="far", headers=headers)
        return self.hear(response.encode())

    def request(self, method: str = "") -> Request:
        """The last request sent (with that method)."""
        for _, _, data in reversed(self.out):
            message = parse(data)
            if isinstance(message, Request) and method in ("", message.method):
                return message
        raise AssertionError(f"no {method} was sent")

    def later(self, seconds: float) -> list[tuple[float, Message]]:
        """Time passes: what was sent meanwhile, and when."""
        before, start = len(self.out), self.simulation.now
        self.simulation.run(seconds)
        return [(round(at - start, 6), parse(data)) for at, _, data in self.out[before:]]

    def counter(self, name: str) -> int:
        return self.core.stats().counters.get(name, 0)


def octets(
    method: str, *more: str, uri: str = "sip:piet@10.0.0.1", body: bytes = b"", **changes: str
) -> bytes:
    """A request of the peer, outside dialogs unless ``to`` has a tag."""
    changes.setdefault("cseq", f"7 {method}")
    return messages.request(
        *more,
        line=f"{method} {uri} SIP/2.0",
        body=body,
        **changes,  # type: ignore[arg-type]
    )
