"""Session descriptions: structures become octets and octets structures."""

from __future__ import annotations

import re

import pytest

from picosip.v1 import sdp_pb2 as pb
from picosip_server.sdp.errors import SdpError
from picosip_server.service.convert import descriptions
from picosip_server.sip.ua.commands import Body


def body(*lines: str) -> Body:
    data = "".join(f"{line}\r\n" for line in lines).encode()
    return Body(content_type="application/sdp", data=data)


WHOLE = body(
    "v=0",
    "o=alice 123 124 IN IP4 192.0.2.1",
    "s=talk",
    "i=information",
    "u=http://example.com",
    "e=a@example.com",
    "p=+1",
    "c=IN IP4 192.0.2.2",
    "b=AS:64",
    "t=1 2",
    "r=7d 1h 0 25h",
    "a=group:BUNDLE a",
    "a=x:",
    "a=recvonly",
    "m=audio 4000/2 RTP/AVP 0 8",
    "i=voice",
    "c=IN IP6 2001:db8::1",
    "b=TIAS:1000",
    "a=rtpmap:0 PCMU/8000",
    "a=rtpmap:8 PCMA/8000",
    "a=sendrecv",
)
STRUCTURE = pb.Sdp(
    origin=pb.Origin(
        username="alice",
        session_id="123",
        session_version="124",
        network_type="IN",
        address_type="IP4",
        address="192.0.2.1",
    ),
    session_name="talk",
    information="information",
    uri="http://example.com",
    emails=["a@example.com"],
    phones=["+1"],
    connection=pb.Connection(network_type="IN", address_type="IP4", address="192.0.2.2"),
    bandwidths=[pb.Bandwidth(type="AS", value=64)],
    timings=[pb.Timing(start=1, stop=2, repeats=["7d 1h 0 25h"])],
    attributes=[
        pb.Attribute(name="group", value="BUNDLE a"),
        pb.Attribute(name="x", value=""),
        pb.Attribute(name="recvonly"),
    ],
    media=[
        pb.Media(
            type="audio",
            port=4000,
            port_count=2,
            protocol="RTP/AVP",
            formats=["0", "8"],
            information="voice",
            connections=[
                pb.Connection(network_type="IN", address_type="IP6", address="2001:db8::1")
            ],
            bandwidths=[pb.Bandwidth(type="TIAS", value=1000)],
            attributes=[
                pb.Attribute(name="rtpmap", value="0 PCMU/8000"),
                pb.Attribute(name="rtpmap", value="8 PCMA/8000"),
                pb.Attribute(name="sendrecv"),
            ],
        )
    ],
)


def test_a_whole_description_both_ways() -> None:
    assert descriptions.to_proto(WHOLE) == pb.SessionDescription(sdp=STRUCTURE)
    assert descriptions.to_body(pb.SessionDescription(sdp=STRUCTURE), host="h") == WHOLE


@pytest.mark.parametrize("content_type", ["application/sdp", "Application/SDP; charset=utf-8"])
def test_the_content_type_is_read_as_the_rfc_says(content_type: str) -> None:
    made = descriptions.to_proto(Body(content_type=content_type, data=WHOLE.data))
    assert made == pb.SessionDescription(sdp=STRUCTURE)


@pytest.mark.parametrize(
    "value",
    [
        Body(content_type="application/sdp", data=b"v=1\r\n"),
        Body(content_type="application/sdp", data=b"\xff\x00"),
        Body(content_type="application/sdpx", data=WHOLE.data),
    ],
)
def test_what_is_no_description_goes_out_as_it_is(value: Body) -> None:
    assert descriptions.to_proto(value) == pb.SessionDescription(raw=value.data)


@pytest.mark.parametrize("content_type", ["application/sdp", "application/sdpx"])
def test_it_may_come_encoded(content_type: str) -> None:
    value = Body(content_type=content_type, data=WHOLE.data)
    made = pb.SessionDescription.FromString(descriptions.to_octets(value))
    assert made == descriptions.to_proto(value)


def test_no_description() -> None:
    assert descriptions.to_proto(None) is None


def test_raw_octets_are_sent_untouched() -> None:
    made = descriptions.to_body(pb.SessionDescription(raw=b"\x00not sdp"), host="h")
    assert made == Body(content_type="application/sdp", data=b"\x00not sdp")


def test_attributes_of_the_map_follow_the_list_in_the_order_of_their_names() -> None:
    sdp = pb.Sdp(
        origin=STRUCTURE.origin,
        attributes=[pb.Attribute(name="z", value="first")],
        attribute_map={
            "sendrecv": pb.AttributeValues(),
            "fmtp": pb.AttributeValues(values=["96 x", "97 y"]),
        },
        media=[
            pb.Media(
                type="audio",
                protocol="RTP/AVP",
                formats=["0"],
                attribute_map={"b": pb.AttributeValues(values=[""]), "a": pb.AttributeValues()},
            )
        ],
    )
    made = descriptions.to_body(pb.SessionDescription(sdp=sdp), host="h")
    lines = made.data.decode().split("\r\n")
    assert [line for line in lines if line.startswith("a=")] == [
        *("a=z:first", "a=fmtp:96 x", "a=fmtp:97 y", "a=sendrecv"),
        *("a=a", "a=b:"),
    ]


def origin_of(sdp: pb.Sdp) -> str:
    made = descriptions.to_body(pb.SessionDescription(sdp=sdp), host="198.51.100.1")
    return made.data.decode().split("\r\n")[1]


STREAM = pb.Media(type="audio", port=4000, protocol="RTP/AVP", formats=["0"])


@pytest.mark.parametrize(
    ("sdp", "address"),
    [
        (pb.Sdp(media=[STREAM]), "IP4 198.51.100.1"),
        (pb.Sdp(connection=pb.Connection(address="192.0.2.2"), media=[STREAM]), "IP4 192.0.2.2"),
        (pb.Sdp(connection=pb.Connection(address="233.252.0.1/127")), "IP4 233.252.0.1"),
        (
            pb.Sdp(
                media=[
                    STREAM,
                    pb.Media(
                        type="video",
                        protocol="RTP/AVP",
                        formats=["0"],
                        connections=[pb.Connection(address="2001:db8::1")],
                    ),
                ]
            ),
            "IP6 2001:db8::1",
        ),
        (pb.Sdp(origin=pb.Origin(address="192.0.2.9")), "IP4 192.0.2.9"),
    ],
)
def test_the_origin_gets_an_address_and_a_number_of_its_own(sdp: pb.Sdp, address: str) -> None:
    match = re.fullmatch(rf"o=- (\d+) (\d+) IN {re.escape(address)}", origin_of(sdp))
    assert match is not None
    assert match[1] == match[2]
    assert int(match[1]) < 2**62
    assert origin_of(sdp) != origin_of(sdp)


def test_the_version_is_the_session_id_unless_given() -> None:
    assert origin_of(pb.Sdp(origin=pb.Origin(session_id="5"))) == "o=- 5 5 IN IP4 198.51.100.1"
    origin = pb.Origin(username="u", session_id="5", session_version="6")
    assert origin_of(pb.Sdp(origin=origin)) == "o=u 5 6 IN IP4 198.51.100.1"


def test_what_cannot_be_written_is_named() -> None:
    sdp = pb.Sdp(media=[pb.Media(type="audio", port=70000, protocol="RTP/AVP", formats=["0"])])
    with pytest.raises(SdpError) as raised:
        descriptions.to_body(pb.SessionDescription(sdp=sdp), host="h")
    assert raised.value.field == "media[0].port"
