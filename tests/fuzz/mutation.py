"""Changes valid octets into ones that hardly are: the same seed gives the same changes."""

from __future__ import annotations

import random

PIECES = (
    b"\r\n",
    b"\r\n\r\n",
    b"\r\n ",
    b"\0",
    b"\xff\xfe",
    b"\xc3\x28",
    b'"',
    b"<",
    b">",
    b",",
    b";",
    b"=",
    b"%",
    b"%00",
    b"@",
    b"[::1]",
    b":" * 9,
    b" " * 40,
    b"A" * 300,
    b"-1",
    b"0",
    b"65536",
    b"4294967296",
    b"99999999999999999999999",
    b"SIP/2.0",
    b"SIP/9.9",
    b"sip:",
    b"sips:a@b",
    b"tel:+1",
    b";lr",
    b";maddr=127.0.0.1",
    b";transport=tcp",
    b";tag=",
    b";rport",
    b"*",
    b"Content-Length: 7\r\n",
    b"Expires: 0\r\n",
    b"Require: 100rel\r\n",
    b"Require: timer\r\n",
    b"Supported: 100rel, timer, replaces\r\n",
    b"Session-Expires: 90;refresher=uac\r\n",
    b"Session-Expires: 1\r\n",
    b"Min-SE: 7200\r\n",
    b"Replaces: a;to-tag=b;from-tag=c\r\n",
    b"Route: <sip:127.0.0.1;lr>\r\n",
    b"Record-Route: <sip:127.0.0.1:9;lr>\r\n",
    b'Authorization: Digest username="a", realm="b"\r\n',
    b"Retry-After: 0\r\n",
)
"""What means something to a reader of SIP or SDP, at its place or out of it."""


def octets(data: bytes, rng: random.Random) -> bytes:
    """Some changes to single octets, spans and pieces."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(changed) + 1)
        span = at + rng.choice((1, 2, 5, 30))
        kind = rng.randrange(7)
        if kind == 0 and at < len(changed):
            changed[at] = rng.randrange(256)
        elif kind == 1:
            del changed[at:span]
        elif kind == 2:
            changed[at:at] = changed[at:span]
        elif kind == 3:
            changed[at:at] = rng.choice(PIECES)
        elif kind == 4:
            changed[at:span] = rng.choice(PIECES)
        elif kind == 5 and rng.random() < 0.2:
            del changed[at:]
        elif at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)


def lines(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """Header lines lost, repeated, in another order, or of another message."""
    head, end, body = data.partition(b"\r\n\r\n")
    first, *fields = head.split(b"\r\n")
    strangers = other.partition(b"\r\n\r\n")[0].split(b"\r\n")
    for _ in range(rng.choice((1, 1, 2, 4))):
        kind = rng.randrange(8)
        at = rng.randrange(len(fields)) if fields else 0
        if not fields or kind == 0:
            fields.insert(at, rng.choice(strangers))
        elif kind == 1:
            del fields[at]
        elif kind == 2:
            fields.insert(rng.randrange(len(fields)), fields[at])
        elif kind == 3:
            rng.shuffle(fields)
        elif kind == 4:
            name, colon, _ = fields[at].partition(b":")
            fields[at] = name + colon + b" " + rng.choice(strangers).partition(b":")[2]
        elif kind == 5:
            fields[at] = octets(fields[at], rng)
        elif kind == 6:
            first = octets(first, rng) if rng.random() < 0.3 else first
            body = octets(body, rng)
        else:
            body = other.partition(b"\r\n\r\n")[2]
    return b"\r\n".join([first, *fields]) + end + body


def message(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """A message changed in one way or another; ``other`` lends it parts."""
    return lines(data, rng, other) if rng.random() < 0.6 else octets(data, rng)
