"""What is written, what is filled in, and what is refused by which name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picosip_server.sdp.attributes import from_map
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
from picosip_server.sdp.write import write

_AUDIO = Media(type="audio", port=4000, protocol="RTP/AVP", formats=("0",))
_ORIGIN = Origin(session_id="1", session_version="2", address="192.0.2.1")


def test_least_description_gets_correct_defaults() -> None:
    description = SessionDescription(
        connection=Connection(address="192.0.2.7"),
        media=(replace(_AUDIO, connections=(Connection(address="2001:db8::7"),)),),
    )
    assert write(description, session_id="11", session_version="12", address="::1") == (
        b"v=0\r\n"
        b"o=- 11 12 IN IP6 ::1\r\n"
        b"s=-\r\n"
        b"c=IN IP4 192.0.2.7\r\n"
        b"t=0 0\r\n"
        b"m=audio 4000 RTP/AVP 0\r\n"
        b"c=IN IP6 2001:db8::7\r\n"
    )


def test_media_without_an_address_get_that_of_the_origin() -> None:
    """RFC 8866 section 5.7: c= stands for the session or for each of its media."""
    placed = replace(_AUDIO, connections=(Connection(address="192.0.2.8"),))
    for media, line in (
        ((_AUDIO,), b"c=IN IP6 ::1\r\n"),
        ((placed, _AUDIO), b"c=IN IP6 ::1\r\n"),
        ((placed,), b""),
        ((), b""),
    ):
        description = SessionDescription(media=media)
        written = write(description, session_id="1", session_version="1", address="::1")
        assert written.partition(b"s=-\r\n")[2].startswith(line + b"t=0 0\r\n")


def test_given_subfields_win_over_defaults() -> None:
    description = SessionDescription(
        origin=Origin(username="me", session_id="5", address_type="X", address="a:b"),
        connection=Connection(network_type="ATM", address_type="NSAP", address="47.0091"),
    )
    assert write(description, session_id="11", session_version="12", address="192.0.2.1") == (
        b"v=0\r\no=me 5 12 IN X a:b\r\ns=-\r\nc=ATM NSAP 47.0091\r\nt=0 0\r\n"
    )


def test_every_line_in_the_order_of_the_rfc() -> None:
    description = SessionDescription(
        origin=_ORIGIN,
        session_name="name",
        information="about \udcff",
        uri="http://example.com",
        emails=("a@example.com", "b@example.com"),
        phones=("+1 2",),
        connection=Connection(address="host.example.com"),
        bandwidths=(Bandwidth(type="CT", value=0), Bandwidth(type="AS", value=2**64 - 1)),
        timings=(
            Timing(start=1, stop=2, repeats=("7d 1h 0", "1d 1h 0"), zone="1 -1h"),
            Timing(start=3),
        ),
        key="prompt",
        attributes=(
            Attribute(name="b", value="ö:1"),
            Attribute(name="a"),
            Attribute(name="b", value=""),
        ),
        media=(
            Media(
                type="video",
                port=65535,
                port_count=2,
                protocol="UDP/TLS/RTP/SAVPF",
                formats=("96", "*"),
                information="title",
                connections=(Connection(address="a"), Connection(address="b")),
                bandwidths=(Bandwidth(type="TIAS", value=1),),
                key="clear:x",
                attributes=(Attribute(name="rtpmap", value="96 VP8/90000"),),
            ),
            Media(type="image", port=0, port_count=1, protocol="udptl"),
        ),
    )
    assert write(description) == (
        b"v=0\r\n"
        b"o=- 1 2 IN IP4 192.0.2.1\r\n"
        b"s=name\r\n"
        b"i=about \xff\r\n"
        b"u=http://example.com\r\n"
        b"e=a@example.com\r\n"
        b"e=b@example.com\r\n"
        b"p=+1 2\r\n"
        b"c=IN IP4 host.example.com\r\n"
        b"b=CT:0\r\n"
        b"b=AS:18446744073709551615\r\n"
        b"t=1 2\r\n"
        b"r=7d 1h 0\r\n"
        b"r=1d 1h 0\r\n"
        b"z=1 -1h\r\n"
        b"t=3 0\r\n"
        b"k=prompt\r\n"
        b"a=b:\xc3\xb6:1\r\n"
        b"a=a\r\n"
        b"a=b:\r\n"
        b"m=video 65535/2 UDP/TLS/RTP/SAVPF 96 *\r\n"
        b"i=title\r\n"
        b"c=IN IP4 a\r\n"
        b"c=IN IP4 b\r\n"
        b"b=TIAS:1\r\n"
        b"k=clear:x\r\n"
        b"a=rtpmap:96 VP8/90000\r\n"
        b"m=image 0/1 udptl\r\n"
    )


_BASE = SessionDescription(origin=_ORIGIN)
_TEXT = "must be text without NUL, CR and LF, and not empty"
_WORD = "must be text without spaces and control characters"
_TOKEN = "must be a token"
_PORT = "must be from 0 to 65535"
_UINT64 = "must be from 0 to 18446744073709551615"


def _media(**changes: object) -> SessionDescription:
    second = replace(_AUDIO, **changes)  # type: ignore[arg-type]
    return replace(_BASE, media=(_AUDIO, second))


@pytest.mark.parametrize(
    ("description", "field", "detail"),
    [
        (SessionDescription(), "origin.session_id", "must be decimal digits"),
        (
            SessionDescription(origin=Origin(session_id="1")),
            "origin.session_version",
            "must be decimal digits",
        ),
        (replace(_BASE, origin=replace(_ORIGIN, address="")), "origin.address", _WORD),
        (replace(_BASE, origin=replace(_ORIGIN, username="a b")), "origin.username", _WORD),
        (
            replace(_BASE, origin=replace(_ORIGIN, network_type="I N")),
            "origin.network_type",
            _TOKEN,
        ),
        (replace(_BASE, origin=replace(_ORIGIN, address_type="/")), "origin.address_type", _TOKEN),
        (
            replace(_BASE, origin=replace(_ORIGIN, session_id="٣")),
            "origin.session_id",
            "must be decimal digits",
        ),
        (replace(_BASE, session_name="a\r\na=x"), "session_name", _TEXT),
        (replace(_BASE, session_name="\ud800"), "session_name", _TEXT),
        (replace(_BASE, information="\n"), "information", _TEXT),
        (replace(_BASE, uri="\0"), "uri", _TEXT),
        (replace(_BASE, emails=("a", "")), "emails[1]", _TEXT),
        (replace(_BASE, phones=("\r",)), "phones[0]", _TEXT),
        (replace(_BASE, key="\r"), "key", _TEXT),
        (replace(_BASE, connection=Connection()), "connection.address", _WORD),
        (
            replace(_BASE, connection=Connection(network_type="\n", address="a")),
            "connection.network_type",
            _TOKEN,
        ),
        (
            replace(_BASE, connection=Connection(address_type="IP 4", address="a")),
            "connection.address_type",
            _TOKEN,
        ),
        (
            replace(_BASE, bandwidths=(Bandwidth(type="A:S", value=1),)),
            "bandwidths[0].type",
            _TOKEN,
        ),
        (
            replace(_BASE, bandwidths=(Bandwidth(type="AS", value=-1),)),
            "bandwidths[0].value",
            _UINT64,
        ),
        (replace(_BASE, timings=(Timing(start=2**64),)), "timings[0].start", _UINT64),
        (replace(_BASE, timings=(Timing(), Timing(stop=-1))), "timings[1].stop", _UINT64),
        (
            replace(_BASE, timings=(Timing(repeats=("1 2 3", "")),)),
            "timings[0].repeats[1]",
            _TEXT,
        ),
        (replace(_BASE, timings=(Timing(zone="\n"),)), "timings[0].zone", _TEXT),
        (replace(_BASE, attributes=(Attribute(name=""),)), "attributes[0].name", _TOKEN),
        (replace(_BASE, attributes=(Attribute(name="a:b"),)), "attributes[0].name", _TOKEN),
        (
            replace(_BASE, attributes=(Attribute(name="a"), Attribute(name="b", value="\n"))),
            "attributes[1].value",
            _TEXT,
        ),
        (_media(type="a b"), "media[1].type", _TOKEN),
        (_media(port=-1), "media[1].port", _PORT),
        (_media(port=65536), "media[1].port", _PORT),
        (_media(port_count=-1), "media[1].port_count", _PORT),
        (_media(protocol="RTP/"), "media[1].protocol", 'must be tokens with "/" between'),
        (_media(formats=()), "media[1].formats", "must not be empty"),
        (_media(formats=("0", "a b")), "media[1].formats[1]", _WORD),
        (_media(formats=("0", "")), "media[1].formats[1]", _WORD),
        (_media(information="\n"), "media[1].information", _TEXT),
        (
            _media(connections=(Connection(address="a"), Connection(address="b\n"))),
            "media[1].connections[1].address",
            _WORD,
        ),
        (
            _media(bandwidths=(Bandwidth(type="", value=1),)),
            "media[1].bandwidths[0].type",
            _TOKEN,
        ),
        (_media(key="\n"), "media[1].key", _TEXT),
        (_media(attributes=(Attribute(name="\n"),)), "media[1].attributes[0].name", _TOKEN),
        (
            _media(attributes=(Attribute(name="a", value="\0"),)),
            "media[1].attributes[0].value",
            _TEXT,
        ),
    ],
)
def test_refused_values(description: SessionDescription, field: str, detail: str) -> None:
    with pytest.raises(SdpError) as raised:
        write(description)
    assert (raised.value.field, raised.value.detail, raised.value.line) == (field, detail, 0)
    assert str(raised.value) == f"{field}: {detail}"


def test_attribute_map() -> None:
    values = {"rtpmap": ("96 A", "97 B"), "fmtp": ["97 x=1"], "sendrecv": (), "x": ("",)}
    assert from_map(values) == (
        Attribute(name="fmtp", value="97 x=1"),
        Attribute(name="rtpmap", value="96 A"),
        Attribute(name="rtpmap", value="97 B"),
        Attribute(name="sendrecv"),
        Attribute(name="x", value=""),
    )
    assert from_map({}) == ()


@pytest.mark.parametrize(
    ("values", "field", "detail"),
    [
        ({"ok": (), "a b": ()}, 'media[0].attribute_map["a b"]', "the name must be a token"),
        (
            {"x": ("1", "\n")},
            'media[0].attribute_map["x"].values[1]',
            "must not hold NUL, CR or LF",
        ),
    ],
)
def test_refused_attribute_map(values: dict[str, tuple[str, ...]], field: str, detail: str) -> None:
    with pytest.raises(SdpError) as raised:
        from_map(values, field="media[0].attribute_map")
    assert (raised.value.field, raised.value.detail) == (field, detail)
