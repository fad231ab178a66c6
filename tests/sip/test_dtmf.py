"""Digits in INFO bodies."""

from __future__ import annotations

import pytest

from picosip_server.sip import dtmf
from picosip_server.sip.dtmf import PLAIN, RELAY, Signal
from picosip_server.sip.errors import RemoteProtocolError


def test_what_is_written() -> None:
    assert dtmf.write(RELAY, "5", 0.16) == b"Signal=5\r\nDuration=160\r\n"
    assert dtmf.write(PLAIN, "#", 0.16) == b"#"


@pytest.mark.parametrize("kind", [RELAY, PLAIN])
@pytest.mark.parametrize("digit", sorted(dtmf.DIGITS))
def test_what_is_written_is_read(kind: str, digit: str) -> None:
    length = 0.25 if kind == RELAY else None
    assert dtmf.read(kind, dtmf.write(kind, digit, 0.25)) == Signal(digit=digit, duration=length)


@pytest.mark.parametrize(
    ("kind", "body", "signal"),
    [
        (RELAY, b"Signal=a\nDuration=70", Signal(digit="A", duration=0.07)),
        (RELAY, b"Signal= 11 \r\n", Signal(digit="#")),
        (RELAY, b"signal: *\r\n\r\nDURATION: 0\r\n", Signal(digit="*", duration=0.0)),
        (PLAIN, b" 7\r\n", Signal(digit="7")),
        (PLAIN, b"10", Signal(digit="*")),
        (PLAIN, b"Signal=3\r\nDuration=100\r\n", Signal(digit="3", duration=0.1)),
    ],
)
def test_what_others_write(kind: str, body: bytes, signal: Signal) -> None:
    assert dtmf.read(kind, body) == signal


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (RELAY, b""),
        (RELAY, b"5"),
        (RELAY, b"Duration=160"),
        (RELAY, b"Signal=55"),
        (RELAY, b"Signal=x"),
        (RELAY, b"Signal=5\r\nDuration=-1"),
        (RELAY, b"Signal=5\r\nDuration=\xb2"),
        (RELAY, b"Signal=5\r\nDuration=1000000"),
        (PLAIN, b""),
        (PLAIN, b"12 3"),
        (PLAIN, b"\xff"),
    ],
)
def test_what_is_no_digit(kind: str, body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        dtmf.read(kind, body)
