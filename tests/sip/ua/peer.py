"""A SIP element that does what the test tells it to, right or wrong: a script, no stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from picosip_server.engine.network import Source
from picosip_server.sip.hop import Hop
from picosip_server.sip.message import Message, Request, Response
from picosip_server.sip.parse import parse
from picosip_server.sip.status import reason_phrase
from picosip_server.sip.ua.commands import Body
from tests.engine.memory import Simulation

Fields = Sequence[tuple[str, str]]


class Peer:
    """A host that keeps what it receives, and sends what the test builds."""

    def __init__(self, simulation: Simulation, address: str) -> None:
        self.simulation = simulation
        self.address = address
        self.received: list[tuple[float, Message, bytes]] = []
        """When, what, and as which octets."""
        self.on_request: Callable[[Request], None] = lambda request: None
        """Called with each request that comes, repetitions included."""
        self._read = 0
        self._branch = 0
        simulation.peers[address] = self

    def arrive(self, data: bytes, source: Source) -> None:
        """The simulation brings a message."""
        message = parse(data, stream=source.transport == "TCP")
        self.received.append((self.simulation.now, message, data))
        if isinstance(message, Request):
            self.on_request(message)

    # What came.

    def take(self) -> Message:
        """The next message that the test has not looked at."""
        _, message, _ = self.received[self._read]
        self._read += 1
        return message

    def request(self, method: str) -> Request:
        """The next message, which must be this request."""
        message = self.take()
        assert isinstance(message, Request), message
        assert message.method == method
        return message

    def response(self, status: int) -> Response:
        """The next message, which must be a response with this status."""
        message = self.take()
        assert isinstance(message, Response), message
        assert message.status == status
        return message

    def lines(self) -> list[str]:
        """All that came, in short: ``INVITE 1``, ``180 INVITE 1``; it counts as looked at."""
        self._read = len(self.received)
        return [short(message) for _, message, _ in self.received]

    def rest(self) -> list[str]:
        """What came and was not looked at, in short; it now is."""
        rest = self.received[self._read :]
        self._read = len(self.received)
        return [short(message) for _, message, _ in rest]

    # What goes out.

    def send(self, message: Message, to: str, transport: str = "UDP") -> None:
        """Puts a message on the wire."""
        self.octets(message.encode(), to, transport)

    def octets(self, data: bytes, to: str, transport: str = "UDP") -> None:
        """Puts octets on the wire."""
        hop = Hop(transport=transport, host=to, port=5060, local_host=self.address, local_port=5060)
        self.simulation.carry(self.address, hop, data)

    def reply(
        self,
        request: Request,
        status: int,
        *,
        tag: str = "",
        fields: Fields = (),
        body: Body | None = None,
        contact: bool = True,
    ) -> None:
        """Answers a request, to where its top Via says; with a Contact if there is a tag."""
        source = request.headers
        lines = [f"SIP/2.0 {status} {reason_phrase(status)}"]
        lines += [f"Via: {via}" for via in source.get_all("Via")]
        lines.append(f"From: {source.get('From')}")
        to = source.get("To") or ""
        lines.append(f"To: {to}" if not tag or request.to.tag else f"To: {to};tag={tag}")
        lines += [f"{name}: {source.get(name)}" for name in ("Call-ID", "CSeq")]
        if tag and contact:
            lines.append(f"Contact: <sip:{tag}@{self.address}>")
        self._write(lines, fields, body, request.via.host, request.via.transport)

    def ask(
        self,
        method: str,
        host: str,
        *,
        call_id: str = "one@peer",
        cseq: int = 1,
        tag: str = "peer",
        to_tag: str = "",
        branch: str = "",
        fields: Fields = (),
        body: Body | None = None,
        cseq_method: str = "",
        transport: str = "UDP",
    ) -> str:
        """Sends a request to ``sip:callee@host``, and returns its branch."""
        if not branch:
            self._branch += 1
            branch = f"z9hG4bKpeer{self._branch}"
        lines = [
            f"{method} sip:callee@{host} SIP/2.0",
            f"Via: SIP/2.0/{transport} {self.address}:5060;branch={branch}",
            f"From: <sip:peer@{self.address}>;tag={tag}",
            f"To: <sip:callee@{host}>" + (f";tag={to_tag}" if to_tag else ""),
            f"Call-ID: {call_id}",
            f"CSeq: {cseq} {cseq_method or method}",
            "Max-Forwards: 70",
        ]
        if method == "INVITE":
            lines.append(f"Contact: <sip:peer@{self.address}>")
        self._write(lines, fields, body, host, transport)
        return branch

    def within(self, invite: Request, method: str, *, cseq: int = 1, tag: str = "a") -> None:
        """Sends a request inside the dialog that our answer to ``invite`` made."""
        self.ask(
            method,
            invite.via.host,
            call_id=invite.call_id,
            cseq=cseq,
            tag=tag,
            to_tag=invite.from_.tag,
        )

    def _write(
        self, lines: list[str], fields: Fields, body: Body | None, to: str, transport: str
    ) -> None:
        lines += [f"{name}: {value}" for name, value in fields]
        if body is not None:
            lines.append(f"Content-Type: {body.content_type}")
        data = body.data if body is not None else b""
        lines += [f"Content-Length: {len(data)}", "", ""]
        self.octets("\r\n".join(lines).encode() + data, to, transport)


def short(message: Message) -> str:
    """``INVITE 1`` or ``200 INVITE 1``."""
    cseq = message.cseq
    if isinstance(message, Request):
        return f"{message.method} {cseq.number}"
    assert isinstance(message, Response)
    return f"{message.status} {cseq.method} {cseq.number}"
