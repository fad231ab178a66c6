"""What reads octets from the network: it raises its own error or nothing, and what it gives can
be read again as the same."""

from __future__ import annotations

import contextlib
import random
import struct
from collections.abc import Callable, Iterator

from picosip_server.engine.transport.layers import LayerError
from picosip_server.engine.transport.websocket import WebSocketFraming
from picosip_server.sdp.errors import SdpError
from picosip_server.sdp.parse import parse as parse_sdp
from picosip_server.sdp.write import write as write_sdp
from picosip_server.sip.errors import ParseError
from picosip_server.sip.framing import StreamFramer
from picosip_server.sip.parse import parse
from tests.fuzz import mutation
from tests.fuzz.dialogs import SDP, FarEnd

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: sip\r\n\r\n"
)


def message(data: bytes) -> None:
    """The message parser, and all that is parsed when asked for."""
    for stream in (False, True):
        try:
            found = parse(data, stream=stream)
        except ParseError as error:
            assert 400 <= error.status < 600
            continue
        again = parse(found.encode())
        # Writing adds a Content-Length where there was none.
        assert again.body == found.body
        assert parse(again.encode()).headers == again.headers
        for read in ("contacts", "require", "routes", "record_routes"):
            with contextlib.suppress(ParseError):
                getattr(found, read, None)


def sdp(data: bytes) -> None:
    """The SDP parser; what it reads and can write again comes out the same."""
    try:
        found = parse_sdp(data)
        written = write_sdp(found)
    except SdpError:
        return
    assert write_sdp(parse_sdp(written)) == written


def framer(data: bytes) -> None:
    """The stream framer: the same messages wherever the octets are cut."""
    assert _frames(data[at : at + 7] for at in range(0, len(data), 7)) == _frames([data])


def _frames(pieces: Iterator[bytes] | list[bytes]) -> list[bytes]:
    cutter = StreamFramer()
    found: list[bytes] = []
    with contextlib.suppress(ParseError):
        for piece in pieces:
            found += [frame for frame in cutter.feed(piece) if isinstance(frame, bytes)]
    return found


def websocket(data: bytes) -> None:
    """The WebSocket framing of a server, shaken hands with or not."""
    for octets in (data, HANDSHAKE + data):
        framing = WebSocketFraming(server=True)
        with contextlib.suppress(LayerError):
            for at in range(0, len(octets), 100):
                for _ in framing.feed(octets[at : at + 100]):
                    pass


TARGETS: dict[str, Callable[[bytes], None]] = {
    "message": message,
    "sdp": sdp,
    "framer": framer,
    "websocket": websocket,
}


def seeds(target: str, rng: random.Random) -> Iterator[bytes]:
    """Valid inputs of a target, without end."""
    sent: list[bytes] = []
    far_end = FarEnd(rng, here="127.0.0.2:5060", target="127.0.0.1", send=sent.append, spoilt=0.0)
    while True:
        far_end.step()
        one = sent.pop()
        if target == "sdp":
            yield SDP % (rng.randrange(2**32), rng.choice((b"sendrecv", b"inactive")))
        elif target == "framer":
            yield one + rng.choice((b"", b"\r\n", b"\r\n\r\n")) + one
        elif target == "websocket":
            yield b"".join(
                struct.pack(">BBHI", rng.choice((0x81, 0x82, 0x89, 0x88)), 0xFE, len(one), 0) + one
                for _ in range(2)
            )
        else:
            yield one


def mutated(target: str, rng: random.Random) -> Iterator[bytes]:
    """Spoilt inputs of a target, without end."""
    before = b"x: y\r\n\r\n"
    for seed in seeds(target, rng):
        yield mutation.message(seed, rng, before)
        before = seed
