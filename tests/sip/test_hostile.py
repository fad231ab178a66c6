"""No octets cost more than linear time."""

from __future__ import annotations

import time

import pytest

from picosip_server.sip.errors import ParseError
from picosip_server.sip.parse import Limits, parse
from tests.sip.messages import request

_SIZE = 60_000


@pytest.mark.parametrize(
    "value",
    [
        " " * _SIZE + "x",
        "\t" * _SIZE,
        "a" * _SIZE,
        '"' * _SIZE,
        '"\\' * (_SIZE // 2),
        "<" * _SIZE,
        ">" * _SIZE,
        '<"' * (_SIZE // 2),
        "," * _SIZE,
        ";" * _SIZE,
        ";a=" * (_SIZE // 3),
        "<sip:a>" + ";a" * (_SIZE // 2) + "=",
        "<sip:a>" + ' ;a="b"' * (_SIZE // 7) + '"',
        "<sip:a>" + " ; a = b " * (_SIZE // 9) + "=",
        "sip:" + "a:" * (_SIZE // 2),
        "sip:" + "%41" * (_SIZE // 3) + "%",
        "<sip:" + "a" * _SIZE + "@>",
        "<sip:" + "a." * (_SIZE // 2) + "@h>",
        "<sip:h?" + "a=b&" * (_SIZE // 4) + " >",
        "<sip:[" + ":" * _SIZE + ">",
        "SIP/" + " " * _SIZE + "/",
        "SIP/2.0/UDP " + "a." * (_SIZE // 2) + "/",
        "SIP/2.0/UDP h" + ";a=b" * (_SIZE // 4) + "=",
        "SIP/2.0/UDP h;;" + ";a=b" * (_SIZE // 4),
        "0" * _SIZE + " INVITE",
        "1 " * (_SIZE // 2),
        " " * _SIZE + "x\r\n y",
        "\r\n ".join("x" * (_SIZE // 3)),
        (" " * 50 + "\r\n") * (_SIZE // 52) + " x",
        "1" * _SIZE,
    ],
)
def test_a_hostile_header_costs_linear_time(value: str) -> None:
    limits = Limits(message_octets=10**6, header_octets=10**6)
    names = ["From", "To", "Via", "CSeq", "Contact", "Call-ID", "Max-Forwards", "Content-Length"]
    started = time.process_time()
    for name in names:
        data = request(f"{name}: {value}", without=(name,))
        try:
            message = parse(data, limits)
        except ParseError:
            continue
        for read in ("contacts", "require"):
            getattr(message, read)
    # Quadratic time would be minutes.
    assert time.process_time() - started < 2
