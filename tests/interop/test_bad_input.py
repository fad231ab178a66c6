"""Octets that are no SIP, or bad SIP, at a server that goes on serving calls all the while."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.support.app import App, answering
from tests.support.raw import SDP, RawCall, RawMessage, RawTcp, RawUdp, request
from tests.support.server import PicosipServer
from tests.support.waiting import wait_until

Hazards = dict[str, tuple[bytes, set[int]]]
"""Octets, and the statuses that may answer them; none: nothing may."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PicosipServer]:
    """One worker, so that messages of one sender are handled in order."""
    with PicosipServer(tmp_path_factory.mktemp("picosip"), "--workers=1") as running:
        yield running


@pytest.fixture
def traffic(server: PicosipServer) -> Iterator[list[int]]:
    """Calls that go on during the test, one after the other; the list counts them."""
    done: list[int] = []
    enough = threading.Event()

    def call_on() -> None:
        with RawUdp(server.udp) as phone:
            while not enough.is_set():
                RawCall(phone).hang_up()
                done.append(1)

    with App(server.grpc, on_event=answering) as app:
        thread = threading.Thread(target=call_on)
        thread.start()
        try:
            yield done
        finally:
            before = len(done)
            # The calls go on after the worst has happened.
            wait_until(
                lambda: len(done) >= before + 3 or not thread.is_alive(),
                what="three more calls",
            )
            enough.set()
            thread.join(10)
        assert len(done) >= before + 3
        assert app.errors == []
        app.wait_for_count("call_ended", len(done))
        assert app.stats().active_calls == 0


def hazards(peer: RawUdp | RawTcp) -> Hazards:
    """Whole messages that are wrong, all of them framed well enough for a stream."""
    good = request("OPTIONS", peer)
    invite = request("INVITE", peer, "Content-Type: application/sdp", body=SDP)

    def changed(old: bytes, new: bytes, of: bytes = good) -> bytes:
        assert old in of
        return of.replace(old, new, 1)

    here = f"{peer.host}:{peer.port}".encode()
    return {
        "unknown version": (changed(b" SIP/2.0\r\n", b" SIP/3.0\r\n"), {505}),
        "space in URI": (changed(b"OPTIONS sip:", b"OPTIONS  sip:"), {400}),
        "no CSeq": (changed(b"CSeq: 1 OPTIONS\r\n", b""), {400}),
        "CSeq of another method": (changed(b"1 OPTIONS", b"1 INVITE"), {400}),
        "CSeq too large": (changed(b"CSeq: 1 ", b"CSeq: 4294967296 "), {400}),
        "CSeq negative": (changed(b"CSeq: 1 ", b"CSeq: -1 "), {400}),
        "two From": (changed(b"From:", b"From: <sip:other@example.com>;tag=x\r\nFrom:"), {400}),
        "no To": (changed(b"To:", b"X-To:"), {400}),
        "quote left open": (changed(b"To: <", b'To: "open <'), {400}),
        "bracket left open": (changed(b">\r\nCall-ID", b"\r\nCall-ID"), {400}),
        "Max-Forwards beyond 255": (changed(b"Max-Forwards: 70", b"Max-Forwards: 256"), {400}),
        "header without colon": (changed(b"Max-Forwards: 70", b"Max-Forwards 70"), {400}),
        "NUL in a header name": (changed(b"Max-Forwards", b"Max\0Forwards"), {400}),
        "unknown method": (good.replace(b"OPTIONS", b"FROBNICATE"), {501}),
        "known method not taken": (good.replace(b"OPTIONS", b"PUBLISH"), {405}),
        "BYE of no dialog": (good.replace(b"OPTIONS", b"BYE"), {481}),
        "CANCEL of no INVITE": (good.replace(b"OPTIONS", b"CANCEL"), {481}),
        "PRACK of no dialog": (good.replace(b"OPTIONS", b"PRACK"), {481}),
        "ACK of no INVITE": (good.replace(b"OPTIONS", b"ACK"), set()),
        "unknown scheme": (changed(b"OPTIONS sip:", b"OPTIONS gopher:"), {416}),
        "unknown extension": (
            changed(b"Max-Forwards", b"Require: levitation\r\nMax-Forwards"),
            {420},
        ),
        "unknown body": (
            changed(b"Content-Type: application/sdp", b"Content-Type: a/b", invite),
            {415},
        ),
        "300 headers": (
            changed(b"Max-Forwards", b"X-Much: x\r\n" * 300 + b"Max-Forwards"),
            {400, 513},
        ),
        "response to nothing": (
            b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP " + here + b";branch=z9hG4bKno\r\n"
            b"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: none\r\n"
            b"CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
            set(),
        ),
        "response without reason": (
            b"SIP/2.0 999\r\nCall-ID: none\r\nContent-Length: 0\r\n\r\n",
            set(),
        ),
    }


def statuses_before_probe(peer: RawUdp | RawTcp, octets: bytes) -> list[int]:
    """Final statuses that come back before the answer to an OPTIONS sent right after it."""
    peer.send(octets)
    probe = request("OPTIONS", peer)
    peer.send(probe)
    found: list[int] = []
    while True:
        answer = peer.receive()
        assert answer, f"no answer to the OPTIONS; before: {found}"
        if answer.one("Call-ID") == RawMessage.read(probe).one("Call-ID"):
            return [status for status in found if status >= 200]
        found.append(answer.status)


@pytest.mark.parametrize("kind", [RawUdp, RawTcp])
def test_bad_messages_get_their_answers(
    server: PicosipServer, traffic: list[int], kind: Callable[[tuple[str, int]], RawUdp | RawTcp]
) -> None:
    wrong = {}
    with kind(server.udp if kind is RawUdp else server.tcp) as peer:
        names = list(hazards(peer))
    for name in names:
        with kind(server.udp if kind is RawUdp else server.tcp) as peer:
            octets, allowed = hazards(peer)[name]
            got = statuses_before_probe(peer, octets)
        if got not in ([[status] for status in allowed] or [[]]):
            wrong[name] = got
    assert wrong == {}


def test_datagrams_that_are_no_messages(server: PicosipServer, traffic: list[int]) -> None:
    """Nothing of this is a request that could be answered."""
    noise = random.Random(3261)
    garbage = [
        b"",
        b"\r\n",
        b"\r\n\r\n",
        b"\0" * 200,
        b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
        # A STUN binding request (RFC 8489), as some phones send for keep-alive.
        struct.pack(">HHI12s", 1, 0, 0x2112A442, b"transaction!"),
        b"OPTIONS",
        b"\xff\xfe SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK",
        *(noise.randbytes(noise.randrange(1, 1500)) for _ in range(200)),
        noise.randbytes(65507),
    ]
    with RawUdp(server.udp) as peer:
        for octets in garbage:
            assert statuses_before_probe(peer, octets) == []


def test_datagram_with_an_endless_header(server: PicosipServer, traffic: list[int]) -> None:
    with RawUdp(server.udp) as peer:
        good = request("OPTIONS", peer)
        long = good.replace(b"Max-Forwards", b"X-Long: " + b"x" * 40000 + b"\r\nMax-Forwards")
        assert statuses_before_probe(peer, long) in ([400], [513])


def test_every_beginning_of_a_message(server: PicosipServer, traffic: list[int]) -> None:
    """Cut anywhere, an OPTIONS gets 400, or nothing where not even its way back is known."""
    with RawUdp(server.udp) as peer:
        whole = request("OPTIONS", peer, "Content-Type: text/plain", body=b"x" * 40)
        got = {length: statuses_before_probe(peer, whole[:length]) for length in range(len(whole))}
        assert statuses_before_probe(peer, whole) == [200]
    assert {tuple(statuses) for statuses in got.values()} == {(), (400,)}
    assert got[len(whole) - 1] == [400]


def test_faults_are_counted_but_fill_no_log(server: PicosipServer) -> None:
    """At most one line a second and source."""
    with App(server.grpc) as app, RawUdp(server.udp) as peer:
        before = app.stats().counters["parse_errors"]
        lines = len(server.log_lines())
        bad = request("OPTIONS", peer).replace(b"CSeq: 1 OPTIONS\r\n", b"")
        # No more at a time than the peer's own socket has room for.
        for begin in range(0, 500, 50):
            for number in range(begin, begin + 50):
                peer.send(bad.replace(b"z9hG4bK", b"z9hG4bK%d" % number))
            for number in range(50):
                assert peer.receive(2.0), begin + number
        assert app.stats().counters["parse_errors"] - before == 500
        # A source is an address: the other tests' faults came from the same one.
        assert len(server.log_lines()) - lines <= 5


def test_keep_alive_is_answered(server: PicosipServer) -> None:
    """RFC 5626 section 3.5.1: a double CRLF is answered with a single one."""
    with RawTcp(server.tcp) as peer:
        peer.send(b"\r\n\r\n")
        assert peer.read() == b"\r\n"
        peer.send(b"\r\n\r\n" + request("OPTIONS", peer))
        answer = peer.receive()
        assert answer is not None
        assert answer.status == 200


def test_message_in_pieces(server: PicosipServer, traffic: list[int]) -> None:
    with RawTcp(server.tcp) as peer:
        whole = request("OPTIONS", peer, "Content-Type: text/plain", body=b"x" * 40)
        with RawUdp(server.udp) as other:
            for cut in (1, 10, whole.index(b"\r\n\r\n") + 2, len(whole) - 1):
                peer.send(whole[:cut])
                # The server has seen the first piece before this is answered.
                assert statuses_before_probe(other, b"") == []
                peer.send(whole[cut:].replace(b"z9hG4bK", b"z9hG4bK1"))
                answer = peer.receive()
                assert answer is not None
                assert answer.status == 200
                whole = request("OPTIONS", peer, "Content-Type: text/plain", body=b"x" * 40)
            for octet in whole:
                peer.send(bytes([octet]))
            answer = peer.receive()
            assert answer is not None
            assert answer.status == 200


def test_many_messages_in_one_segment(server: PicosipServer) -> None:
    with RawTcp(server.tcp) as peer:
        many = [request("OPTIONS", peer) for _ in range(100)]
        peer.send(b"".join(many))
        answers = [peer.receive() for _ in many]
        sent = [RawMessage.read(octets).one("Call-ID") for octets in many]
        assert [answer and answer.one("Call-ID") for answer in answers] == sent


UNFRAMED = {
    "no Content-Length": b"",
    "a negative one": b"Content-Length: -1\r\n",
    "no number": b"Content-Length: many\r\n",
    "two": b"Content-Length: 0\r\nContent-Length: 5\r\n",
    "100 MB": b"Content-Length: 104857600\r\n",
}


@pytest.mark.parametrize("name", UNFRAMED)
def test_stream_that_cannot_be_framed_is_closed(
    server: PicosipServer, traffic: list[int], name: str
) -> None:
    """RFC 3261 section 18.3: without a length nobody knows where the next message begins."""
    with RawTcp(server.tcp) as peer:
        message = request("OPTIONS", peer, content_length=False)
        peer.send(message.replace(b"\r\n\r\n", b"\r\n" + UNFRAMED[name] + b"\r\n"))
        answer = peer.receive()
        assert answer is not None
        assert answer.status in ({413, 513} if name == "100 MB" else {400})
        assert peer.closed_by_server()


def test_streams_that_are_no_messages(server: PicosipServer, traffic: list[int]) -> None:
    noise = random.Random(3261)
    endless = [b"OPTIONS sip:a@b SIP/2.0\r\nX: " + b"x" * 200_000, b"x" * 200_000]
    # Random octets with an empty line in them, so that a header section comes to its end.
    for octets in [*endless, *(noise.randbytes(500) + b"\r\n\r\n" for _ in range(20))]:
        with RawTcp(server.tcp) as peer:
            try:
                peer.send(octets)
                peer.receive()
            except ConnectionError:
                continue
            assert peer.closed_by_server()


def test_connections_come_and_go(server: PicosipServer, traffic: list[int]) -> None:
    """Opened and closed, reset in the middle of a message, or just kept."""
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(RawTcp(server.tcp)) for _ in range(100)]
        for _ in range(50):
            RawTcp(server.tcp).close()
            with RawTcp(server.tcp) as peer:
                peer.send(request("OPTIONS", peer)[:100])
                # Closing now sends RST.
                linger = struct.pack("ii", 1, 0)
                peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        for peer in idle:
            assert statuses_before_probe(peer, request("OPTIONS", peer)) == [200]
