"""One connection under a fake clock: how long it waits for what, and what it keeps."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator

import pytest

from picosip_server.engine.network import Sender
from picosip_server.engine.transport.stream import StreamConnection, StreamLimits, prepare
from picosip_server.sip.errors import ParseError

MESSAGE = b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 2\r\n\r\nxx"
LIMITS = StreamLimits(connect=10.0, patience=32.0, linger=2.0, queued=1_000_000)


class Line:
    """A connection with its far end, and what it told its owner."""

    def __init__(self, *, connected: bool = True) -> None:
        self.now = 100.0
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.far = socket.socket()
            self.far.settimeout(5.0)
            # Small, and so that the system does not make them larger.
            self.far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
            self.far.connect(server.getsockname())
            self.near, peer = server.accept()
        self.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        prepare(self.near)
        self.arrived_: list[bytes] = []
        self.pongs = 0
        self.stood = 0
        self.broken_: list[ParseError] = []
        self.closed_: list[str] = []
        self.writes = False
        self.connection = StreamConnection(
            1,
            self.near,
            peer,
            self,
            listener=0,
            connected=connected,
            clock=lambda: self.now,
            limits=LIMITS,
        )

    def arrived(self, connection: StreamConnection, data: bytes) -> None:
        self.arrived_.append(data)

    def ponged(self, connection: StreamConnection) -> None:
        self.pongs += 1

    def broken(self, connection: StreamConnection, error: ParseError) -> None:
        self.broken_.append(error)
        connection.send(b"answer", None)

    def closed(self, connection: StreamConnection, detail: str) -> None:
        if not self.closed_:
            self.closed_.append(detail)
            self.near.close()

    def stands(self, connection: StreamConnection) -> None:
        self.stood += 1

    def wants(self, connection: StreamConnection, *, write: bool) -> None:
        self.writes = write

    def feed(self, data: bytes) -> None:
        """Octets come."""
        self.far.sendall(data)
        self.near.setblocking(True)
        self.near.recv(1, socket.MSG_PEEK)
        self.near.setblocking(False)
        self.connection.readable()

    def after(self, seconds: float) -> str:
        """Why the connection is overdue after that time."""
        self.now += seconds
        return self.connection.overdue(self.now)

    def fill(self) -> None:
        """Sends far more than the system takes."""
        for _ in range(8):
            self.connection.send(b"x" * 65536, None)
        assert self.writes

    def drain(self) -> None:
        """The far end reads until there is room again."""
        end = time.monotonic() + 5.0
        while not select.select([], [self.near], [], 0)[1]:
            self.far.recv(65536)
            assert time.monotonic() < end
        self.connection.writable()


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.far.close()
    line.near.close()


def test_silence_is_no_reason_to_close(line: Line) -> None:
    line.feed(MESSAGE)
    assert line.arrived_ == [MESSAGE]
    assert line.after(1e9) == ""


def test_a_message_has_its_time_to_become_whole(line: Line) -> None:
    line.feed(MESSAGE[:5])
    assert line.after(31.0) == ""
    # Drop by drop does not buy more.
    line.feed(MESSAGE[5:6])
    assert line.after(1.0) == "timed out in the midst of a message"


def test_each_message_of_a_busy_peer_has_its_own_time(line: Line) -> None:
    stream = MESSAGE * 10
    line.feed(stream[:5])
    for start in range(5, len(MESSAGE) * 8, len(MESSAGE)):
        assert line.after(10.0) == ""
        line.feed(stream[start : start + len(MESSAGE)])
    assert len(line.arrived_) == 8
    assert line.after(32.0) == "timed out in the midst of a message"


def test_a_peer_has_its_time_to_read(line: Line) -> None:
    line.fill()
    assert line.after(31.0) == ""
    line.drain()
    # It took some.
    assert line.after(31.0) == ""
    assert line.after(1.0) == "the peer reads nothing"


def test_who_is_told_of_what_has_not_left(line: Line) -> None:
    class User:
        pass

    senders = [Sender(User(), str(each)) for each in range(3)]  # type: ignore[arg-type]
    line.connection.send(b"gone", senders[0])
    line.fill()
    line.connection.send(b"waits", senders[1])
    line.connection.send(b"waits too", senders[2])
    assert line.connection.senders == senders[1:]
    while line.writes:
        line.drain()
    assert line.connection.senders == []


def test_more_than_may_wait_closes(line: Line) -> None:
    line.fill()
    line.connection.send(b"x" * 1_000_000, None)
    assert line.closed_ == ["the peer does not read what is sent to it"]


def test_connecting_has_its_time() -> None:
    line = Line(connected=False)
    line.connection.send(MESSAGE, None)
    assert line.after(9.0) == ""
    assert line.after(1.0) == "timed out without an answer"
    assert line.stood == 0
    line.connection.writable()
    assert line.connection.connected
    assert line.stood == 1
    assert line.far.recv(1000) == MESSAGE
    assert line.after(1e9) == ""
    line.far.close()
    line.near.close()


def test_a_faulty_stream_ends_once_the_peer_has_its_answer(line: Line) -> None:
    line.feed(MESSAGE + b"no message\r\n\r\n")
    assert line.arrived_ == [MESSAGE]
    assert len(line.broken_) == 1
    assert line.far.recv(100) == b"answer"
    assert line.far.recv(100) == b""
    # What comes now is thrown away; the connection ends with the peer's end, or after a while.
    line.feed(MESSAGE)
    assert line.arrived_ == [MESSAGE]
    assert line.closed_ == []
    assert line.after(2.0) == "closed as faulty"
    line.far.shutdown(socket.SHUT_WR)
    line.near.setblocking(True)
    line.connection.readable()
    assert line.closed_ == ["closed by the peer"]


def test_the_answer_to_a_faulty_stream_waits_its_turn(line: Line) -> None:
    line.fill()
    line.feed(b"no message\r\n\r\n")
    assert line.writes
    while line.writes:
        line.drain()
    received = b""
    while data := line.far.recv(65536):
        received += data
    assert received.endswith(b"answer")


def test_a_peer_that_is_gone(line: Line) -> None:
    line.far.close()
    line.near.setblocking(True)
    line.connection.readable()
    assert line.closed_ == ["closed by the peer"]
