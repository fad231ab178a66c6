"""The next description of a session: RFC 3264 sections 6 and 8."""

from __future__ import annotations

import pytest

from picosip_server.sdp.direction import answered, held, wants_nothing
from picosip_server.sdp.errors import SdpError
from picosip_server.sdp.parse import parse
from picosip_server.sdp.revise import answer_to, continued, on_hold


def sdp(*media: str, version: int = 1, session: str = "") -> bytes:
    head = f"v=0|o=- 7 {version} IN IP4 192.0.2.1|s=-|c=IN IP4 192.0.2.1|t=0 0|{session}"
    return (head + "".join(media)).replace("|", "\r\n").encode()


AUDIO = "m=audio 4000 RTP/AVP 0|"
VIDEO = "m=video 4002 RTP/AVP 31|"


@pytest.mark.parametrize(
    ("offered", "wanted", "answer"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendonly", "sendrecv", "recvonly"),
        ("recvonly", "sendrecv", "sendonly"),
        ("inactive", "sendrecv", "inactive"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendonly", "sendonly", "inactive"),
        ("recvonly", "recvonly", "inactive"),
        ("sendrecv", "inactive", "inactive"),
    ],
)
def test_directions_of_an_answer(offered: str, wanted: str, answer: str) -> None:
    """Section 6.1."""
    assert answered(offered, wanted) == answer


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("sendrecv", "sendonly"),
        ("sendonly", "sendonly"),
        ("recvonly", "inactive"),
        ("inactive", "inactive"),
    ],
)
def test_directions_of_a_hold(before: str, after: str) -> None:
    """Section 8.4."""
    assert held(before) == after


def test_a_hold_is_per_media() -> None:
    """Each stream by its own direction, or the session's; one that is off stays off."""
    given = sdp(AUDIO, VIDEO + "a=sendonly|", "m=text 0 RTP/AVP 98|", session="a=recvonly|")
    assert on_hold(given, given) == sdp(
        AUDIO + "a=inactive|",
        VIDEO + "a=sendonly|",
        "m=text 0 RTP/AVP 98|",
        session="a=recvonly|",
        version=2,
    )


def test_an_unchanged_description_keeps_its_version() -> None:
    """Section 8: the version goes up only where something changed."""
    sent = sdp(AUDIO, version=5)
    assert continued(sdp(AUDIO, version=99), sent) == sent
    assert continued(sdp(VIDEO, version=99), sent) == sdp(VIDEO, version=6)


def test_an_answer_mirrors_the_offer() -> None:
    """Section 6: as many streams in the same order; those we do not have are refused."""
    given = sdp(AUDIO + "a=rtpmap:0 PCMU/8000|")
    offer = sdp(AUDIO + "a=sendonly|", VIDEO, version=3)
    assert answer_to(offer, given, given, hold=False) == sdp(
        AUDIO + "a=rtpmap:0 PCMU/8000|a=recvonly|", "m=video 0 RTP/AVP 31|", version=2
    )
    assert answer_to(offer, given, given, hold=True) == sdp(
        AUDIO + "a=rtpmap:0 PCMU/8000|a=inactive|", "m=video 0 RTP/AVP 31|", version=2
    )


@pytest.mark.parametrize(
    "stream", ["m=audio 4000 RTP/AVP 8|", "m=audio 4000 RTP/SAVP 0|", "m=audio 0 RTP/AVP 0|", VIDEO]
)
def test_a_stream_of_another_kind_is_refused(stream: str) -> None:
    """Other formats, another protocol, one that is off, another media type."""
    given = sdp(AUDIO)
    (media,) = parse(answer_to(sdp(stream), given, given, hold=False)).media
    assert (media.port, media.type) == (0, parse(sdp(stream)).media[0].type)


@pytest.mark.parametrize(
    ("description", "holds"),
    [
        (sdp(AUDIO), False),
        (sdp(AUDIO + "a=sendonly|"), True),
        (sdp(AUDIO + "a=inactive|", VIDEO), False),
        (sdp(AUDIO, VIDEO, session="a=sendonly|"), True),
        (sdp(AUDIO + "c=IN IP4 0.0.0.0|"), True),
        (sdp("m=audio 0 RTP/AVP 0|"), False),
        (sdp(), False),
    ],
)
def test_who_holds(description: bytes, holds: bool) -> None:
    assert wants_nothing(parse(description)) is holds


def test_what_cannot_be_read() -> None:
    with pytest.raises(SdpError):
        continued(b"nothing", sdp(AUDIO))
    with pytest.raises(SdpError):
        on_hold(sdp(AUDIO), b"nothing")
