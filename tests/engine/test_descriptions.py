"""Whether a description holds, told from a look at its octets, and read where that says maybe."""

from __future__ import annotations

import pytest

from picosip_server.engine.descriptions import SdpDescriptions


def description(
    *, origin: str = "IP4 192.0.2.1", name: str = "-", c: str = "IP4 192.0.2.1", a: str = "sendrecv"
) -> bytes:
    return (
        f"v=0\r\no=- 1 1 IN {origin}\r\ns={name}\r\nc=IN {c}\r\nt=0 0\r\n"
        f"m=audio 6000 RTP/AVP 0\r\na={a}\r\n"
    ).encode()


@pytest.mark.parametrize(
    ("given", "holds"),
    [
        (description(), False),
        (description(a="sendonly"), True),
        (description(a="inactive"), True),
        (description(a="recvonly"), False),
        (description(c="IP4 0.0.0.0"), True),
        (description(c="IP6 ::"), True),
        # They look like it, and do not.
        (description(origin="IP4 0.0.0.0"), False),
        (description(origin="IP6 2001:db8::1", c="IP6 2001:db8::1"), False),
        (description(name="a=sendonly"), False),
        (b"a=sendonly :: and no description", False),
    ],
)
def test_whether_it_holds(given: bytes, holds: bool) -> None:
    assert SdpDescriptions().holds(given) is holds
