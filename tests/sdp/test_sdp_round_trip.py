"""What is read is written again, and what is written is read again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, strategies as st

from picosip_server.sdp.complete import complete
from picosip_server.sdp.errors import SdpError
from picosip_server.sdp.model import (
    Attribute,
    Bandwidth,
    Connection,
    Media,
    Origin,
    SessionDescription,
    Timing,
)
from picosip_server.sdp.parse import parse
from picosip_server.sdp.write import write

_CORPUS = Path(__file__).parents[3] / "shared" / "corpora"
_RFC_BODIES = sorted((_CORPUS / "sdp" / "rfc").glob("*.sdp"))
_RFC_MESSAGES = sorted((_CORPUS / "rfc3665").glob("*.sip"))


def _canonical(body: bytes) -> bytes:
    """What is to come out: the RFCs print ``s=`` without its space, and one t= before c=."""
    session, *media = body.replace(b"\r\ns=\r\n", b"\r\ns=-\r\n").split(b"\r\nm=")
    ordered = sorted(
        session.split(b"\r\n"), key=lambda line: b"vosiuepcbtrzka".find(line[:1] or b"a")
    )
    return b"\r\nm=".join([b"\r\n".join(ordered), *media])


@pytest.mark.skipif(not _RFC_BODIES, reason="../shared/corpora/sdp is not here")
def test_bodies_of_rfcs_come_out_as_they_went_in() -> None:
    refused = []
    for path in _RFC_BODIES:
        body = path.read_bytes()
        try:
            description = parse(body)
        except SdpError:
            refused.append((path.name, body))
            continue
        assert write(description) == _canonical(body), path.name
        assert parse(write(description)) == description, path.name
    # These two show the form of a single line.
    assert refused == [
        ("rfc4566-02-s5.1.sdp", b"v=0\r\n"),
        ("rfc8866-02-s5.1.sdp", b"v=0\r\n"),
    ]


@pytest.mark.skipif(not _RFC_MESSAGES, reason="../shared/corpora/rfc3665 is not here")
def test_bodies_of_messages_come_out_as_they_went_in() -> None:
    count = 0
    for path in _RFC_MESSAGES:
        head, _, body = path.read_bytes().partition(b"\r\n\r\n")
        if b"Content-Type: application/sdp" in head and body:
            assert write(parse(body)) == body, path.name
            count += 1
    assert count > 0


_octets = st.binary(max_size=300)
_lines = st.lists(
    st.tuples(
        st.sampled_from([b"v=", b"o=", b"s=", b"i=", b"u=", b"e=", b"p=", b"c=", b"b=", b"t="])
        | st.sampled_from([b"r=", b"z=", b"k=", b"a=", b"m=", b"x="]),
        st.sampled_from(
            [
                b"",
                b" ",
                b"0",
                b"0 0",
                b"IN IP4 a",
                b"AS:1",
                b"x:y",
                b"x:",
                b"audio 1/2 RTP/AVP 0",
                b"audio 0 x",
                b"a 1 x \xff",
            ]
        )
        | st.binary(max_size=8),
        st.sampled_from([b"\r\n", b"\n", b"\r\n\r\n", b""]),
    ),
    max_size=12,
).map(lambda lines: b"v=0\no=- 1 2 IN IP4 a\n" + b"".join(map(b"".join, lines)))


# A stream without a c= of its own or of the session gets one (RFC 8866 section 5.7).
@example(b"v=0\no=! 0 0 ! ! !\nm=* 0 A")
@given(_octets | _lines | _octets.map(b"v=0\no=- 1 2 IN IP4 a\n".__add__))
def test_any_octets_are_refused_or_written_and_read_unchanged(data: bytes) -> None:
    try:
        description = parse(data)
    except SdpError:
        return
    assert parse(write(description)) == complete(description)


def _decoded(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


_plain = [chr(code) for code in range(0x21, 0x7F)]
_tokens = st.text([c for c in _plain if c not in '"(),/:;<=>?@[\\]'], min_size=1, max_size=8)
_words = st.binary(min_size=1, max_size=8).map(
    lambda octets: (
        _decoded(bytes(octet for octet in octets if octet > 0x20 and octet != 0x7F)) or "w"
    )
)
_texts = st.binary(max_size=12).map(
    lambda octets: _decoded(bytes(octet for octet in octets if octet not in b"\0\r\n")) or "t"
)
_uint64s = st.integers(0, 2**64 - 1)
_digits = st.integers(0, 10**30).map(str)
_connections = st.builds(
    Connection,
    network_type=_tokens | st.just(""),
    address_type=_tokens | st.just(""),
    address=_words,
)
_attributes = st.lists(
    st.builds(Attribute, name=_tokens, value=st.none() | st.just("") | _texts), max_size=4
).map(tuple)
_bandwidths = st.lists(st.builds(Bandwidth, type=_tokens, value=_uint64s), max_size=2).map(tuple)
_media = st.builds(
    Media,
    type=_tokens,
    port=st.integers(0, 65535),
    port_count=st.integers(0, 65535),
    protocol=st.lists(_tokens, min_size=1, max_size=3).map("/".join),
    formats=st.lists(_words, min_size=1, max_size=3).map(tuple),
    information=_texts | st.just(""),
    connections=st.lists(_connections, max_size=2).map(tuple),
    bandwidths=_bandwidths,
    key=_texts | st.just(""),
    attributes=_attributes,
)
_descriptions = st.builds(
    SessionDescription,
    origin=st.none()
    | st.builds(
        Origin,
        username=_words | st.just(""),
        session_id=_digits | st.just(""),
        session_version=_digits | st.just(""),
        network_type=_tokens | st.just(""),
        address_type=_tokens | st.just(""),
        address=_words | st.just(""),
    ),
    session_name=_texts | st.just(""),
    information=_texts | st.just(""),
    uri=_texts | st.just(""),
    emails=st.lists(_texts, max_size=2).map(tuple),
    phones=st.lists(_texts, max_size=2).map(tuple),
    connection=st.none() | _connections,
    bandwidths=_bandwidths,
    timings=st.lists(
        st.builds(
            Timing,
            start=_uint64s,
            stop=_uint64s,
            repeats=st.lists(_texts, max_size=2).map(tuple),
            zone=_texts | st.just(""),
        ),
        max_size=2,
    ).map(tuple),
    key=_texts | st.just(""),
    attributes=_attributes,
    media=st.lists(_media, max_size=3).map(tuple),
)


@given(_descriptions)
def test_any_description_is_written_and_read_as_completed(
    description: SessionDescription,
) -> None:
    defaults = {"session_id": "1", "session_version": "2", "address": "192.0.2.1"}
    octets = write(description, **defaults)
    assert parse(octets) == complete(description, **defaults)
    assert write(parse(octets)) == octets
