"""Engines and bare SIP peers on the loopback interface. Every wait has a bound."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from picosip_server.engine.config import EngineConfig, ListenerSpec
from picosip_server.engine.engine import Engine
from picosip_server.engine.guard.config import GuardConfig
from picosip_server.engine.snapshot import Snapshot
from picosip_server.engine.transport.stream import DEFAULT_LIMITS, StreamLimits
from picosip_server.sip.address import Address
from picosip_server.sip.build import response_to
from picosip_server.sip.framing import StreamFramer
from picosip_server.sip.hop import bracketed
from picosip_server.sip.message import Message, Request, Response
from picosip_server.sip.parse import parse
from picosip_server.sip.timers import Timers
from picosip_server.sip.ua import commands, events
from picosip_server.sip.ua.outputs import Completed, Failed, Failure, Occurred, Output, Traced
from tests.engine.memory import ANSWER, SDP, Everybody

PATIENCE = 60.0
"""Seconds after which a test gives up."""
QUICK = Timers(t1=0.05, t2=0.1, t4=0.1, timer_d=0.1)
"""So that transactions are gone soon; 3.2 s until one times out."""

E = TypeVar("E", bound=events.Event)
_numbers = itertools.count(1)


def spec(text: str) -> ListenerSpec:
    """``udp`` and ``tcp`` stand for 127.0.0.1, ``udp:::1`` for another host; port 0."""
    transport, _, host = text.partition(":")
    return ListenerSpec(transport=transport.upper(), host=host or "127.0.0.1", port=0)


def until(holds: Callable[[], object], what: str) -> None:
    """Waits until something holds that nobody is told of."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.002)


class Agent:
    """A running engine, and its application: it keeps what comes out."""

    def __init__(
        self,
        *listeners: str | ListenerSpec,
        limits: StreamLimits = DEFAULT_LIMITS,
        on_event: Callable[[Agent, events.Event], None] | None = None,
        **settings: object,
    ) -> None:
        settings.setdefault("timers", QUICK)
        settings.setdefault("workers", 1)
        # However busy the machine is that runs the tests.
        settings.setdefault("guard", GuardConfig(overload_delay=0.0))
        specs = tuple(spec(each) if isinstance(each, str) else each for each in listeners)
        config = EngineConfig(
            listeners=specs or (spec("udp"), spec("tcp")),
            node="test",
            **settings,  # type: ignore[arg-type]
        )
        self.events: list[events.Event] = []
        self.outputs: list[Output] = []
        self._results: dict[object, object] = {}
        self._on_event = on_event
        self._change = threading.Condition()
        self.engine = Engine(config, self._sink, limits=limits)
        self.bound = self.engine.start()
        self.engine.set_audience(Everybody())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.engine.stop()
        if kind is None:
            assert self.counter("internal_errors") == 0

    def _sink(self, batch: list[Output]) -> None:
        with self._change:
            self.outputs.extend(batch)
            for output in batch:
                if isinstance(output, Occurred):
                    self.events.append(output.event)
                elif isinstance(output, Completed):
                    self._results[output.token] = output.value
                elif isinstance(output, Failed):
                    self._results[output.token] = output.failure
            self._change.notify_all()
        if self._on_event is not None:
            for output in batch:
                if isinstance(output, Occurred):
                    self._on_event(self, output.event)

    def address(self, transport: str = "UDP") -> tuple[str, int]:
        """Where the first listener of a transport is."""
        return next((each.host, each.port) for each in self.bound if each.transport == transport)

    def uri(self, transport: str = "UDP") -> str:
        host, port = self.address(transport)
        return f"sip:callee@{bracketed(host)}:{port};transport={transport.lower()}"

    # As the application.

    def submit(self, kind: Callable[..., commands.Command], **fields: object) -> object:
        token = next(_numbers)
        self.engine.submit(kind(token=token, **fields))
        return token

    def invite(self, to: str, **fields: object) -> object:
        fields.setdefault("offer", SDP)
        fields.setdefault("from_address", Address.parse("<sip:caller@127.0.0.1>"))
        return self.submit(commands.Invite, to_address=Address.parse(f"<{to}>"), **fields)

    def answer(self, name: str) -> object:
        return self.submit(commands.Answer, name=name, description=ANSWER)

    def hangup(self, name: str) -> object:
        return self.submit(commands.Hangup, name=name)

    def result(self, token: object) -> object:
        """What a command was answered with."""
        with self._change:
            assert self._change.wait_for(lambda: token in self._results, PATIENCE), "no answer"
            return self._results[token]

    def failure(self, token: object) -> Failure:
        result = self.result(token)
        assert isinstance(result, Failure), result
        return result

    def of(self, kind: type[E]) -> list[E]:
        with self._change:
            return [each for each in self.events if isinstance(each, kind)]

    def wait(self, kind: type[E], count: int = 1) -> E:
        """The latest event of this kind, once there are so many."""
        with self._change:
            found = self._change.wait_for(lambda: len(self.of(kind)) >= count, PATIENCE)
            assert found, f"no {kind.__name__} among {[type(each) for each in self.events]}"
        return self.of(kind)[-1]

    def wait_traced(self, count: int) -> list[Traced]:
        def traced() -> list[Traced]:
            return [each for each in self.outputs if isinstance(each, Traced)]

        with self._change:
            assert self._change.wait_for(lambda: len(traced()) >= count, PATIENCE)
            return traced()

    def snapshot(self) -> Snapshot:
        token = next(_numbers)
        self.engine.submit_snapshot(token)
        result = self.result(token)
        assert isinstance(result, Snapshot)
        return result

    def counter(self, name: str) -> int:
        return self.engine.stats().counters.get(name, 0)

    def wait_counter(self, name: str, value: int) -> None:
        until(lambda: self.counter(name) >= value, f"{name} stays below {value}")

    def wait_empty(self) -> None:
        """Until nothing is left: no call, no transaction."""

        def empty() -> bool:
            stats = self.engine.stats()
            return stats.active_calls == stats.active_transactions == 0

        until(empty, f"still there: {self.engine.stats()}")


class Peer:
    """A SIP user agent that is nothing but a socket."""

    transport = ""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.socket.settimeout(PATIENCE)
        self.host, self.port = sock.getsockname()[:2]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        raise NotImplementedError

    def receive(self) -> Message:
        raise NotImplementedError

    def uri(self) -> str:
        host = bracketed(self.host)
        return f"sip:peer@{host}:{self.port};transport={self.transport.lower()}"

    def request(
        self,
        method: str,
        *more: str,
        to_tag: str = "",
        call_id: str = "",
        branch: str = "",
        cseq: int = 1,
        sent_by: str = "",
        rport: bool = True,
        body: bytes = b"",
        content_length: bool = True,
    ) -> bytes:
        """The octets of a request from here; INVITEs have an offer."""
        if method == "INVITE" and not body:
            body, more = SDP.data, (*more, "Content-Type: application/sdp")
        via = sent_by or f"{bracketed(self.host)}:{self.port}"
        via += ";rport" if rport else ""
        lines = [
            f"{method} sip:callee@127.0.0.1 SIP/2.0",
            f"Via: SIP/2.0/{self.transport} {via};branch=z9hG4bK{branch or next(_numbers)}",
            "Max-Forwards: 70",
            "From: <sip:peer@127.0.0.1>;tag=peer",
            f"To: <sip:callee@127.0.0.1>{';tag=' + to_tag if to_tag else ''}",
            f"Call-ID: {call_id or next(_numbers)}",
            f"CSeq: {cseq} {method}",
            f"Contact: <{self.uri()}>",
            *more,
        ]
        if content_length:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join((*lines, "", "")).encode() + body

    def expect(self, method: str) -> Request:
        """The next message, which must be this request."""
        message = self.receive()
        assert isinstance(message, Request), message.encode()
        assert message.method == method
        return message

    def response(self, status: int) -> Response:
        """The next message but 100, which must be a response with this status."""
        message = self.receive()
        while isinstance(message, Response) and message.status == 100 != status:
            message = self.receive()
        assert isinstance(message, Response), message.encode()
        assert message.status == status, message.encode()
        return message

    def reply(self, request: Request, status: int, to_tag: str = "far") -> None:
        """Answers; a 2xx to INVITE with an answer and a Contact."""
        answers = request.method == "INVITE" and 200 <= status < 300
        self.send(
            response_to(
                request,
                status,
                to_tag=to_tag,
                headers=[("Contact", f"<{self.uri()}>")] if answers else [],
                content_type=ANSWER.content_type if answers else "",
                body=ANSWER.data if answers else b"",
            ).encode()
        )

    def ping(self) -> Response:
        """OPTIONS, answered with 200: whatever came before has been dealt with."""
        self.send(self.request("OPTIONS"))
        return self.response(200)


class UdpPeer(Peer):
    transport = "UDP"

    def __init__(self, server: tuple[str, int], host: str = "") -> None:
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.bind((host or server[0], 0))
        super().__init__(sock)
        self.server = server
        self._seen: set[bytes] = set()

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, self.server)

    def receive(self) -> Message:
        """The next message that is no retransmission."""
        while (data := self.socket.recv(65535)) in self._seen:
            pass
        self._seen.add(data)
        return parse(data)


class TcpPeer(Peer):
    transport = "TCP"

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._framer = StreamFramer()
        self._messages: list[bytes] = []

    @classmethod
    def to(cls, server: tuple[str, int]) -> TcpPeer:
        return cls(socket.create_connection(server, PATIENCE))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> Message:
        while not self._messages:
            data = self.socket.recv(65536)
            assert data, "closed by the server"
            self._messages += [each for each in self._framer.feed(data) if isinstance(each, bytes)]
        return parse(self._messages.pop(0), stream=True)

    def closed(self) -> bool:
        """Waits for the end of the stream; no message may come before it."""
        try:
            return self.socket.recv(65536) == b""
        except ConnectionResetError:
            return False


class TcpHost:
    """Where a peer listens; connections come in as ``TcpPeer``."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.create_server((host, port), family=family)
        self.socket.settimeout(PATIENCE)
        self.host, self.port = self.socket.getsockname()[:2]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def uri(self) -> str:
        return f"sip:peer@{bracketed(self.host)}:{self.port};transport=tcp"

    def accept(self) -> TcpPeer:
        peer = TcpPeer(self.socket.accept()[0])
        peer.port = self.port
        return peer
