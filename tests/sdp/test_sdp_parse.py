"""What is read from octets, and what is refused on which line."""

from __future__ import annotations

import pytest

from picosip_server.sdp.errors import SdpError
from picosip_server.sdp.limits import Limits
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

_ORIGIN = Origin(
    username="-",
    session_id="1",
    session_version="2",
    network_type="IN",
    address_type="IP4",
    address="192.0.2.1",
)
_HEAD = b"v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\n"


def _with(**changes: object) -> SessionDescription:
    base: dict[str, object] = {"origin": _ORIGIN, "session_name": "-", "timings": (Timing(),)}
    return SessionDescription(**(base | changes))  # type: ignore[arg-type]


def test_every_line_of_the_rfc() -> None:
    data = (
        b"v=0\r\n"
        b"o=j\xc3\xb6rg 18446744073709551616000 7 IN IP6 2001:db8::1\r\n"
        b"s= a talk \r\n"
        b"i=about \xff\r\n"
        b"u=http://example.com/?a=b\r\n"
        b"e=a@example.com (A)\r\n"
        b"e=b@example.com\r\n"
        b"p=+1 617 555-6011\r\n"
        b"p=+49 30 1\r\n"
        b"c=IN IP4 233.252.0.1/127/3\r\n"
        b"b=CT:128\r\n"
        b"b=X-Y:18446744073709551615\r\n"
        b"t=3724394400 3730536000\r\n"
        b"r=604800 3600 0 90000\r\n"
        b"r=7d 1h 0 25h\r\n"
        b"z=3730928400 -1h 3749680800 0\r\n"
        b"t=3724484400 0\r\n"
        b"k=prompt\r\n"
        b"a=recvonly\r\n"
        b"a=x:\r\n"
        b"a=recvonly\r\n"
        b"m=audio 49170/2 RTP/AVP 0 96\r\n"
        b"i=speech\r\n"
        b"c=IN IP6 ff00::db8:0:101\r\n"
        b"c=IN IP6 ff00::db8:0:102\r\n"
        b"b=AS:64\r\n"
        b"k=clear:x\r\n"
        b"a=rtpmap:96 L8/8000\r\n"
        b"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
        b"m=image 0 udptl\r\n"
    )
    assert parse(data) == SessionDescription(
        origin=Origin(
            username="jörg",
            session_id="18446744073709551616000",
            session_version="7",
            network_type="IN",
            address_type="IP6",
            address="2001:db8::1",
        ),
        session_name=" a talk ",
        information="about \udcff",
        uri="http://example.com/?a=b",
        emails=("a@example.com (A)", "b@example.com"),
        phones=("+1 617 555-6011", "+49 30 1"),
        connection=Connection(network_type="IN", address_type="IP4", address="233.252.0.1/127/3"),
        bandwidths=(Bandwidth(type="CT", value=128), Bandwidth(type="X-Y", value=2**64 - 1)),
        timings=(
            Timing(
                start=3724394400,
                stop=3730536000,
                repeats=("604800 3600 0 90000", "7d 1h 0 25h"),
                zone="3730928400 -1h 3749680800 0",
            ),
            Timing(start=3724484400),
        ),
        key="prompt",
        attributes=(
            Attribute(name="recvonly"),
            Attribute(name="x", value=""),
            Attribute(name="recvonly"),
        ),
        media=(
            Media(
                type="audio",
                port=49170,
                port_count=2,
                protocol="RTP/AVP",
                formats=("0", "96"),
                information="speech",
                connections=(
                    Connection(network_type="IN", address_type="IP6", address="ff00::db8:0:101"),
                    Connection(network_type="IN", address_type="IP6", address="ff00::db8:0:102"),
                ),
                bandwidths=(Bandwidth(type="AS", value=64),),
                key="clear:x",
                attributes=(Attribute(name="rtpmap", value="96 L8/8000"),),
            ),
            Media(
                type="application",
                port=9,
                protocol="UDP/DTLS/SCTP",
                formats=("webrtc-datachannel",),
            ),
            Media(type="image", port=0, protocol="udptl"),
        ),
    )


def test_line_ends_and_empty_lines() -> None:
    # RFC 8866 section 5: a single newline is to be tolerated.
    assert parse(b"\n\r\nv=0\n\no=- 1 2 IN IP4 192.0.2.1\r\na=x") == _with(
        attributes=(Attribute(name="x"),)
    )


def test_missing_and_empty_name_and_missing_time() -> None:
    assert parse(_HEAD) == _with()
    assert parse(_HEAD + b"s=\r\n") == _with()
    assert parse(_HEAD + b"s= \r\nt=1 2\r\n") == _with(
        session_name=" ", timings=(Timing(start=1, stop=2),)
    )


def test_empty_optional_lines_are_not_there() -> None:
    data = _HEAD + b"i=\ne=\np=\nu=\nt=0 0\nr=\nz=\nk=\nm=audio 0 x\ni=\nk=\n"
    assert parse(data) == _with(media=(Media(type="audio", port=0, protocol="x"),))


def test_lines_in_another_order() -> None:
    data = b"v=0\na=x\nb=AS:1\nt=0 0\ns=n\nc=IN IP4 a\no=- 1 2 IN IP4 192.0.2.1\n"
    assert parse(data) == _with(
        session_name="n",
        connection=Connection(network_type="IN", address_type="IP4", address="a"),
        bandwidths=(Bandwidth(type="AS", value=1),),
        attributes=(Attribute(name="x"),),
    )


def test_spaces_between_and_around_subfields() -> None:
    data = (
        b"v=0 \n"
        b"o= -  1 2\tIN IP4 192.0.2.1 \n"
        b"c=IN  IP4 a \n"
        b"b= AS : 7 \n"
        b"t=0  0 \n"
        b"a=sendrecv \n"
        b"a=rtpmap :0 PCMU \n"
        b"m=audio\t 007  RTP/AVP   0 \n"
    )
    assert parse(data) == _with(
        connection=Connection(network_type="IN", address_type="IP4", address="a"),
        bandwidths=(Bandwidth(type="AS", value=7),),
        attributes=(Attribute(name="sendrecv"), Attribute(name="rtpmap", value="0 PCMU ")),
        media=(Media(type="audio", port=7, protocol="RTP/AVP", formats=("0",)),),
    )


@pytest.mark.parametrize(
    ("lines", "number", "detail"),
    [
        (b"x=1", 3, "no line type that RFC 8866 knows"),
        (b"V=0", 3, "no line type that RFC 8866 knows"),
        (b"\xff=1", 3, "no line type that RFC 8866 knows"),
        (b"a", 3, "no line type that RFC 8866 knows"),
        (b"a =x", 3, "no line type that RFC 8866 knows"),
        (b" a=x", 3, "no line type that RFC 8866 knows"),
        (b"a=x\ra=y", 3, "NUL or CR in a line"),
        (b"a=x\r\r\n", 3, "NUL or CR in a line"),
        (b"a=x:\0", 3, "NUL or CR in a line"),
        (b"a=", 3, "a name must be a token"),
        (b"a=:x", 3, "a name must be a token"),
        (b"a=x y:z", 3, "a name must be a token"),
        (b"a=\xc3\xb6:z", 3, "a name must be a token"),
        (b"v=0", 3, 'a second "v=" in a section'),
        (b"o=- 1 2 IN IP4 a", 3, 'a second "o=" in a section'),
        (b"s=a\ns=b", 4, 'a second "s=" in a section'),
        (b"m=a 1 x 1\ni=a\ni=b", 5, 'a second "i=" in a section'),
        (b"m=a 1 x 1\ns=a", 4, '"s=" in a media section'),
        (b"m=a 1 x 1\nr=a", 4, '"r=" in a media section'),
        (b"c=IN IP4 a\nc=IN IP4 b", 4, 'a second "c=" for the session'),
        (b"c=IN IP4", 3, "must have 3 subfields"),
        (b"c=IN IP4 a b", 3, "must have 3 subfields"),
        (b"c=IN I\xb54 a", 3, "a name must be a token"),
        (b"c=IN IP4 a\x01", 3, "control character in a subfield"),
        (b"b=AS", 3, "must be a number of at most 64 bits"),
        (b"b=AS:-1", 3, "must be a number of at most 64 bits"),
        (b"b=AS:18446744073709551616", 3, "must be a number of at most 64 bits"),
        (b"b=AS:" + b"9" * 10_000, 3, "must be a number of at most 64 bits"),
        ("b=AS:\N{ARABIC-INDIC DIGIT ONE}".encode(), 3, "must be a number of at most 64 bits"),
        (b"b=:1", 3, "a name must be a token"),
        (b"t=0", 3, "must have 2 subfields"),
        (b"t=0 0 0", 3, "must have 2 subfields"),
        (b"t=x 0", 3, "must be a number of at most 64 bits"),
        (b"r=1 2 3", 3, '"r=" before any "t="'),
        (b"z=1 2", 3, '"z=" before any "t="'),
        (b"t=0 0\nz=1 2\nz=1 2", 5, 'a second "z=" for one "t="'),
        (b"m=audio 1", 3, "must have a media type, a port, a protocol and formats"),
        (b"m=audio 1 RTP/AVP", 3, "a media line without formats"),
        (b"m=au/dio 1 RTP/AVP 0", 3, "a name must be a token"),
        (b"m=audio 1 RTP//AVP 0", 3, 'the protocol must be tokens with "/" between'),
        (b"m=audio 1 RTP/AVP \x7f", 3, "control character in a subfield"),
    ],
)
def test_refused_lines(lines: bytes, number: int, detail: str) -> None:
    with pytest.raises(SdpError) as raised:
        parse(_HEAD + lines)
    assert (raised.value.line, raised.value.detail, raised.value.field) == (number, detail, "")
    assert str(raised.value) == f"line {number}: {detail}"


@pytest.mark.parametrize("port", ["65536", "x", "-1", "1/0", "1/", "1/x", "1/65536", "/2", "$"])
def test_refused_ports(port: str) -> None:
    with pytest.raises(SdpError) as raised:
        parse(_HEAD + f"m=audio {port} RTP/AVP 0".encode())
    assert raised.value.detail == "port and number of ports must be numbers up to 65535"


@pytest.mark.parametrize(
    ("data", "number", "detail"),
    [
        (b"", 0, 'no "o=" line'),
        (b"v=0", 0, 'no "o=" line'),
        (b"v=1", 1, "not version 0"),
        (b"v=", 1, "not version 0"),
        (b"\no=- 1 2 IN IP4 a", 2, 'must begin with "v="'),
        (b"v=0\no=- 1 2 IN IP4", 2, "must have 6 subfields"),
        (b"v=0\no=a b 1 2 IN IP4 a", 2, "must have 6 subfields"),
        (b"v=0\no=- x 2 IN IP4 a", 2, "session id and version must be decimal digits"),
        (b"v=0\no=- 1 -2 IN IP4 a", 2, "session id and version must be decimal digits"),
        (b"v=0\no=\x01 1 2 IN IP4 a", 2, "control character in a subfield"),
    ],
)
def test_refused_beginnings(data: bytes, number: int, detail: str) -> None:
    with pytest.raises(SdpError) as raised:
        parse(data)
    assert (raised.value.line, raised.value.detail) == (number, detail)


def test_limits() -> None:
    data = _HEAD + b"m=a 0 x\nm=a 0 x"
    fits = Limits(octets=len(data), lines=4, media=2)
    assert len(parse(data, fits).media) == 2
    for limits, detail in (
        (Limits(octets=len(data) - 1), f"more than {len(data) - 1} octets"),
        (Limits(lines=3), "more than 3 lines"),
        (Limits(media=1), "line 4: more than 1 media sections"),
    ):
        with pytest.raises(SdpError) as raised:
            parse(data, limits)
        assert str(raised.value) == detail
