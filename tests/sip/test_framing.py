"""Messages out of a stream (RFC 3261 section 18.3, RFC 5626 section 3.5.1)."""

from __future__ import annotations

import time

import pytest

from picosip_server.sip.errors import ParseError
from picosip_server.sip.framing import Frame, KeepAlive, StreamFramer
from picosip_server.sip.parse import Limits, parse
from tests.sip.messages import request

_ONE = request("Content-Length: 4", body=b"\r\n\r\n")
_TWO = request("l :  0")
_THREE = request("L:\r\n 00003", body=b"abc")


def _fed(*chunks: bytes) -> list[Frame]:
    framer = StreamFramer()
    return [frame for chunk in chunks for frame in framer.feed(chunk)]


def test_messages_back_to_back() -> None:
    assert _fed(_ONE + _TWO + _THREE) == [_ONE, _TWO, _THREE]
    assert parse(_THREE, stream=True).body == b"abc"


def test_octet_by_octet() -> None:
    stream = _ONE + _TWO + _THREE
    assert _fed(*(stream[at : at + 1] for at in range(len(stream)))) == [_ONE, _TWO, _THREE]


def test_the_cut_does_not_matter() -> None:
    stream = _ONE + _THREE
    for at in range(len(stream)):
        assert _fed(stream[:at], stream[at:]) == [_ONE, _THREE]


def test_pending_counts_the_octets_of_an_unfinished_message() -> None:
    framer = StreamFramer()
    assert framer.pending == 0
    assert framer.feed(_ONE + _TWO[:10]) == [_ONE]
    assert framer.pending == 10
    assert framer.feed(_TWO[10:]) == [_TWO]
    assert framer.pending == 0


def test_keep_alives() -> None:
    assert _fed(b"\r\n\r\n") == [KeepAlive.PING]
    assert _fed(b"\r\n") == [KeepAlive.PONG]
    assert _fed(b"\r\n\r\n" + _ONE + b"\r\n\r\n\r\n" + _TWO + b"\r\n") == [
        KeepAlive.PING,
        _ONE,
        KeepAlive.PING,
        KeepAlive.PONG,
        _TWO,
        KeepAlive.PONG,
    ]


@pytest.mark.parametrize(
    "chunks",
    [
        (b"\r\n", b"\r\n"),
        (b"\r", b"\n\r", b"\n"),
        (b"\r\n\r", b"\n"),
        (b"\r", b"\n", b"\r", b"\n"),
    ],
)
def test_a_ping_in_pieces_is_one_ping(chunks: tuple[bytes, ...]) -> None:
    # The first CRLF alone may be the answer to a ping of ours: it cannot wait for a second.
    assert _fed(*chunks) == [KeepAlive.PONG, KeepAlive.PING]


def test_a_pong_before_a_message_is_not_half_a_ping() -> None:
    assert _fed(b"\r\n", _TWO, b"\r\n") == [KeepAlive.PONG, _TWO, KeepAlive.PONG]


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ((), "missing or repeated"),
        (("Content-Length: 1", "l: 1"), "missing or repeated"),
        (("Content-Length: -1",), "not a number"),
        (("Content-Length: 0x1",), "not a number"),
        (("Content-Length: 1_0",), "not a number"),
        (("Content-Length: 99999999999999999999999",), "number above"),
        (("X: y\r\n Content-Length: 0",), "missing or repeated"),
        (("X-Content-Length: 0",), "missing or repeated"),
    ],
)
def test_without_a_length_the_stream_is_lost(fields: tuple[str, ...], detail: str) -> None:
    # 18.3 and 20.14
    framer = StreamFramer()
    with pytest.raises(ParseError, match=detail) as caught:
        framer.feed(request(*fields))
    assert caught.value.status == 400
    assert caught.value.request is not None
    assert caught.value.request.call_id == "c4f1@pub.green.example"
    assert framer.fault is caught.value
    assert framer.pending == 0
    with pytest.raises(ParseError) as again:
        framer.feed(_ONE)
    assert again.value is caught.value


def test_messages_before_the_fault_come_first() -> None:
    framer = StreamFramer()
    assert framer.feed(_ONE + _TWO + request()) == [_ONE, _TWO]
    assert framer.fault is not None
    with pytest.raises(ParseError):
        framer.feed(b"")


def test_a_body_that_is_too_large() -> None:
    head = request("Content-Length: 900")
    framer = StreamFramer(Limits(message_octets=len(head) + 899))
    with pytest.raises(ParseError) as caught:
        framer.feed(head)
    assert caught.value.status == 413
    assert caught.value.request is not None
    assert caught.value.request.cseq.number == 7
    exact = StreamFramer(Limits(message_octets=len(head) + 900))
    assert exact.feed(head + b"x" * 900) == [head + b"x" * 900]


@pytest.mark.parametrize("finished", [True, False])
def test_headers_that_are_too_large(finished: bool) -> None:
    stream = request("Content-Length: 0", *(["X: " + "y" * 100] * 20))
    if not finished:
        stream = stream[:-4]
    framer = StreamFramer(Limits(header_octets=1000))
    with pytest.raises(ParseError) as caught:
        framer.feed(stream)
    assert caught.value.status == 513
    assert caught.value.request is not None
    assert caught.value.request.to.uri.user == "piet"


def test_headers_just_within_the_limit_however_they_are_cut() -> None:
    limits = Limits(header_octets=len(_TWO) - 4)
    for at in range(len(_TWO)):
        framer = StreamFramer(limits)
        assert framer.feed(_TWO[:at]) + framer.feed(_TWO[at:]) == [_TWO]


@pytest.mark.parametrize("step", [1, 7, 60_000])
def test_a_hostile_head_costs_linear_time(step: int) -> None:
    limits = Limits(message_octets=10**6, header_octets=10**6)
    stream = request("X: " + " " * 60_000 + "y\r\n z", "\r\n ".join("l" * 20_000), "l: 0")
    framer = StreamFramer(limits)
    started = time.process_time()
    frames: list[Frame] = []
    for at in range(0, len(stream), step):
        frames += framer.feed(stream[at : at + step])
    # Quadratic time would be minutes.
    assert time.process_time() - started < 5
    assert frames == [stream]


@pytest.mark.parametrize(
    "octets", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01" + b"\x00" * 40000]
)
def test_another_protocol_is_no_request(octets: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        StreamFramer().feed(octets)
    assert caught.value.request is None


def test_answers_to_pings_of_ours_are_no_pings_of_the_peer() -> None:
    """RFC 5626 section 4.4.1: two single CRLFs in a row look like a ping that was cut."""
    framer = StreamFramer()
    for _ in range(2):
        framer.await_pong()
        assert framer.feed(b"\r\n") == [KeepAlive.PONG]
    # One more is the peer's own affair, and so is what follows it.
    assert framer.feed(b"\r\n") == [KeepAlive.PONG]
    assert framer.feed(b"\r\n") == [KeepAlive.PING]
    framer.await_pong()
    assert framer.feed(b"\r\n\r\n") == [KeepAlive.PING]
    assert framer.feed(b"\r\n" + _ONE) == [KeepAlive.PONG, _ONE]
